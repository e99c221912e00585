"""The webhook against the real server."""
