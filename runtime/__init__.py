"""What should happen: the flow language, expressions, task types, the pure `fold` and `decide`."""
