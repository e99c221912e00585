"""The REST API: one module per topic with its handlers and, at its end, its table of routes."""
