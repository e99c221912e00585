"""Life cycles: healthy ones pass, an impossible one is named by the one rule it breaks."""

import base64
from typing import Any

import msgspec
import pytest

from hookledger.journal.entry import SYSTEM
from hookledger.journal.events import (
    ChildReturned,
    ChildStarted,
    Event,
    ExecutionForked,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionResumed,
    FlowRegistered,
    KillRequested,
    LabelsSet,
    OperatorNote,
    TaskReturned,
    TaskStarted,
    TimerFired,
    TimerSet,
)
from hookledger.journal.index import ExecutionRow
from hookledger.journal.verify import verify

from .builders import (
    EXECUTION,
    LATE,
    OTHER,
    START,
    Draft,
    broken,
    end,
    golden,
    made,
    received,
    restart,
    rules,
    task,
)

HEALTHY: dict[str, tuple[Event, ...]] = {
    "golden": golden(),
    "retry": (*task(next="retry", outcome="error", retry_at=START + 50), *task(attempt=2, at=START + 50)),
    "restart": (*task(next="fail", outcome="error"), end(), restart(paths=("make",)), *task(), end()),
    "restart below": (*task("each[0]/a"), end(), restart(paths=("each",)), *task("each[0]/a"), end()),
    "labels and notes after the end": (
        end(),
        made(LabelsSet, labels={"a": "b"}, by="user:ann"),
        made(OperatorNote, by="user:ann", text="seen"),
    ),
    "timer": (made(TimerSet, path="nap", due=START + 1), made(TimerFired, path="nap", due=START + 1), end()),
    "pause": (
        made(ExecutionPaused, path="", reason="operator"),
        made(ExecutionResumed, path="", by="user:ann"),
        *task(),
        end(),
    ),
    "child": (
        made(ChildStarted, task="sub", path="sub", child="c", namespace="n", flow="f", revision=1),
        made(ChildReturned, path="sub", child="c", state="SUCCESS"),
        end(),
    ),
    "a child nobody waits for": (
        made(
            ChildStarted, task="sub", path="sub", child="c", namespace="n", flow="f", revision=1, wait=False
        ),
        end(),
    ),
    "killed while it waits": (
        made(TimerSet, path="nap", due=LATE * 2),
        made(ExecutionPaused, path="stop"),
        made(KillRequested, by="user:ann"),
        made(ExecutionKilled, by="user:ann"),
    ),
    "left while it waits": (made(ExecutionPaused, path="stop"), *task(next="exit"), end()),
    "killed, restarted": (
        made(KillRequested, by="user:ann"),
        made(ExecutionKilled, by="user:ann"),
        restart(),
        *task(),
        end(),
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_lives_pass(name: str) -> None:
    """
    Retries, restarts, pauses, timers, children, kills and exits are no violations.
    """
    events = HEALTHY[name]
    first = () if name == "golden" else (received(),)
    assert broken(Draft().run(*first, *events)) == []


# --- life cycle: each rule broken alone -------------------------------------------------------------------


def child() -> Event:
    started: Event = made(
        ChildStarted, task="sub", path="sub", child="c", namespace="n", flow="f", revision=1
    )
    return started


def killed() -> tuple[Event, Event]:
    return made(KillRequested, by="user:ann"), made(ExecutionKilled, by="user:ann")


started, returned = task()
LIVES: list[tuple[str, str, tuple[Event, ...]]] = [
    ("L01", "second trigger", (received(),)),
    ("L02", "two ends", (end(), end())),
    ("L03", "task after the end", (end(), started)),
    ("L03", "kill after the end", (end(), made(KillRequested, by="user:ann"))),
    ("L04", "nothing to close", (returned,)),
    ("L04", "closed twice", (*task(), returned)),
    ("L04", "other attempt", (started, made(TaskReturned, attempt=2))),
    ("L04", "other task", (started, made(TaskReturned, task="other"))),
    ("L05", "begins with 2", task(attempt=2)),
    ("L05", "gap", (*task(next="retry", outcome="error"), *task(attempt=3))),
    ("L05", "begun while open", (started, made(TaskStarted, attempt=2))),
    ("L05", "no retry", (*task(next="fail", outcome="error"), *task(attempt=2))),
    ("L05", "the same again", (*task(), *task())),
    ("L06", "too early", (*task(next="retry", outcome="error", retry_at=START + 50), *task(attempt=2))),
    ("L07", "open attempt", (started, end())),
    ("L07", "open timer", (made(TimerSet, path="nap", due=LATE * 2), end())),
    ("L07", "open pause", (made(ExecutionPaused, path="stop"), end())),
    ("L07", "open child", (child(), end())),
    ("L07", "killed with an open attempt", (started, *killed())),
    ("L07", "killed with an open child", (child(), *killed())),
    ("L08", "begun in a pause", (made(ExecutionPaused, path="", reason="operator"), *task())),
    ("L09", "begun after a kill", (killed()[0], *task())),
    ("L10", "no timer", (made(TimerFired, path="nap", due=START),)),
    ("L10", "fired twice", (*HEALTHY["timer"][:2], HEALTHY["timer"][1])),
    ("L10", "too early", (made(TimerSet, path="nap", due=LATE), made(TimerFired, path="nap", due=LATE))),
    ("L11", "restarted on an unknown source", (end(), restart(source_sha256="0" * 64))),
    ("L15", "no pause", (made(ExecutionResumed, path="", by="user:ann"),)),
    ("L15", "no child", (made(ChildReturned, path="sub", child="c", state="SUCCESS"),)),
    ("L15", "other child", (child(), made(ChildReturned, path="sub", child="d", state="SUCCESS"))),
    ("L16", "not ended", (restart(),)),
    ("L16", "generation skipped", (end(), restart(2))),
]


@pytest.mark.parametrize(("rule", "name", "events"), LIVES, ids=[f"{rule} {name}" for rule, name, _ in LIVES])
def test_an_impossible_life_is_named(rule: str, name: str, events: tuple[Event, ...]) -> None:
    """
    One broken life-cycle rule is one violation that names rule, execution, position and event.
    """
    draft = Draft().run(received(), *events)
    (violation,) = verify(draft).violations
    assert (violation.rule, violation.execution, violation.position) == (rule, EXECUTION, 3)
    assert violation.sequence is not None


def test_an_execution_begins_with_its_trigger() -> None:
    """
    L01: nothing stands before TriggerReceived or ExecutionForked.
    """
    assert rules(Draft().run(*task())) == ["L01"]


def test_the_pinned_revision_is_registered() -> None:
    """
    L11: the pinned hash has a FlowRegistered earlier in the log; one that comes later does not count.
    """
    draft = Draft(registered=False).run(*golden())
    draft.add(SYSTEM, made(FlowRegistered, 2))
    assert broken(draft) == [("L11", EXECUTION, 2)]
    assert rules(Draft().run(received(revision=2), end())) == ["L11"]


def test_a_registered_source_has_its_hash() -> None:
    """
    L12: the source in FlowRegistered really hashes to its sha256.
    """
    draft = Draft(registered=False)
    draft.add(SYSTEM, made(FlowRegistered, 2, source="id: other\n"))
    draft.run(*golden())
    assert broken(draft) == [("L12", SYSTEM, 2)]


def test_a_deduplication_key_starts_one_execution() -> None:
    """
    L13: the second execution of a flow with one key is named; another flow may use the same key.
    """
    draft = Draft().run(received(deduplication="k"), end())
    assert rules(draft) == []
    draft.run(received(deduplication="k"), end(), execution=OTHER)
    assert broken(draft) == [("L13", OTHER, 4)]


@pytest.mark.parametrize("events", [golden(), golden()[:3]], ids=["ended", "open"])
def test_the_index_equals_the_rebuilt_one(events: tuple[Event, ...]) -> None:
    """
    L14: a row that lies, a row that is missing and a row without entries are named.
    """
    draft = Draft().run(*events)
    good = draft.index[EXECUTION]
    draft.index[EXECUTION] = msgspec.structs.replace(good, state="PAUSED")
    assert broken(draft) == [("L14", EXECUTION, 3)]
    del draft.index[EXECUTION]
    assert broken(draft) == [("L14", EXECUTION, 3)]
    draft.index |= {EXECUTION: good, OTHER: ExecutionRow(execution=OTHER)}
    assert broken(draft) == [("L14", OTHER, None)]


def test_a_fork_stands_on_its_origin() -> None:
    """
    L17: a fork names the leaf of the entry it stands on, and its attempts continue the origin's.
    """
    first = (received(), *task(next="retry", outcome="error"))
    draft = Draft().run(*first)
    leaf = base64.b64encode(draft.entries[-1].leaf).decode()

    def fork(execution: str, origin_leaf: str, **fields: Any) -> None:
        event = made(
            ExecutionForked,
            origin=EXECUTION,
            origin_sequence=3,
            origin_leaf=origin_leaf,
            received=received(),
            by="user:ann",
            **fields,
        )
        draft.run(event, *task(attempt=1 if fields else 2), end(), execution=execution)

    fork(OTHER, leaf)
    fork("third", leaf, forget=("make",))
    assert rules(draft) == []
    fork("fourth", "")
    assert broken(draft) == [("L17", "fourth", 6)]
