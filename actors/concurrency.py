"""A flow's `concurrency`: how many of its executions may be open at once, and who waits.

Nothing of this is stored: an execution that has nothing but its first event is one that waits, and the order is
that of arrival, so the queue is the same after a restart.
"""

from collections import deque
from typing import Literal, TypeAlias

from hookledger.runtime.flow.model import Flow

Verdict: TypeAlias = Literal["run", "wait", "CANCEL", "FAIL"]


class Gate:
    """Counts open executions of flows that have a limit."""

    def __init__(self) -> None:
        self._running: dict[str, set[str]] = {}
        self._queued: dict[str, deque[str]] = {}

    def enter(self, flow: Flow, execution: str, *, begun: bool = False) -> Verdict:
        """Ask for a place; one that had begun before a restart always has it."""
        if flow.concurrency is None:
            return "run"
        running = self._running.setdefault(flow.name, set())
        if begun or execution in running or len(running) < flow.concurrency.limit:
            running.add(execution)
            return "run"
        if flow.concurrency.behavior != "QUEUE":
            return flow.concurrency.behavior
        queued = self._queued.setdefault(flow.name, deque())
        if execution not in queued:
            queued.append(execution)
        return "wait"

    def leave(self, flow_name: str, execution: str) -> str | None:
        """Give the place back; returns the execution that may begin now."""
        running = self._running.get(flow_name, set())
        running.discard(execution)
        queued = self._queued.get(flow_name)
        if queued and execution in queued:
            queued.remove(execution)
            return None
        return queued.popleft() if queued else None

    def waiting(self, flow_name: str) -> int:
        """How many executions of a flow wait for a place."""
        return len(self._queued.get(flow_name, ()))
