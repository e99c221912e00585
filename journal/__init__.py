"""What happened: events, entries, the journal and its stores, verification."""
