"""The writing side of one execution: what was decided is remembered at once and appended up to a barrier.

`record` folds an event and keeps it; `flush` seals everything kept since the last flush as one entry. There is
no `await` in between, so there is no half-way state. Only `barrier` waits.
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio

from hookledger.journal.entry import Chain, Entry
from hookledger.journal.events import ExecutionEvent
from hookledger.journal.index import Projection
from hookledger.journal.journal import Journal, Ticket
from hookledger.journal.store import LogLine
from hookledger.runtime.state import State, fold, fold_all

EVENTS_PER_ENTRY_MAX: Final = 256
"""A long run of pure tasks is appended in parts, so that memory and entries stay bounded."""


class Recorder:
    """One execution's journal and the state folded from it."""

    def __init__(self, journal: Journal, execution: str, actor: str, before: State | None = None) -> None:
        """`before` is what a fork begins with."""
        self._journal = journal
        self._actor = actor
        self._chain = Chain(execution=execution)
        self._pending: list[ExecutionEvent] = []
        self._logs: list[LogLine] = []
        self._index = Projection(execution)
        self._last: Ticket | None = None
        self.first: Ticket | None = None
        """The entry that holds the first event, once it was appended by this recorder."""
        self._at = 0
        self.spoken = trio.Event()
        """Set once the caller can be told something: a task has answered, or the execution is over."""
        self.answer: Ticket | None = None
        """The entry in which a task answered."""
        self.state = before or State()

    @classmethod
    def resume(
        cls,
        journal: Journal,
        execution: str,
        actor: str,
        entries: Sequence[Entry],
        before: State | None = None,
    ) -> "Recorder":
        """Continue behind what is stored."""
        recorder = cls(journal, execution, actor, before)
        events: list[ExecutionEvent] = [event for entry in entries for event in entry.events()]  # type: ignore[misc]
        recorder.state = fold_all(events, recorder.state)
        recorder._index.follow(events)
        recorder._at = events[-1].at
        if recorder.state.response is not None:
            recorder.spoken.set()
        recorder._chain = Chain.after(entries[-1])
        return recorder

    @property
    def last(self) -> Ticket | None:
        """The newest entry's ticket."""
        return self._last

    def now(self) -> int:
        """The engine's clock, never behind the execution's newest event."""
        return max(self._journal.clock.now(), self._at)

    def record(self, make: Callable[[int, int], ExecutionEvent]) -> ExecutionEvent:
        """Decide and remember; `make` gets the event's sequence and time."""
        event = make(self.state.sequence, self.now())
        self.state = fold(self.state, event)
        self._at = event.at
        self._pending.append(event)
        if self.state.response is not None and self.answer is None:
            self._respond()
        if len(self._pending) >= EVENTS_PER_ENTRY_MAX:
            self.flush()
        return event

    def log(self, line: LogLine) -> None:
        """Keep a log line for the next entry."""
        self._logs.append(line)

    def flush(self) -> Ticket | None:
        """Append what was recorded as one entry; returns the newest ticket."""
        if self._pending:
            events, logs = tuple(self._pending), tuple(self._logs)
            self._pending.clear()
            self._logs.clear()
            row = self._index.follow(events)
            self._last = self._journal.append(self._chain, events, actor=self._actor, row=row, logs=logs)
            self.first = self.first or self._last
        return self._last

    def _respond(self) -> None:
        self.answer = self.flush()
        self.spoken.set()

    def act_as(self, actor: str) -> None:
        """What follows is somebody else's doing: an entry names one principal."""
        if actor != self._actor:
            self.flush()
            self._actor = actor

    async def barrier(self) -> None:
        """Wait until everything recorded so far is durable."""
        ticket = self.flush()
        if ticket is not None:
            await ticket.durable()
