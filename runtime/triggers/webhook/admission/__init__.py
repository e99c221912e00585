"""Building blocks that decide whether a request becomes a delivery: pure functions over plain values.

Import each from its own module; a trigger uses only those it configured.
"""
