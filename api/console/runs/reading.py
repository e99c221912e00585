"""Reads what a page shows of an execution: its row, its entries, its events, the state they fold to, and the check."""

from collections.abc import Sequence
from typing import Any

import msgspec

from hookledger.actors.origins import before
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.errors import JournalGap
from hookledger.journal.events import ExecutionEvent
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import Reader
from hookledger.journal.verify import ReaderSource, Report, verify
from hookledger.runtime.state import State, fold


class History(msgspec.Struct, frozen=True, kw_only=True):
    """An execution as far as it can be read."""

    row: ExecutionRow
    entries: Sequence[Entry] = ()
    events: Sequence[ExecutionEvent] = ()
    """Those that fold; what stands behind a payload that is gone or damaged is not among them."""
    state: State = State()
    prefix: State = State()
    """What it had before its first own event: of a fork, what its origin had."""
    broken: str = ""
    """Why the events end early; empty when they do not."""
    report: Report | None = None
    """What the verifier says, when it was asked."""

    @property
    def execution(self) -> str:
        """Its id."""
        return self.row.execution


def read_history(reader: Reader, execution: str, *, check: bool = False) -> History | None:
    """Read an execution; None when there is none. Belongs into a worker thread.

    Args:
        check: Verify its entries as well, at the same moment.
    """
    source = ReaderSource(reader)
    with source.still():
        row = None if execution == SYSTEM else reader.row(execution)
        if row is None:
            return None
        report = verify(source, execution=execution, alone=True) if check else None
        try:
            entries = reader.entries(execution)
        except msgspec.DecodeError as error:
            return History(row=row, broken=f"an entry's header cannot be read: {error}", report=report)
        prefix, unknown = _prefix(reader, entries)
    events, state, broken = _folded(entries, prefix)
    return History(
        row=row,
        entries=entries,
        events=events,
        state=state,
        prefix=prefix,
        broken=unknown or broken,
        report=report,
    )


def _prefix(reader: Reader, entries: Sequence[Entry]) -> tuple[State, str]:
    """What a fork begins with, and why that is not known."""
    try:
        first = entries[0].events() if entries else []
    except msgspec.DecodeError:
        return State(), ""  # said where the entry itself is read
    try:
        return before(reader.entries, first), ""
    except (msgspec.DecodeError, JournalGap, KeyError) as error:
        return State(), f"the execution it was forked from cannot be read: {error}"


def _folded(entries: Sequence[Entry], state: State) -> tuple[list[ExecutionEvent], State, str]:
    events: list[ExecutionEvent] = []
    for entry in entries:
        if entry.payload is None:
            return events, state, f"the payload of entry {entry.header.n} was erased"
        try:
            found: list[Any] = entry.events()
            for event in found:
                state = fold(state, event)
                events.append(event)
        except (msgspec.DecodeError, JournalGap, KeyError) as error:
            return events, state, f"entry {entry.header.n} cannot be read: {error}"
    return events, state, ""
