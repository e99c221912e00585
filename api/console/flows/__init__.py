"""Pages of flows: lists, the editor, triggers, starting, revisions, deliveries."""
