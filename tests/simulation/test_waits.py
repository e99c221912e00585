"""The execution index beside the fold: two ways from the same events to the same state and reason to wait."""

import pytest

from hookledger.journal.entry import SYSTEM
from hookledger.journal.events import ExecutionEvent
from hookledger.journal.index import Projection, Waits
from hookledger.runtime.state import State, fold
from tests.simulation.randomly import random_run
from tests.simulation.world import World

SEEDS = range(20)


def histories(world: World) -> dict[str, list[ExecutionEvent]]:
    """The events of every execution on the disk."""
    found: dict[str, list[ExecutionEvent]] = {}
    for entry in world.disk.scan():
        if entry.header.exec != SYSTEM:
            found.setdefault(entry.header.exec, []).extend(entry.events())  # type: ignore[arg-type]
    return found


def reasons(state: State) -> set[Waits]:
    """Everything an open execution waits for, as its fold says it."""
    found: set[Waits] = {
        "RUNNING" for run in state.runs.values() if run.open and run.path not in state.pauses
    }
    found |= {"RETRYING" for run in state.runs.values() if run.state == "RETRYING"}
    found |= {"SLEEPING" for _ in state.timers}
    found |= {"IN_DOUBT" if pause.reason == "in_doubt" else "PAUSED" for pause in state.pauses.values()}
    found |= {
        "SUBFLOW" for path, child in state.children.items() if child.wait and path not in state.returned
    }
    return found


ORDER: tuple[Waits, ...] = ("IN_DOUBT", "PAUSED", "RUNNING", "SUBFLOW", "RETRYING", "SLEEPING")


def expected(state: State) -> set[Waits]:
    """The first reason that holds; a loop may sleep between two rounds, which the fold sees only by the clock."""
    found = reasons(state)
    for reason in ORDER:
        if reason in found:
            return {reason}
    between: set[Waits] = {"QUEUED"} if state.queued else {"RUNNING"}
    if any(branch.not_before for branch in state.branches.values()):
        between.add("SLEEPING")
    if state.received is not None and state.received.not_before and not state.runs:
        between.add("RETRYING")
    if state.expired:  # what slept inside a block that is late is cut off by what comes next
        between.add("SLEEPING")
    return between


@pytest.mark.parametrize("seed", SEEDS)
def test_the_index_says_what_the_fold_says(seed: int) -> None:
    """
    After every event of every random run, row and fold agree on the state; while open, on the reason to wait.
    """
    for execution, events in histories(random_run(seed)).items():
        projection, state = Projection(execution), State()
        for event in events:
            row, state = projection.follow((event,)), fold(state, event)
            assert (row.state, row.events) == (state.status, state.sequence)
            if row.open and row.state != "KILLING":
                assert row.waits in expected(state), (execution, event)
