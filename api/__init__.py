"""Who may ask: the webhook, the REST API, the console and the command line."""
