"""The pipeline's steps, one rule each, in the order of the pipeline.

A step is called with the exchange; it returns when the request may go on, raises `Refused` when it may not, and
`Answered` when there is nothing left to do. Each takes what it needs from the trigger's settings once, when the
pipeline is built.
"""
