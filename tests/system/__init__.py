"""Whole processes: the command line, crashes, the built wheel, the documents."""
