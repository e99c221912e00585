"""`hookledger journal replay`: an execution's state rebuilt by folding, as plain data for a person or a program."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hookledger.actors.flows import FlowBook, Revision
from hookledger.api.shapes import StateAt
from hookledger.api.views import execution_view
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.errors import ExecutionUnknown
from hookledger.journal.sqlite.reader import SqliteReader
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.histories import shown_runs
from hookledger.runtime.state import State, fold_all
from hookledger.runtime.tasks.registry import installed


def replayed(
    execution_id: str,
    entries: list[Entry],
    at: int | None = None,
    *,
    flow_of: Callable[[State], Flow | None],
    prefix: State | None = None,
    kept: Sequence[Any] = (),
) -> StateAt:
    """Fold the events up to and including sequence `at` (all by default) and describe the state.

    Args:
        flow_of: Gives the flow at the execution's revision, which knows the blocks around its tasks.
        prefix: What a fork begins with.
        kept: The events behind that.

    Raises:
        ExecutionUnknown: There are no events to fold.
    """
    events = _events(entries, at)
    state = fold_all(events, prefix)
    if state.received is None:
        raise ExecutionUnknown(execution_id)
    runs = shown_runs(flow_of(state), state, [*kept, *events])
    view = msgspec.structs.asdict(execution_view(execution_id, state, runs))
    return StateAt(**view, sequence=state.sequence - 1, waits_for=waits_for(state))


def folded(entries: list[Entry], at: int | None, prefix: State | None = None) -> State:
    """Fold an execution's entries behind what it began with."""
    return fold_all(_events(entries, at), prefix)


def _events(entries: list[Entry], at: int | None) -> list[Any]:
    events: list[Any] = [event for entry in entries for event in entry.events()]
    return [event for event in events if at is None or event.sequence <= at]


def flow_in(reader: SqliteReader) -> Callable[[State], Flow | None]:
    """The flows a journal's own stream has registered, for who has no engine."""

    def flow_of(state: State) -> Flow | None:
        revision = revision_in(reader, state)
        return revision.flow if revision is not None else None

    return flow_of


def revision_in(reader: SqliteReader, state: State) -> Revision | None:
    """The registered revision an execution is pinned to."""
    assert state.received is not None
    book = FlowBook(installed())
    for entry in reader.entries(SYSTEM):
        for event in entry.events():
            book.learn(event)
    return book.pinned(state.received.namespace, state.received.flow, state.revision)


def waits_for(state: State) -> list[str]:
    """Why an execution that has not ended does not go on by itself right now."""
    if state.terminal is not None:
        return []
    reasons = [f"attempt {run.attempts} of {run.path}" for run in state.open_runs()]
    reasons += [f"retry of {run.path}" for run in state.runs.values() if run.state == "RETRYING"]
    reasons += [f"timer of {path}" for path in state.timers]
    reasons += [f"{pause.reason} at {path or 'the whole execution'}" for path, pause in state.pauses.items()]
    reasons += [
        f"child {child.child}" for path, child in state.children.items() if path not in state.returned
    ]
    return reasons or ["the engine"]
