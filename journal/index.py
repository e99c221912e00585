"""The execution index: one row per execution, computed from its events, rebuilt from them at any time.

It answers lists and tells recovery what is still open. It is a projection: the verifier rebuilds it and
compares, and nothing decides by it what an execution did.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from hookledger.journal.events import (
    AnyEvent,
    BranchTaken,
    ChildReturned,
    ChildStarted,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionForked,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionQueued,
    ExecutionRestarted,
    ExecutionResumed,
    KillRequested,
    LabelsSet,
    OutputsResolved,
    ResultSettled,
    TaskReturned,
    TaskStarted,
    TimerFired,
    TimerSet,
    TriggerReceived,
    begins,
)

Waits = Literal["", "IN_DOUBT", "PAUSED", "RUNNING", "SUBFLOW", "RETRYING", "SLEEPING", "QUEUED"]
"""What an open execution waits for: a person who settles an attempt a crash left in doubt, a person or a Pause's
time, its own work, a subflow, the time of a retry, a timer, its turn to begin. Empty once it has ended. Of several
reasons it is the first in this order."""


ENDED: Final = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED"})
"""States of executions that have ended; in all others they are open."""

STATES: Final = (
    "CREATED", "QUEUED", "RUNNING", "PAUSED", "KILLING", "RETRYING", "RESTARTED",
    "SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED", "SKIPPED",
)  # fmt: skip
"""Every state an execution may be looked for by."""


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What lists show of an execution. Times are microseconds; `ended` is 0 while it is open."""

    execution: str
    namespace: str = ""
    flow: str = ""
    revision: int = 0
    trigger: str = ""
    state: str = "CREATED"
    waits: Waits = ""
    started: int = 0
    ended: int = 0
    labels: dict[str, str] = {}
    delivery: str = ""
    """The request that began it, when one did."""
    deduplication: str = ""
    events: int = 0
    """How many it has, observations included."""
    parent: str = ""
    """The execution whose Subflow task started it."""
    replay_of: str = ""
    """The execution it repeats: by the label `system.replayOf`, as its fork, or as the next attempt of its flow."""
    original: str = ""
    """The first of those that repeat one another, when this is not it."""
    generation: int = 0
    """How often it was restarted."""
    began: int = 0
    """When it was RUNNING first; 0 while nothing of it has begun."""

    @property
    def open(self) -> bool:
        """True until a terminal event, and again after a restart."""
        return self.ended == 0

    @property
    def duration(self) -> int:
        """Microseconds from start to end, waits included; 0 while it is open."""
        return self.ended - self.started if self.ended else 0

    @property
    def source(self) -> str:
        """What started it: `webhook`, `schedule`, `api`, ... (label `system.from`)."""
        return self.labels.get("system.from", "")


class Projection:
    """An execution's row while its events come by, with what they leave open and the row need not keep."""

    __slots__ = (
        "began",
        "deduplication",
        "delivery",
        "ended",
        "events",
        "execution",
        "flow",
        "generation",
        "labels",
        "namespace",
        "naps",
        "original",
        "parent",
        "pending",
        "queued",
        "replay_of",
        "revision",
        "settled",
        "started",
        "state",
        "trigger",
    )

    def __init__(self, execution: str) -> None:
        self.execution = execution
        self.namespace = self.flow = self.trigger = self.delivery = self.deduplication = ""
        self.parent = self.replay_of = self.original = ""
        self.state = "CREATED"
        self.revision = self.started = self.ended = self.events = self.generation = self.began = 0
        self.labels: dict[str, str] = {}
        self.pending: dict[str, Waits] = {}
        """What is open, by path of its task; the empty path is the whole execution."""
        self.queued = False
        """True while it waits for a place and nothing of it has begun."""
        self.settled = False
        """True once it is known what it ends in, and only its `afterExecution` list runs."""
        self.naps: tuple[str, ...] = ()
        """Of these the ones that end without an event of their own: as soon as something begins below them."""

    def follow(self, events: Iterable[AnyEvent]) -> ExecutionRow:
        """Take in what happened next and return the row after it."""
        for event in events:
            self.events += 1
            if self.queued and begins(event):
                self.queued = False
            step = _STEPS.get(type(event))
            if step is not None:
                step(self, event)
            if not self.began and self.state == "RUNNING":
                self.began = event.at
        return self.row()

    def row(self) -> ExecutionRow:
        """The row as of now."""
        return ExecutionRow(
            execution=self.execution,
            namespace=self.namespace,
            flow=self.flow,
            revision=self.revision,
            trigger=self.trigger,
            state=self.state,
            waits="" if self.ended else self._waits(),
            started=self.started,
            ended=self.ended,
            labels=self.labels,
            delivery=self.delivery,
            deduplication=self.deduplication,
            events=self.events,
            parent=self.parent,
            replay_of=self.replay_of,
            original=self.original,
            generation=self.generation,
            began=self.began,
        )

    def _waits(self) -> Waits:
        """Without anything else it is the engine's turn, which is work as well."""
        if self.pending:
            return min(self.pending.values(), key=_RANK.__getitem__)
        return "QUEUED" if self.queued else "RUNNING"

    def _move(self, state: str) -> None:
        """A killing execution stays so until it ends, whatever its attempts still report."""
        waits = (
            self.state == "PAUSED"
            and state in ("RUNNING", "QUEUED")
            and _PERSONS.intersection(self.pending.values())
        )
        if self.state != "KILLING" and not waits:
            self.state = state

    def _open(self, path: str, reason: Waits) -> None:
        if self.naps:
            self._wake(path)
        self.pending[path] = reason

    def _nap(self, path: str, reason: Waits) -> None:
        self.pending[path] = reason
        self.naps += (path,)

    def _wake(self, path: str) -> None:
        """Something begins at `path`: what slept until then, there or above, is awake."""
        over = [nap for nap in self.naps if not nap or path == nap or path.startswith((f"{nap}[", f"{nap}/"))]
        self.naps = tuple(nap for nap in self.naps if nap not in over)
        for nap in over:
            self.pending.pop(nap, None)

    def _begin(self, received: TriggerReceived, at: int) -> None:
        self.namespace, self.flow, self.revision = received.namespace, received.flow, received.revision
        self.trigger, self.delivery = received.trigger, received.delivery
        self.deduplication = received.deduplication
        self.parent, self.labels, self.started = received.parent, received.labels, at
        self.replay_of = received.retry_of or received.labels.get("system.replayOf", "")
        self.original = received.original
        if received.not_before > at:
            self._nap("", "RETRYING")

    def _received(self, event: TriggerReceived) -> None:
        self._begin(event, event.at)

    def _forked(self, event: ExecutionForked) -> None:
        self._begin(event.received, event.at)
        self.replay_of = self.replay_of or event.origin

    def _task_started(self, event: TaskStarted) -> None:
        self._open(event.path, "RUNNING")
        self._move("RUNNING")

    def _task_returned(self, event: TaskReturned) -> None:
        if event.next == "retry":
            self.pending[event.path] = "RETRYING"
            if not self.settled and not _PERSONS.intersection(self.pending.values()):
                self._move("RETRYING")
        else:
            self.pending.pop(event.path, None)

    def _branch_taken(self, event: BranchTaken) -> None:
        if self.naps:
            self._wake(event.path)
        if event.not_before > event.at:
            self._nap(event.path, "SLEEPING")
            self._move("PAUSED")
        else:
            self._move("RUNNING")

    def _timer_set(self, event: TimerSet) -> None:
        """A bound on a block is nothing that anybody waits for."""
        if event.origin == "timeout":
            return
        self._open(event.path, "SLEEPING")
        if self.state in _NOT_BEGUN:
            self._move("RUNNING")

    def _timer_fired(self, event: TimerFired) -> None:
        if event.origin != "timeout":
            self.pending.pop(event.path, None)

    def _queue(self, event: ExecutionQueued) -> None:
        self.queued = True
        self._move("QUEUED")

    def _paused(self, event: ExecutionPaused) -> None:
        self._open(event.path, "IN_DOUBT" if event.reason == "in_doubt" else "PAUSED")
        self._move("PAUSED")

    def _resumed(self, event: ExecutionResumed) -> None:
        """What was in doubt is an attempt under way again, until its return is recorded."""
        if self.pending.pop(event.path, None) == "IN_DOUBT":
            self.pending[event.path] = "RUNNING"
        if event.choice != "cancel":
            self._move("QUEUED" if self.queued else "RUNNING")

    def _child_started(self, event: ChildStarted) -> None:
        if event.wait:
            self._open(event.path, "SUBFLOW")
        self._move("RUNNING")

    def _child_returned(self, event: ChildReturned) -> None:
        self.pending.pop(event.path, None)

    def _kill_requested(self, event: KillRequested) -> None:
        self.state = "KILLING"
        self.pending.pop("", None)

    def _settle(self, event: ResultSettled) -> None:
        self.settled = True

    def _labels_set(self, event: LabelsSet) -> None:
        self.labels = {**self.labels, **event.labels}

    def _resolved(self, event: OutputsResolved) -> None:
        self.state, self.ended = event.state, event.at

    def _ended(self, event: ExecutionFailed | ExecutionKilled | ExecutionCancelled) -> None:
        retried = isinstance(event, ExecutionFailed) and event.retry_at
        self.state, self.ended = "RETRIED" if retried else _STATE_AFTER[type(event)], event.at

    def _restarted(self, event: ExecutionRestarted) -> None:
        """What an end left open is void; only what the restart repeats can be open again."""
        self.state, self.ended = "RESTARTED", 0
        self.revision, self.generation = event.revision, event.generation
        self.labels = {**self.labels, "system.restarted": "true"}
        self.pending.clear()
        self.settled = False
        self.naps = ()
        self.queued = False


_NOT_BEGUN: Final = frozenset({"CREATED", "QUEUED", "RESTARTED"})
_PERSONS: Final = frozenset({"PAUSED", "IN_DOUBT"})
_RANK: Final[Mapping[Waits, int]] = {
    "IN_DOUBT": 0,
    "PAUSED": 1,
    "RUNNING": 2,
    "SUBFLOW": 3,
    "RETRYING": 4,
    "SLEEPING": 5,
}
_STATE_AFTER: Final[dict[type, str]] = {
    ExecutionFailed: "FAILED",
    ExecutionKilled: "KILLED",
    ExecutionCancelled: "CANCELLED",
}
_STEPS: Final[dict[type, Callable[[Projection, Any], None]]] = {
    TriggerReceived: Projection._received,
    ExecutionForked: Projection._forked,
    TaskStarted: Projection._task_started,
    TaskReturned: Projection._task_returned,
    BranchTaken: Projection._branch_taken,
    TimerSet: Projection._timer_set,
    TimerFired: Projection._timer_fired,
    ExecutionQueued: Projection._queue,
    ExecutionPaused: Projection._paused,
    ExecutionResumed: Projection._resumed,
    ChildStarted: Projection._child_started,
    ChildReturned: Projection._child_returned,
    KillRequested: Projection._kill_requested,
    LabelsSet: Projection._labels_set,
    ResultSettled: Projection._settle,
    OutputsResolved: Projection._resolved,
    ExecutionFailed: Projection._ended,
    ExecutionKilled: Projection._ended,
    ExecutionCancelled: Projection._ended,
    ExecutionRestarted: Projection._restarted,
}
