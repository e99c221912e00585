"""The journal of one execution as a page shows it: every event and its proof, and the state after any of them. Pure."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from hookledger.api.console.runs.story import wait_words
from hookledger.api.console.runs.waits import waits
from hookledger.api.views import receipt
from hookledger.journal.entry import Entry
from hookledger.journal.events import ExecutionEvent, type_name
from hookledger.journal.text import brief
from hookledger.journal.words import details, place
from hookledger.runtime.state import State, fold_all

NONE: Final = "–"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One event. Of an erased one only its type is left."""

    sequence: int
    type: str
    kind: str
    """decision, observation, or erased."""
    at: int
    place: str = ""
    words: str = ""


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with its proof. Hashes are base64."""

    n: int
    position: int
    first: int
    """Sequence of its first event."""
    leaf: str
    prev: str
    payload_hash: str
    salt: str
    epoch: int
    actor: str
    at: int
    log: str
    receipt: str
    lines: tuple[Line, ...]


class Change(msgspec.Struct, frozen=True):
    """Something that an event made different."""

    what: str
    before: str
    after: str


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The state after one event."""

    at: int
    """The event's sequence."""
    last: int
    line: Line
    status: str
    changes: tuple[Change, ...]
    runs: tuple[tuple[str, str, int], ...]
    """Path, state and attempts of every task run."""
    waits: tuple[str, ...]
    labels: Mapping[str, str]
    outputs: Mapping[str, Any]


def entry_views(entries: Sequence[Entry], events: Sequence[ExecutionEvent]) -> list[EntryView]:
    """Every entry with its events; those that cannot be read show what their header says."""
    known = {event.sequence: event for event in events}
    return [_entry_view(entry, known) for entry in entries]


def _entry_view(entry: Entry, known: Mapping[int, ExecutionEvent]) -> EntryView:
    header = entry.header
    names = enumerate(header.types, header.seq)
    return EntryView(
        n=header.n,
        position=header.pos,
        first=header.seq,
        leaf=base64.b64encode(entry.leaf).decode(),
        prev=header.prev,
        payload_hash=header.ph,
        salt="erased" if entry.salt is None else base64.b64encode(entry.salt).decode(),
        epoch=header.ep,
        actor=header.actor,
        at=header.ts,
        log=header.log,
        receipt=receipt(entry),
        lines=tuple(
            line(known[sequence]) if sequence in known else _unreadable(entry, sequence, name)
            for sequence, name in names
        ),
    )


def line(event: ExecutionEvent) -> Line:
    """An event in words."""
    return Line(
        sequence=event.sequence,
        type=type_name(event),
        kind="observation" if event.observation else "decision",
        at=event.at,
        place=place(event),
        words=details(event),
    )


def _unreadable(entry: Entry, sequence: int, name: str) -> Line:
    kind, words = ("erased", "payload erased") if entry.payload is None else ("unreadable", "cannot be read")
    return Line(sequence=sequence, type=name, kind=kind, at=entry.header.ts, words=words)


def moment(events: Sequence[ExecutionEvent], at: int, prefix: State | None = None) -> Moment:
    """The state after event `at`, which must be one of `events`, and what that event changed.

    Args:
        prefix: What a fork begins with.
    """
    before = fold_all(events[:at], prefix)
    event = events[at]
    after = fold_all((event,), before)
    return Moment(
        at=at,
        last=len(events) - 1,
        line=line(event),
        status=after.status,
        changes=tuple(changes(before, after)),
        runs=tuple((run.path, run.state, run.attempts) for run in after.runs.values()),
        waits=tuple(wait_words(wait, event.at) for wait in waits(after)),
        labels=after.labels,
        outputs=after.outputs,
    )


def changes(before: State, after: State) -> Iterator[Change]:
    """Everything in which two states differ, in words."""
    if not before.history or before.status != after.status:
        yield Change("state", before.status if before.history else NONE, after.status)
    for name, told in _TOLD.items():
        yield from _differences(name, told(before), told(after))


def _differences(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) != after.get(key):
            yield Change(f"{name} {key}".strip(), before.get(key, NONE), after.get(key, NONE))


def _attempted(state: str, attempts: int) -> str:
    return f"{state}, attempt {attempts}" if attempts > 1 else state


_TOLD: Final[dict[str, Callable[[State], Mapping[str, str]]]] = {
    "task": lambda state: {run.path: _attempted(run.state, run.attempts) for run in state.runs.values()},
    "outputs of": lambda state: {run.path: brief(run.outputs) for run in state.runs.values() if run.outputs},
    "branch": lambda state: {
        path: taken.error.message
        if taken.error
        else "skipped"
        if taken.skipped
        else f"{len(taken.values)} iterations"
        if taken.values is not None
        else f"{taken.chosen or 'nothing'}{f', round {taken.round}' if taken.round else ''}"
        for path, taken in state.branches.items()
    },
    "timer": lambda state: dict.fromkeys(state.timers, "set") | dict.fromkeys(state.fired, "fired"),
    "pause": lambda state: {
        path or "of the whole execution": pause.reason for path, pause in state.pauses.items()
    },
    "answer of a person at": lambda state: {
        path or "the whole execution": f"{resumed.choice} by {resumed.by}"
        for path, resumed in state.resumed.items()
    },
    "execution": lambda state: (
        {child.child: "started" for child in state.children.values()}
        | {child.child: child.state for child in state.returned.values()}
    ),
    "label": lambda state: state.labels,
    "kill": lambda state: {"": f"by {state.kill.by}"} if state.kill else {},
    "generation": lambda state: {"": str(state.generation)} if state.generation else {},
    "revision": lambda state: {"": str(state.revision)} if state.revision else {},
    "flow outputs": lambda state: {"": brief(state.outputs)} if state.outputs else {},
    "answer to the caller": lambda state: {"": str(state.response.status)} if state.response else {},
}
"""What a reader is told of a state, as texts by name; two states are compared by them."""
