"""Deciding: pure, total, and it comes to an end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookledger.journal.events import ExecutionEvent, TaskStarted, encode_events
from hookledger.runtime.decide import decide
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.state import State, fold, fold_all
from tests.runtime.driving import Driver
from tests.runtime.histories import histories, made_flow, made_history

History = tuple[Flow, list[ExecutionEvent]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000_000))
def test_every_execution_comes_to_an_end(seed: int) -> None:
    """
    Whatever tasks, people and the clock do, an execution ends; before that there is always a command, and one that
    waits has a named reason. (The driver checks the commands of every state it reaches.)
    """
    driver = Driver(made_flow(seed), seed)
    driver.run()
    assert driver.state.terminal is not None


@settings(max_examples=40, deadline=None)
@given(histories(), st.integers(0, 2**60))
def test_decide_answers_in_every_state_and_at_every_time(history: History, now: int) -> None:
    """
    decide is total: for every prefix of a history and any clock it returns commands, none only behind the end.
    """
    flow, events = history
    state = State()
    assert decide(flow, state, now) == ()
    for event in events:
        state = fold(state, event)
        assert bool(decide(flow, state, now)) == (state.terminal is None)


@settings(max_examples=40, deadline=None)
@given(histories())
def test_no_attempt_begins_while_paused_or_after_a_kill(history: History) -> None:
    """
    No TaskStarted while an operator's pause lasts, nor after KillRequested until the result is settled.
    """
    state = State()
    for event in history[1]:
        if isinstance(event, TaskStarted):
            assert "" not in state.pauses
            assert not state.stopping
        state = fold(state, event)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000_000))
def test_one_seed_is_one_history(seed: int) -> None:
    """
    The same answers give the same history, byte for byte: deciding draws on nothing but state, flow and time.
    """
    assert encode_events(tuple(made_history(seed)[1])) == encode_events(tuple(made_history(seed)[1]))


@pytest.mark.parametrize("seed", range(20))
def test_an_ended_execution_wants_nothing(seed: int) -> None:
    """
    Behind the terminal event decide is silent.
    """
    flow, events = made_history(seed)
    assert decide(flow, fold_all(events), 2**60) == ()
