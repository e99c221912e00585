"""Flowable task types: they plan, and never run anything themselves."""
