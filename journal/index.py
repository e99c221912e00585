"""The execution index: one row per execution, computed from its events, rebuilt from them at any time.

It answers lists and tells recovery what is still open. It is a projection: the verifier rebuilds it and
compares, and nothing decides by it what an execution did.
"""

from collections.abc import Iterable

import msgspec

from hookledger.journal.events import (
    AnyEvent,
    BranchTaken,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionForked,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    KillRequested,
    LabelsSet,
    OutputsResolved,
    TaskStarted,
    TriggerReceived,
)


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """What lists show of an execution. Times are microseconds; `ended` is 0 while it is open."""

    execution: str
    namespace: str = ""
    flow: str = ""
    revision: int = 0
    trigger: str = ""
    state: str = "CREATED"
    started: int = 0
    ended: int = 0
    labels: dict[str, str] = {}
    deduplication: str = ""

    @property
    def open(self) -> bool:
        """True until a terminal event, and again after a restart."""
        return self.ended == 0


_STATE_AFTER: dict[type, str] = {
    TaskStarted: "RUNNING",
    BranchTaken: "RUNNING",
    ExecutionPaused: "PAUSED",
    ExecutionResumed: "RUNNING",
    KillRequested: "KILLING",
    ExecutionRestarted: "RESTARTED",
    ExecutionFailed: "FAILED",
    ExecutionKilled: "KILLED",
    ExecutionCancelled: "CANCELLED",
}


def project(row: ExecutionRow | None, execution: str, events: Iterable[AnyEvent]) -> ExecutionRow:
    """Return the index row after `events`."""
    current = row or ExecutionRow(execution=execution)
    for event in events:
        current = _step(current, event)
    return current


def _step(row: ExecutionRow, event: AnyEvent) -> ExecutionRow:
    match event:
        case TriggerReceived():
            return _begun(row, event, event.at)
        case ExecutionForked():
            return _begun(row, event.received, event.at)
        case OutputsResolved():
            return msgspec.structs.replace(row, state=event.state, ended=event.at)
        case ExecutionFailed() | ExecutionKilled() | ExecutionCancelled():
            return msgspec.structs.replace(row, state=_STATE_AFTER[type(event)], ended=event.at)
        case ExecutionRestarted():
            return msgspec.structs.replace(row, state="RESTARTED", ended=0, revision=event.revision)
        case LabelsSet():
            return msgspec.structs.replace(row, labels={**row.labels, **event.labels})
        case _:
            return _moved(row, _STATE_AFTER.get(type(event)))


def _begun(row: ExecutionRow, received: TriggerReceived, at: int) -> ExecutionRow:
    return msgspec.structs.replace(
        row,
        namespace=received.namespace,
        flow=received.flow,
        revision=received.revision,
        trigger=received.trigger,
        labels=received.labels,
        started=at,
        deduplication=received.deduplication,
    )


def _moved(row: ExecutionRow, state: str | None) -> ExecutionRow:
    """A killing execution stays so until it ends, whatever its attempts still report."""
    if state is None or state == row.state or row.state == "KILLING":
        return row
    return msgspec.structs.replace(row, state=state)
