"""Task runs as lists show them, over random histories: what holds of every list."""

from itertools import pairwise

from hypothesis import given

from hookledger.journal.events import ExecutionEvent
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.histories import shown_runs
from hookledger.runtime.state import FINISHED, fold_all
from hookledger.runtime.taskruns import task_runs
from tests.runtime.histories import histories

History = tuple[Flow, list[ExecutionEvent]]


@given(histories())
def test_a_list_agrees_with_the_planner_and_the_fold(history: History) -> None:
    """
    Each run is listed once, its parent before it, in the state the planner gives it; all have ended with the execution.
    """
    flow, events = history
    state = fold_all(events)
    planned = task_runs(flow, state)
    listed: set[str] = set()
    for run in shown_runs(flow, state, events):
        assert run.path not in listed
        assert not run.parent or run.parent in listed
        listed.add(run.path)
        if run.path in planned:
            assert run.state == planned[run.path].state
        assert run.state in FINISHED
        if (own := state.runs.get(run.path)) is not None:
            assert run.outputs == own.outputs
            assert run.error == own.error


@given(histories())
def test_histories_begin_with_created_and_never_go_back_in_time(history: History) -> None:
    """
    Of a run and of each of its attempts; no state follows itself, and nothing happens after the execution's end.
    """
    flow, events = history
    state = fold_all(events)
    for run in shown_runs(flow, state, events):
        for told in (run.history, *(attempt.history for attempt in run.attempts)):
            states, times = [reached for reached, _ in told], [at for _, at in told]
            assert states[0] == "CREATED"
            assert all(left != right for left, right in pairwise(states))
            assert times == sorted(times)
            assert times[-1] <= state.at


@given(histories())
def test_a_list_is_the_same_at_every_event(history: History) -> None:
    """
    It can be made of any prefix of the events, and what was told of an ended attempt stays so.
    """
    flow, events = history
    known: dict[tuple[str, int], str] = {}
    for end in range(1, len(events) + 1, max(1, len(events) // 20)):
        told = events[:end]
        for run in shown_runs(flow, fold_all(told), told):
            for number, attempt in enumerate(run.attempts):
                if attempt.state in FINISHED and run.path in fold_all(told).runs:
                    assert known.setdefault((run.path, number), attempt.state) == attempt.state
