"""The fold: what an execution is after its events."""

from typing import get_args

import pytest
from hypothesis import given, settings
from msgspec.structs import asdict

from hookledger.journal.errors import JournalGap
from hookledger.journal.events import ExecutionEvent, Observation, OperatorNote, decode_events, encode_events
from hookledger.journal.index import Projection
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.state import State, fold, fold_all
from tests.runtime.driving import renumbered
from tests.runtime.histories import histories

History = tuple[Flow, list[ExecutionEvent]]


@settings(max_examples=40, deadline=None)
@given(histories())
def test_replay_does_not_depend_on_the_cut(history: History) -> None:
    """
    fold(prefix) and then fold(rest) is fold(all), at every cut.
    """
    events = history[1]
    whole = fold_all(events)
    before = State()
    for cut, event in enumerate(events):
        assert fold_all(events[cut:], before) == whole
        before = fold(before, event)


@settings(max_examples=40, deadline=None)
@given(histories())
def test_observations_never_change_the_fold(history: History) -> None:
    """
    Without its observations a history folds to the same state but for the number of events.
    """
    events = history[1]
    decisions = renumbered([event for event in events if not isinstance(event, get_args(Observation))])
    told, untold = fold_all(events), fold_all(decisions)
    assert _unnumbered(told) == _unnumbered(untold)


@settings(max_examples=40, deadline=None)
@given(histories())
def test_a_stored_history_folds_like_the_one_in_memory(history: History) -> None:
    """
    decode(encode(events)) folds to the same state: nothing that matters is lost on the way to the disk.
    """
    events = history[1]
    stored = decode_events(encode_events(tuple(events)))
    assert stored == events


@settings(max_examples=40, deadline=None)
@given(histories())
def test_the_fold_refuses_gaps_and_repetitions(history: History) -> None:
    """
    An event that does not come next raises JournalGap, wherever the history is cut.
    """
    events = history[1]
    for cut in range(len(events) - 1):
        state = fold_all(events[:cut])
        with pytest.raises(JournalGap):
            fold(state, events[cut + 1])
        with pytest.raises(JournalGap):
            fold(fold(state, events[cut]), events[cut])


@settings(max_examples=40, deadline=None)
@given(histories())
def test_a_history_ends_once_and_with_nothing_open(history: History) -> None:
    """
    One terminal event, at the very end, with every attempt closed; before it the state is not final.
    """
    events = history[1]
    assert [event.terminal for event in events] == [False] * (len(events) - 1) + [True]
    final = fold_all(events)
    assert final.open_runs() == ()
    assert final.terminal == events[-1]


@settings(max_examples=40, deadline=None)
@given(histories())
def test_the_index_row_of_a_finished_execution_says_what_the_fold_says(history: History) -> None:
    """
    The projection and the fold agree on state, labels and times once an execution has ended.
    """
    events = history[1]
    row, state = Projection("x").follow(events), fold_all(events)
    assert (row.state, row.labels, row.ended) == (state.status, state.labels, events[-1].at)


def test_an_observation_only_counts() -> None:
    """
    An observation moves the sequence and nothing else, not even the time of the newest decision.
    """
    state = fold(State(), OperatorNote(sequence=0, at=5, by="user:me", text="hello"))
    assert state == State(sequence=1)


def _unnumbered(state: State) -> dict[str, object]:
    """Everything a state says that is no count of events; what it keeps of events, without their numbers."""

    def bare(value: object) -> object:
        if isinstance(value, dict):
            return {key: bare(item) for key, item in value.items()}
        if hasattr(value, "__struct_fields__"):
            return {key: bare(item) for key, item in asdict(value).items() if key != "sequence"}  # type: ignore[arg-type]
        return value

    found = bare(state)
    assert isinstance(found, dict)
    return found
