"""The console: server-rendered pages over the same functions that the API uses."""
