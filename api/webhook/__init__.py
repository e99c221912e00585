"""Webhooks: from an HTTP request to a delivery that is worth an execution."""
