"""`hookledger journal replay`: an execution's state rebuilt by folding, as plain data for a person or a program."""

from typing import Any

import msgspec

from hookledger.api.shapes import StateAt
from hookledger.api.views import execution_view
from hookledger.journal.entry import Entry
from hookledger.journal.errors import ExecutionUnknown
from hookledger.runtime.state import State, fold_all


def replayed(
    execution_id: str, entries: list[Entry], at: int | None = None, *, prefix: State | None = None
) -> StateAt:
    """Fold the events up to and including sequence `at` (all by default) and describe the state.

    Args:
        prefix: What a fork begins with.

    Raises:
        ExecutionUnknown: There are no events to fold.
    """
    state = folded(entries, at, prefix)
    if state.received is None:
        raise ExecutionUnknown(execution_id)
    view = msgspec.structs.asdict(execution_view(execution_id, state))
    return StateAt(**view, sequence=state.sequence - 1, waits_for=waits_for(state))


def folded(entries: list[Entry], at: int | None, prefix: State | None = None) -> State:
    """Fold an execution's entries behind what it began with."""
    events: list[Any] = [event for entry in entries for event in entry.events()]
    return fold_all((event for event in events if at is None or event.sequence <= at), prefix)


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
