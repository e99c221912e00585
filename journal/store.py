"""The seam between the journal and where it is kept. Nothing above it knows which store it has.

A store keeps one partition. It appends batches atomically and durably, in order, for one writer; it gives
entries back by execution and by position. `MemoryStore` and `SqliteStore` pass one conformance suite.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import msgspec

from hookledger.journal.deliveries import (
    Claim,
    DeliveryQuery,
    DeliveryRow,
    claims_in,
    deliveries_in,
)
from hookledger.journal.entry import Entry
from hookledger.journal.events import AnyEvent
from hookledger.journal.index import ExecutionRow

T = TypeVar("T")


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line a task wrote; kept beside the journal, committed with its entry, bounded per attempt."""

    execution: str
    path: str
    attempt: int
    number: int
    at: int
    level: str
    message: str


class Batch(msgspec.Struct, kw_only=True):
    """What one commit writes: all of it or nothing."""

    entries: list[Entry] = msgspec.field(default_factory=list)
    rows: dict[str, ExecutionRow] = msgspec.field(default_factory=dict)
    """Index rows as they stand after the batch, by execution."""
    logs: list[LogLine] = msgspec.field(default_factory=list)
    claims: list[Claim] = msgspec.field(default_factory=list)
    deliveries: list[DeliveryRow] = msgspec.field(default_factory=list)

    def project(self, execution: str, events: Sequence[AnyEvent]) -> None:
        """Take in what an entry's events say about deliveries."""
        if rows := deliveries_in(execution, events):
            self.deliveries += rows
            self.claims += claims_in(execution, events)


class Tip(msgspec.Struct, frozen=True, kw_only=True):
    """Where the partition ends."""

    origin: str
    position: int
    """Of the next entry."""
    timestamp: int
    epoch: int


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which executions to list; newest first."""

    namespace: str | None = None
    flow: str | None = None
    states: tuple[str, ...] = ()
    open: bool | None = None
    since: int = 0
    oldest_first: bool = False
    limit: int = 25
    offset: int = 0


class Reader(Protocol):
    """Read-only access to what is durable. Every method is synchronous and may touch a disk."""

    def tip(self) -> Tip | None:
        """Return where the partition ends, None while it is empty."""
        ...

    def entries(self, execution: str) -> list[Entry]:
        """Return an execution's entries in order; empty when there is no such execution."""
        ...

    def scan(self, position: int = 0, limit: int | None = None) -> Iterator[Entry]:
        """Yield entries from a position on."""
        ...

    def rows(self, query: Query) -> tuple[list[ExecutionRow], int]:
        """Return a page of the execution index and how many rows match in all."""
        ...

    def row(self, execution: str) -> ExecutionRow | None:
        """Return one row of the index."""
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
