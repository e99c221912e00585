"""The writing side of one execution: what was decided is remembered at once and appended up to a barrier.

`record` folds an event and keeps it; `flush` seals everything kept since the last flush as one entry. There is
no `await` in between, so there is no half-way state. Only `barrier` waits.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, NamedTuple

import msgspec
import trio

from hookledger.actors.clock import ExecutionClock
from hookledger.actors.off_loop import LARGE, off_loop
from hookledger.actors.origins import before
from hookledger.journal.entry import PEOPLE, SALT_BYTES, SYSTEM, Chain, Entry, Payload, check_chain, prepare
from hookledger.journal.errors import ExecutionDamaged, ExecutionUnknown
from hookledger.journal.events import ExecutionEvent, ExecutionQueued, TaskReturned
from hookledger.journal.index import Projection
from hookledger.journal.journal import Journal, Ticket
from hookledger.journal.store import LogLine, Reader
from hookledger.runtime.state import State, fold, fold_all
from hookledger.runtime.weights import weight

EVENTS_PER_ENTRY_MAX: Final = 256
"""A long run of pure tasks is appended in parts, so that memory and entries stay bounded."""

ERRORS_MAX: Final = 100
"""As many of the newest ERROR lines `errorLogs()` shows: what an expression draws is written into an event."""


QUEUED: Final = ExecutionQueued.__name__
ENGINE: Final = "engine:self"
"""The principal of everything that nobody asked for just now."""


class History(NamedTuple):
    """What is stored of one execution, folded."""

    entries: Sequence[Entry]
    state: State
    projection: Projection
    at: int
    """Time of its newest event, microseconds."""

    @property
    def queued_at(self) -> int:
        """Position of the entry in which it was queued last; 0 for never."""
        return max((entry.header.pos for entry in self.entries if QUEUED in entry.header.types), default=0)


def read_history(reader: Reader, execution: str) -> History:
    """Read and fold an execution. May take long: not for the event loop.

    Raises:
        ExecutionUnknown: There is no such execution.
        ExecutionDamaged: Entries are missing, changed, or not to be read.
    """
    try:
        entries = reader.entries(execution)
    except msgspec.DecodeError as error:
        raise ExecutionDamaged(execution, f"a header cannot be read: {error}") from error
    if not entries or execution == SYSTEM:
        raise ExecutionUnknown(execution)
    check_chain(entries)
    try:
        events: list[ExecutionEvent] = [event for entry in entries for event in entry.events()]  # type: ignore[misc]
        state = fold_all(events, before(reader.entries, events))
    except Exception as error:
        raise ExecutionDamaged(execution, f"{type(error).__name__}: {error}") from error
    projection = Projection(execution)
    projection.follow(events)
    return History(entries, state, projection, events[-1].at)


class Recorder:
    """One execution's journal and the state folded from it."""

    def __init__(
        self,
        journal: Journal,
        execution: str,
        actor: str = ENGINE,
        before: State | None = None,
        clock: ExecutionClock | None = None,
    ) -> None:
        """`actor` starts it, `before` is what a fork begins with, `clock` the execution's own if it has one already."""
        self._journal = journal
        self.clock = clock or ExecutionClock(journal.clock)
        self._actor = actor
        """Who decided what the next entry holds."""
        self._chain = Chain(execution=execution)
        self._pending: list[ExecutionEvent] = []
        self._logs: list[LogLine] = []
        self._weight = 0
        self._sealing = trio.Lock()
        self.errors: deque[LogLine] = deque(maxlen=ERRORS_MAX)
        """The newest ERROR lines of the execution, for `errorLogs()`."""
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
        self.since = self.state.sequence
        """Events from this sequence on were recorded here; nothing has crashed since."""

    @classmethod
    def resume(
        cls, journal: Journal, execution: str, history: History, clock: ExecutionClock | None = None
    ) -> "Recorder":
        """Continue behind what is stored."""
        recorder = cls(journal, execution, before=history.state, clock=clock)
        recorder._index = history.projection
        recorder._at = history.at
        recorder.clock.reach(history.at)
        if recorder.state.response is not None:
            recorder.spoken.set()
        recorder._chain = Chain.after(history.entries[-1])
        return recorder

    @property
    def last(self) -> Ticket | None:
        """The newest entry's ticket."""
        return self._last

    def now(self) -> int:
        """The execution's clock, never behind its newest event."""
        return max(self.clock.now(), self._at)

    def record(self, make: Callable[[int, int], ExecutionEvent]) -> ExecutionEvent:
        """Decide and remember; `make` gets the event's sequence and time."""
        event = make(self.state.sequence, self.now())
        self.state = fold(self.state, event)
        if event.at > self._at:
            self._at = event.at
            self.clock.reach(event.at)
        self._pending.append(event)
        self._weight += weight(event, LARGE)
        answered = self.answer is None and self._answers(event)
        if not self.large and (answered or len(self._pending) >= EVENTS_PER_ENTRY_MAX):
            self.flush()
        return event

    def log(self, line: LogLine) -> None:
        """Keep a log line for the next entry."""
        self._logs.append(line)
        if line.level == "ERROR":
            self.errors.append(line)

    async def recall_errors(self) -> None:
        """Read the ERROR lines written before this recorder took over."""
        if self._last is None and self.state.sequence:
            lines = await self._journal.ask(lambda reader: reader.logs(self._chain.execution))
            self.errors.extendleft(reversed([line for line in lines if line.level == "ERROR"]))

    @property
    def large(self) -> bool:
        """True when what is to be appended is better encoded beside the event loop, by `append`."""
        return self._weight >= LARGE

    async def append(self) -> Ticket | None:
        """As `flush`; what is large is encoded and hashed beside the event loop."""
        if not self.large:
            return self.flush()
        async with self._sealing:
            wanted = self.state.sequence
            while self._pending and self._pending[0].sequence < wanted:
                events, logs = self._next()
                salt = self._journal.entropy.token(SALT_BYTES)
                payload = await off_loop(partial(prepare, events, salt))
                if self._pending and self._pending[0] is events[0]:  # nobody has flushed them meanwhile
                    self._append(events, logs, payload)
            return self._last

    def flush(self) -> Ticket | None:
        """Append what was recorded as one entry; returns the newest ticket. What follows is the engine's own again."""
        while self._pending:
            self._append(*self._next())
        return self._last

    def _next(self) -> tuple[tuple[ExecutionEvent, ...], tuple[LogLine, ...]]:
        """What the next entry holds: of a person's doing the one event that was asked for, else all there is."""
        if self._actor.partition(":")[0] in PEOPLE:
            return tuple(self._pending[:1]), ()
        return tuple(self._pending), tuple(self._logs)

    @staticmethod
    def _answers(event: ExecutionEvent) -> bool:
        """Whether it tells the caller something before the execution is over."""
        return isinstance(event, TaskReturned) and event.response is not None

    def _append(
        self, events: tuple[ExecutionEvent, ...], logs: tuple[LogLine, ...], prepared: Payload | None = None
    ) -> Ticket:
        """Append the oldest of what was recorded; what came while it was prepared is left for the next entry.

        What the journal refuses stays recorded, so that whoever asks for it later is refused as well.
        """
        row = self._index.follow(events)
        self._last = self._journal.append(
            self._chain, events, actor=self._actor, row=row, logs=logs, prepared=prepared
        )
        del self._pending[: len(events)], self._logs[: len(logs)]
        self._weight = sum(weight(event, LARGE) for event in self._pending)
        self._actor = ENGINE
        self.first = self.first or self._last
        if self.answer is None and any(map(self._answers, events)):
            self.answer = self._last
            self.spoken.set()
        return self._last

    @contextmanager
    def acting_for(self, actor: str) -> Generator[None]:
        """What is recorded inside is this principal's doing and an entry of its own: an entry names one principal."""
        self.flush()
        self._actor = actor
        try:
            yield
            self.flush()
        finally:
            self._actor = ENGINE

    async def settled(self) -> None:
        """Wait until everything appended so far is durable; what is only recorded is left."""
        if self._last is not None:
            await self._last.durable()

    async def barrier(self) -> None:
        """Wait until everything recorded so far is durable."""
        await self.append()
        await self.settled()
