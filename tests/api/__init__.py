"""The API, from handlers with plain values to a real server."""
