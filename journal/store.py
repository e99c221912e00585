"""The seam between the journal and where it is kept. Nothing above it knows which store it has.

A store keeps one partition. It appends batches atomically and durably, in order, for one writer; it gives
entries back by execution and by position. `MemoryStore` and `SqliteStore` pass one conformance suite.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, Protocol, TypeVar

import msgspec

from hookledger.journal.deliveries import (
    Claim,
    DeliveryQuery,
    DeliveryRow,
    claims_in,
    deliveries_in,
)
from hookledger.journal.entry import Entry, Header
from hookledger.journal.events import AnyEvent, ExecutionRestarted, LabelsSet, LogReference
from hookledger.journal.figures import (
    FlowKey,
    JournalSize,
    Latencies,
    MinuteCount,
    MinuteKey,
    Run,
    counted,
)
from hookledger.journal.index import ExecutionRow, Waits

T = TypeVar("T")

Sort = Literal["started", "ended", "duration"]
TEXT_ROWS_MAX: Final = 250_000
RELABELLING: Final = frozenset({LabelsSet.__name__, ExecutionRestarted.__name__})
"""Types of events that change the labels of an execution that has begun."""


class StoreBusy(Exception):
    """Nothing was written, because another program holds the store for itself: to be tried again."""


class StoreFailed(Exception):
    """A commit failed and nobody knows what reached the disk; says where and why in one line."""

    def __init__(self, reason: str, advice: str) -> None:
        self.advice = advice
        """What to do, as the first half of a sentence."""
        super().__init__(reason)


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line a task wrote; kept beside the journal, committed with its entry, bounded per attempt."""

    execution: str
    path: str
    attempt: int
    number: int
    at: int
    level: str
    message: str


def log_reference(lines: Sequence[LogLine]) -> LogReference | None:
    """What a TaskReturned commits to of the lines its attempt wrote; None when there are none."""
    if not lines:
        return None
    digest = hashlib.sha256()
    for line in lines:
        digest.update(_encode_line(msgspec.structs.astuple(line)) + b"\n")
    return LogReference(count=len(lines), sha256=digest.hexdigest())


_encode_line: Final = msgspec.json.Encoder().encode


class Batch(msgspec.Struct, kw_only=True):
    """What one commit writes: all of it or nothing."""

    entries: list[Entry] = msgspec.field(default_factory=list)
    rows: dict[str, ExecutionRow] = msgspec.field(default_factory=dict)
    """Index rows as they stand after the batch, by execution."""
    begun: dict[str, int] = msgspec.field(default_factory=dict)
    """Executions whose first entry is in the batch, and its position."""
    labelled: set[str] = msgspec.field(default_factory=set)
    """Executions whose labels are others than before the batch."""
    minutes: dict[MinuteKey, int] = msgspec.field(default_factory=dict)
    """What the batch adds to the counts of its minutes."""
    logs: list[LogLine] = msgspec.field(default_factory=list)
    claims: list[Claim] = msgspec.field(default_factory=list)
    deliveries: list[DeliveryRow] = msgspec.field(default_factory=list)

    def take(self, entry: Entry, events: Sequence[AnyEvent], row: ExecutionRow | None) -> None:
        """Take in an entry with what its events say to the projections.

        Args:
            entry: Behind all entries taken before.
            events: The entry's.
            row: The execution's index row after these events; None for the system stream.
        """
        execution = entry.header.exec
        self.entries.append(entry)
        if row is not None:
            self.rows[execution] = row
            self._count(entry, row)
        if rows := deliveries_in(execution, events):
            self.deliveries += rows
            self.claims += claims_in(execution, events)

    def _count(self, entry: Entry, row: ExecutionRow) -> None:
        header, minutes = entry.header, self.minutes
        if header.n == 0:
            self.begun[row.execution] = header.pos
        elif RELABELLING.intersection(header.types):
            self.labelled.add(row.execution)
        for key in counted(header, row):
            minutes[key] = minutes.get(key, 0) + 1


class Tip(msgspec.Struct, frozen=True, kw_only=True):
    """Where the partition ends."""

    origin: str
    position: int
    """Of the next entry."""
    timestamp: int
    epoch: int


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which executions to list, in which order. What is left out matches everything; what is said must all hold."""

    namespace: str | None = None
    namespace_prefix: str | None = None
    """`company` stands for `company` and everything below it, such as `company.team`."""
    flow: str | None = None
    trigger: str | None = None
    states: tuple[str, ...] = ()
    waits: tuple[Waits, ...] = ()
    """Only open ones that wait for one of these."""
    open: bool | None = None
    since: int = 0
    """Started at this time or later, microseconds."""
    until: int = 0
    """Started before this time, microseconds; 0 for no end."""
    labels: dict[str, str] = {}
    """All of them, with these values."""
    text: str = ""
    """Part of the execution's id, its flow's id or its namespace, without regard to case. No index helps: every row
    the rest leaves is looked at, about 10 ms for 100,000; the newest `TEXT_ROWS_MAX` executions are."""
    ids: tuple[str, ...] | None = None
    """Only these executions; () is none at all."""
    sort: Sort = "started"
    """By `ended` or `duration` there are only executions that have ended."""
    ascending: bool = False
    limit: int = 25
    offset: int = 0
    total_max: int | None = None
    """Count no further: a total of `total_max + 1` then says "more than `total_max`". None counts them all, which
    takes some milliseconds for each 100,000 that match; 0 when nobody looks at the total."""


class Reader(Protocol):
    """Read-only access to what is durable. Every method is synchronous and may touch a disk."""

    def tip(self) -> Tip | None:
        """Return where the partition ends, None while it is empty."""
        ...

    def entries(self, execution: str) -> list[Entry]:
        """Return an execution's entries in order; empty when there is no such execution."""
        ...

    def part(self, execution: str, number: int, limit: int) -> list[Entry]:
        """Return at most `limit` entries of an execution in order, from its entry `number` on."""
        ...

    def scan(self, position: int = 0, limit: int | None = None) -> Iterator[Entry]:
        """Yield entries from a position on."""
        ...

    def headers(self, position: int = 0) -> Iterator[Header]:
        """Yield the headers from a position on that can be read; damaged ones are left out."""
        ...

    def rows(self, query: Query) -> tuple[list[ExecutionRow], int]:
        """Return a page of the execution index and how many rows match in all (see `Query.total_max`).

        Executions with the same sort key stand in the order of the journal.
        """
        ...

    def open_executions(self) -> list[str]:
        """Return the ids of all open executions, oldest first, whatever else their rows hold."""
        ...

    def row(self, execution: str) -> ExecutionRow | None:
        """Return one row of the index."""
        ...

    def recent(self, flows: Sequence[tuple[str, str]], limit: int = 20) -> dict[FlowKey, list[Run]]:
        """Return the newest runs of each flow (namespace, id), newest first; a flow without runs has none.

        Args:
            flows: One page of a list of flows.
            limit: Runs per flow, at most `RECENT_MAX`.
        """
        ...

    def waiting(self) -> dict[Waits, int]:
        """Return how many executions are open, by what they wait for."""
        ...

    def minutes(
        self, since: int, until: int, *, namespace: str | None = None, flow: str | None = None
    ) -> list[MinuteCount]:
        """Return what began and ended in the minutes from that of `since` to that of `until`, in order.

        Times are microseconds. Minutes in which nothing happened are left out; a flow needs its namespace.

        Raises:
            ValueError: The window ends before it begins, or is longer than `WINDOW_MINUTES_MAX`.
        """
        ...

    def latencies(self, since: int, until: int, *, namespace: str | None = None) -> Latencies:
        """Return how long executions took that ended at `since` or later and before `until`.

        Raises:
            ValueError: As `minutes`.
        """
        ...

    def size(self) -> JournalSize:
        """Return how much there is, counted without reading it."""
        ...

    def system(self, types: Sequence[str] = (), *, before: int | None = None, limit: int = 25) -> list[Entry]:
        """Return the newest entries of the partition's own stream, newest first.

        Args:
            types: Only entries with an event of one of these types, such as `FlowRegistered`; () for all.
            before: Only positions before this one: the last entry's of the page before.
            limit: At most so many.
        """
        ...

    def acts(self, actor: str, *, before: int | None = None, limit: int = 25) -> list[Entry]:
        """Return the newest entries that a person wrote (`user:ann`, `cli:ann`, `token:ci`), newest first.

        Args:
            actor: As `kind:name`, or in the form in which headers carry it.
            before: Only positions before this one: the last entry's of the page before.
            limit: At most so many.
        """
        ...

    def claim(self, scope: str, key: str) -> Claim | None:
        """Return the newest claim of a deduplication key, also one whose window is over."""
        ...

    def deliveries(self, query: DeliveryQuery) -> tuple[list[DeliveryRow], int]:
        """Return a page of the list of deliveries and how many match in all."""
        ...

    def delivery(self, delivery: str) -> DeliveryRow | None:
        """Return one delivery."""
        ...

    def last_deliveries(self, namespace: str, flow: str, limit: int = 5) -> dict[str, list[DeliveryRow]]:
        """Return the newest deliveries of each trigger of a flow that ever had one, newest first."""
        ...

    def logs(self, execution: str) -> list[LogLine]:
        """Return the log lines of an execution in the order they were written."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class Store(Protocol):
    """One partition, owned by one writer."""

    def create(self, origin: str) -> None:
        """Give an empty partition its identity. Called once in a partition's life."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Write a batch and return once it is durable.

        Raises:
            StoreBusy: Nothing was written; the caller tries again.
            Exception: Nothing is known about what reached the disk; the caller poisons the partition.
        """
        ...

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """Put a question to a reader without blocking the event loop."""
        ...

    def reader(self) -> Reader:
        """A reader for synchronous callers."""
        ...

    def close(self) -> None:
        """Let go of files and locks."""
        ...
