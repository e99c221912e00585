"""A flow's `concurrency`: how many of its executions may be open at once, and who waits.

Who waits says so in the journal (`ExecutionQueued`), so queue and places are the same after a restart: an execution
that is queued has no place, any other open one has. The order is that of arrival: of the entry in which an execution
was queued.
"""

import math
from bisect import insort
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from hookledger.runtime.flow.model import Flow

Verdict: TypeAlias = Literal["run", "wait", "CANCEL", "FAIL"]


class _Line(msgspec.Struct):
    """One flow's places, and who waits for one."""

    revision: int = 0
    limit: float = math.inf
    placed: set[str] = msgspec.field(default_factory=set)
    queued: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """Place in the journal and execution, in order."""


class Gate:
    """The places of all flows that have a limit. The newest revision that was seen says how many there are."""

    def __init__(self) -> None:
        self.open = False
        """False until every execution that has a place is known: before that nobody gets one."""
        self._lines: dict[str, _Line] = {}

    def limit(self, flow: Flow) -> float:
        """How many executions of a flow may be open at once."""
        line = self._lines.get(flow.name)
        return line.limit if line is not None else _limit(flow)

    def revise(self, flow: Flow) -> None:
        """A revision of a flow was seen."""
        line = self._lines.get(flow.name)
        if line is None and flow.concurrency is not None:
            line = self._lines[flow.name] = _Line()
        if line is not None and flow.revision >= line.revision:
            line.revision, line.limit = flow.revision, _limit(flow)

    def ask(self, flow: Flow) -> Verdict:
        """What becomes of one more execution; nobody overtakes those who wait."""
        self.revise(flow)
        line = self._lines.get(flow.name)
        if flow.concurrency is None or line is None:
            return "run"
        if not self.open:
            return "wait"
        if not line.queued and len(line.placed) < line.limit:
            return "run"
        return "wait" if flow.concurrency.behavior == "QUEUE" else flow.concurrency.behavior

    def has(self, flow: Flow, execution: str) -> bool:
        """True for an execution that has a place: it keeps it while it waits for a time or a person."""
        line = self._lines.get(flow.name)
        return line is not None and execution in line.placed

    def take(self, flow: Flow, execution: str) -> None:
        """Give it a place, also where there is none left: it had one before."""
        self.revise(flow)
        line = self._lines.get(flow.name)
        if line is not None and flow.concurrency is not None:
            line.placed.add(execution)

    def queue(self, flow: Flow, execution: str, position: int) -> None:
        """Let it wait.

        Args:
            position: Of the entry in which it was queued.
        """
        self.revise(flow)
        insort(self._lines.setdefault(flow.name, _Line()).queued, (position, execution))

    def leave(self, flow_name: str, execution: str) -> None:
        """It needs its place no longer, or does not wait any more."""
        line = self._lines.get(flow_name)
        if line is not None and execution in line.placed:
            line.placed.remove(execution)
        elif line is not None:
            line.queued = [one for one in line.queued if one[1] != execution]

    def admit(self, flow_name: str) -> Iterator[str]:
        """Give the places that are free to those who wait, in order; yields who may begin."""
        line = self._lines.get(flow_name)
        while self.open and line is not None and line.queued and len(line.placed) < line.limit:
            _, execution = line.queued.pop(0)
            line.placed.add(execution)
            yield execution

    def flows(self) -> tuple[str, ...]:
        """Names of the flows that are known to have a limit."""
        return tuple(self._lines)


def _limit(flow: Flow) -> float:
    return flow.concurrency.limit if flow.concurrency is not None else math.inf
