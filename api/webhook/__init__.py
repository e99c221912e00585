"""The webhook: from an HTTP request to the first event and, when the trigger says `wait`, to the answer."""
