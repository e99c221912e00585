"""Bugs on purpose: does the suite find them?

`planted` are bugs somebody could make, written by hand; `operators` makes small random ones. Both are applied to copies
of the tree, and the tests that should find them run there.
"""
