"""Who makes it happen: execution actors, their supervisor, timers and `Engine`."""
