"""Pages of executions: the list, and one of them as story, timeline, topology, logs, outputs and journal."""
