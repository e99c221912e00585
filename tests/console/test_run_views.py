"""What pages say about an execution, as pure functions of its events: sentence, waits, bars, changes."""

from functools import reduce
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from hookledger.api.console.charts import TICKS_MAX, gantt, stacked, ticks
from hookledger.api.console.runs.journal import changes, entry_views, moment
from hookledger.api.console.runs.states import standings
from hookledger.api.console.runs.story import sentence
from hookledger.api.console.runs.timeline import LANES_MAX, Timeline, timeline
from hookledger.api.console.runs.tree import CHILDREN_MAX, DEPTH_MAX, json_text, tree
from hookledger.api.console.runs.waits import waits
from hookledger.journal.events import (
    BranchTaken,
    ChildReturned,
    ChildStarted,
    Event,
    ExecutionFailed,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    Failure,
    KillRequested,
    LabelsSet,
    OperatorNote,
    OutputsResolved,
    Response,
    TaskReturned,
    TaskStarted,
    TimerFired,
    TimerSet,
)
from hookledger.runtime.state import State, fold, fold_all
from tests.journal.builders import EXECUTION, START, Draft, made, numbered, received
from tests.runtime.histories import histories

SECOND = 1_000_000


def at(seconds: float) -> int:
    return START + int(seconds * SECOND)


def state_of(*events: Event) -> State:
    return fold_all(numbered(*events))


def said(*events: Event, now: float = 60) -> str:
    return sentence(EXECUTION, state_of(*events), at(now))


def attempt(number: int, begun: float, ended: float, **returned: Any) -> tuple[Event, Event]:
    """An attempt of the task `charge`."""
    common: dict[str, Any] = {"task": "charge", "path": "charge", "attempt": number}
    return (
        made(TaskStarted, at=at(begun), **common),
        made(TaskReturned, at=at(ended), **common, **returned),
    )


def refused(text: str, **more: Any) -> dict[str, Any]:
    return {"outcome": "error", "error": Failure(message=text), **more}


# --- the sentence ---------------------------------------------------------------------------------------


def test_a_failure_says_what_gave_up_and_why() -> None:
    """
    The task, its attempts, the last error and the time from start to end stand in one sentence.
    """
    first = attempt(1, 0, 1, **refused("HTTP 503", next="retry", retry_at=at(2)))
    second = attempt(2, 2, 3.2, **refused("HTTP 503 Service Unavailable", next="fail"))
    ended = made(
        ExecutionFailed, at=at(3.2), error=Failure(message="HTTP 503 Service Unavailable"), path="charge"
    )
    assert said(received(delivery="D1"), *first, *second, ended) == (
        "Failed after 3.2 s: task `charge` gave up after 2 attempts: HTTP 503 Service Unavailable. "
        "Started by webhook `webhook` (delivery `D1`)."
    )


def test_an_answer_is_part_of_the_sentence() -> None:
    """
    Where the caller waits, the sentence says what the answer is.
    """
    ended = made(OutputsResolved, at=at(0.04), response=Response(status=201))
    assert said(received(wait=True), *attempt(1, 0, 0.04), ended).startswith(
        "Succeeded in 40 ms and answered 201."
    )
    assert "answered" not in said(received(), *attempt(1, 0, 0.04), ended)


def test_a_pause_says_for_whom_and_until_when() -> None:
    """
    A person at 3 a.m. reads where it waits, since when, and what happens by itself.
    """
    pause = made(ExecutionPaused, at=at(10), path="approve", until=at(3600), expiry="fail")
    assert said(received(), pause).startswith(
        "Waits for a person at `approve` since 22:13:30, fails by itself at 23:13:20."
    )


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((made(ExecutionPaused, at=at(1), path="", reason="operator"),), "Paused by an operator"),
        (
            (
                made(TaskStarted, at=at(1), task="charge", path="charge"),
                made(ExecutionPaused, at=at(2), path="charge", reason="in_doubt"),
            ),
            "nobody knows whether it took effect",
        ),
        (
            attempt(1, 0, 1, **refused("HTTP 503", next="retry", retry_at=at(90))),
            "Waits until 22:14:50 to try `charge` again (attempt 2): HTTP 503.",
        ),
        ((made(TimerSet, at=at(1), path="nap", due=at(120)),), "`nap` goes on at 22:15:20"),
        (
            (
                made(
                    ChildStarted,
                    at=at(1),
                    task="sub",
                    path="sub",
                    child="C1",
                    namespace="n",
                    flow="f",
                    revision=1,
                ),
            ),
            "Waits at `sub` for execution `C1` of `n/f`.",
        ),
        ((made(TaskStarted, at=at(30), task="charge", path="charge", attempt=1),), "Runs `charge` for 30 s."),
        (
            (
                made(TaskStarted, at=at(1), task="charge", path="charge"),
                made(KillRequested, at=at(2), by="user:ann"),
            ),
            "Is being killed by ann since 22:13:22; waits for `charge` to stop.",
        ),
        (
            (
                made(
                    BranchTaken,
                    at=at(1),
                    task="until",
                    path="until",
                    chosen="again",
                    round=1,
                    not_before=at(99),
                ),
            ),
            "`until` looks again at 22:14:59",
        ),
        ((), "Is on its way since 22:13:20."),
    ],
)
def test_every_wait_has_words(events: tuple[Event, ...], words: str) -> None:
    """
    An execution that has not ended says what it waits for.
    """
    assert words in said(received(), *events)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (
            made(ExecutionKilled, at=at(5), by="user:ann", reason="wrong customer"),
            "Killed by ann after 5 s: wrong customer.",
        ),
        (
            made(ExecutionFailed, at=at(5), error=Failure(message="no outputs")),
            "Failed after 5 s: no outputs.",
        ),
        (made(OutputsResolved, at=at(5)), "Succeeded in 5 s."),
    ],
)
def test_every_end_has_words(end: Event, words: str) -> None:
    """
    However it ended, the sentence begins with that.
    """
    assert said(received(), end).startswith(words)


def test_words_of_others_stay_inside_the_sentence() -> None:
    """
    Backticks mark names of ours; in a message of somebody else they are replaced, and line breaks are spaces.
    """
    failure = Failure(message="a `b`\nc <script>")
    assert "a 'b' c <script>" in said(received(), made(ExecutionFailed, at=at(1), error=failure))


# --- bars -----------------------------------------------------------------------------------------------


def seconds(moment: int) -> float:
    return round((moment - START) / SECOND, 3)


def bars(drawn: Timeline) -> dict[str, list[tuple[str, str, float, float]]]:
    """Kind, state, start and end in seconds, by path."""
    return {
        lane.path: [
            (bar.kind, bar.state, seconds(bar.start), seconds(bar.end) if bar.end else 0) for bar in lane.bars
        ]
        for lane in drawn.lanes
    }


def test_attempts_and_the_waits_between_them_are_bars() -> None:
    """
    Between a failed attempt and the next one stands the wait for it; what goes on has no end.
    """
    first = attempt(1, 0, 1, **refused("no", next="retry", retry_at=at(3)))
    drawn = timeline(
        numbered(received(), *first, made(TaskStarted, at=at(3), task="charge", path="charge", attempt=2))
    )
    assert bars(drawn) == {
        "charge": [("attempt", "FAILED", 0, 1), ("retry", "RETRYING", 1, 3), ("attempt", "RUNNING", 3, 0)]
    }
    assert drawn.open


def test_waits_end_with_the_event_that_ends_them() -> None:
    """
    Sleeps end when their timer fires, pauses when somebody resumes, children when they return.
    """
    drawn = timeline(
        numbered(
            received(),
            made(TimerSet, at=at(1), path="nap", due=at(2)),
            made(TimerFired, at=at(2), path="nap", due=at(2)),
            made(ExecutionPaused, at=at(2), path="ask"),
            made(ExecutionResumed, at=at(5), path="ask", by="user:ann", choice="fail"),
            made(
                ChildStarted, at=at(5), task="sub", path="sub", child="C", namespace="n", flow="f", revision=1
            ),
            made(ChildReturned, at=at(6), path="sub", child="C", state="WARNING"),
            made(OutputsResolved, at=at(7)),
        )
    )
    assert bars(drawn) == {
        "nap": [("sleep", "SUCCESS", 1, 2)],
        "ask": [("pause", "FAILED", 2, 5)],
        "sub": [("child", "WARNING", 5, 6)],
    }
    assert not drawn.open


def test_flowables_span_what_is_inside_them() -> None:
    """
    A lane above its children reaches from the first beginning to the last end, once for every iteration's flowable.
    """
    run = [
        event
        for index in (0, 1)
        for event in (
            made(TaskStarted, at=at(index), task="x", path=f"each[{index}]/if/x"),
            made(TaskReturned, at=at(index + 1), task="x", path=f"each[{index}]/if/x"),
        )
    ]
    drawn = timeline(numbered(received(), *run, made(OutputsResolved, at=at(2))))
    assert [lane.path for lane in drawn.lanes] == [
        "each", "each[0]/if", "each[0]/if/x", "each[1]/if", "each[1]/if/x",
    ]  # fmt: skip
    assert bars(drawn)["each"] == [("group", "", 0, 2)]
    assert [lane.name for lane in drawn.lanes] == ["each", "[0] if", "x", "[1] if", "x"]


def test_a_restart_opens_the_drawing_again() -> None:
    """
    A mark stands where it was opened again, and what comes after belongs to the same lanes.
    """
    ended = made(ExecutionFailed, at=at(1), error=Failure(message="no"), path="charge")
    again = made(
        ExecutionRestarted,
        at=at(9),
        by="user:ann",
        generation=1,
        revision=1,
        source_sha256="",
        paths=("charge",),
    )
    begun = made(TaskStarted, at=at(9), task="charge", path="charge")
    drawn = timeline(
        numbered(received(), *attempt(1, 0, 1, **refused("no", next="fail")), ended, again, begun)
    )
    assert drawn.marks == ((at(9), "restarted by user:ann"),)
    assert bars(drawn)["charge"] == [("attempt", "FAILED", 0, 1), ("attempt", "RUNNING", 9, 0)]


@given(histories())
@settings(max_examples=40, deadline=None)
def test_any_history_can_be_shown(drawn: Any) -> None:
    """
    Whatever happened: every prefix has a sentence and standings, bars begin before they end, and nothing is open
    behind the end.
    """
    _, events = drawn
    state = State()
    for event in events:
        state = fold(state, event)
        assert sentence("E", state, event.at).endswith(".")
        assert bool(waits(state)) == (state.terminal is None)
        assert all(standing.text for standing in standings(state).values())
    lanes = timeline(events).lanes
    assert all(bar.start <= bar.end for lane in lanes for bar in lane.bars)
    picture = gantt(timeline(events), events[-1].at)
    assert all(bar.x + bar.width <= picture.width for lane in picture.lanes for bar in lane.bars)


def test_a_drawing_has_a_bound() -> None:
    """
    A loop of thousands draws its first lanes and says how many are missing.
    """
    started = [made(TaskStarted, task=f"t{n}", path=f"t{n}") for n in range(LANES_MAX + 5)]
    drawn = timeline(numbered(received(), *started))
    assert (len(drawn.lanes), drawn.missing) == (LANES_MAX, 5)


@pytest.mark.parametrize(
    "span", [1, 7, 999, 40_000, 3 * SECOND, 59 * SECOND, 3600 * SECOND, 40 * 86_400 * SECOND]
)
def test_axes_have_few_round_ticks(span: int) -> None:
    """
    An axis begins at 0, has at most six steps, and all of them are equally long.
    """
    found = ticks(span)
    assert found[0] == 0
    assert len(found) <= TICKS_MAX + 1
    assert len({later - earlier for earlier, later in pairwise(found)}) <= 1


def test_stacked_bars_fill_their_height() -> None:
    """
    The tallest bar fills the height; its parts stand on one another; an empty chart has no parts.
    """
    chart = stacked(
        [("10:00", [("SUCCESS", 3), ("FAILED", 1)]), ("10:01", [("SUCCESS", 0), ("FAILED", 0)])], height=100
    )
    full, empty = chart.columns
    assert [(part.y, part.height, part.style) for part in full.segments] == [
        (25, 75, "success"),
        (0, 25, "failed"),
    ]
    assert (empty.segments, empty.title, full.title) == ((), "10:01: none", "10:00: 3 SUCCESS, 1 FAILED")


# --- standings ------------------------------------------------------------------------------------------


def test_iterations_are_counted_together() -> None:
    """
    A task in a loop shows how many iterations stand where, and the most urgent of them first.
    """
    state = state_of(
        received(),
        made(BranchTaken, task="each", path="each", values=("a", "b")),
        made(TaskStarted, task="x", path="each[0]/x"),
        made(TaskReturned, task="x", path="each[0]/x"),
        made(TaskStarted, task="x", path="each[1]/x"),
    )
    found = standings(state)
    assert (found["each/x"].state, found["each/x"].text) == ("RUNNING", "1 RUNNING, 1 SUCCESS")
    assert found["each"].text == "RUNNING, 2 iterations"


# --- the journal ----------------------------------------------------------------------------------------


def test_each_event_says_what_it_changed() -> None:
    """
    Two states are compared in words; an observation changes nothing.
    """
    events = numbered(
        received(labels={"team": "a"}),
        made(TaskStarted, at=at(1)),
        made(TaskReturned, at=at(2), outputs={"value": 1}),
        made(LabelsSet, at=at(3), labels={"team": "b"}, by="user:ann"),
        made(OperatorNote, at=at(4), by="user:ann", text="seen"),
        made(OutputsResolved, at=at(5)),
    )
    told = [[(c.what, c.before, c.after) for c in moment(events, n).changes] for n in range(len(events))]
    assert told[0] == [("state", "–", "CREATED"), ("label team", "–", "a"), ("revision", "–", "1")]
    assert told[1] == [("state", "CREATED", "RUNNING"), ("task make", "–", "RUNNING")]
    assert told[2] == [("task make", "RUNNING", "SUCCESS"), ("outputs of make", "–", '{"value":1}')]
    assert told[3] == [("label team", "a", "b")]
    assert told[4] == []
    assert told[5] == [("state", "RUNNING", "SUCCESS")]
    assert moment(events, 4).line.kind == "observation"


@given(histories())
@settings(max_examples=15, deadline=None)
def test_moving_through_time_ends_where_folding_does(drawn: Any) -> None:
    """
    The state shown after the last event is that of the whole history, and no decision but a repeated one is without
    a change.
    """
    _, events = drawn
    whole = reduce(fold, events, State())
    last = moment(events, len(events) - 1)
    assert last.status == whole.status
    assert {path: state for path, state, _ in last.runs} == {
        path: run.state for path, run in whole.runs.items()
    }
    assert list(changes(whole, whole)) == []


def test_an_erased_entry_keeps_its_proof() -> None:
    """
    Without payload and salt the header still names the events, and the hashes stay.
    """
    draft = Draft().run(received(), made(OutputsResolved))
    draft.change(-1, payload=None, salt=None)
    (view,) = entry_views(draft.entries[-1:], [])
    assert [(line.type, line.kind) for line in view.lines] == [
        ("TriggerReceived", "erased"), ("OutputsResolved", "erased"),
    ]  # fmt: skip
    assert (view.salt, bool(view.leaf), bool(view.payload_hash)) == ("erased", True, True)


# --- trees ----------------------------------------------------------------------------------------------


def test_trees_are_bounded() -> None:
    """
    Data of any depth and width is drawn up to a limit that is said, and never by recursion without end.
    """
    deep: Any = "end"
    for _ in range(500):
        deep = [deep]
    node = tree(deep)
    for _ in range(DEPTH_MAX):
        (node,) = node.children
    assert (node.children, node.text) == ((), "1 item, nested too deep to show")
    wide = tree(list(range(CHILDREN_MAX + 3)))
    assert (len(wide.children), wide.more) == (CHILDREN_MAX, 3)
    assert len(json_text("x" * 200_000)) < 70_000
