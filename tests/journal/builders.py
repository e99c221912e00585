"""Events, entries and journals for tests: hand-made, so that a test can break exactly one rule."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from hookledger.journal.deliveries import Claim, DeliveryRow, claims_in, deliveries_in
from hookledger.journal.entry import SYSTEM, Chain, Entry, encode_header, leaf_hash, log_id, seal
from hookledger.journal.events import (
    AnyEvent,
    EpochStarted,
    Event,
    ExecutionEvent,
    ExecutionRestarted,
    FlowRegistered,
    JournalOpened,
    OutputsResolved,
    TaskReturned,
    TaskStarted,
    TriggerReceived,
)
from hookledger.journal.figures import MinuteKey
from hookledger.journal.index import ExecutionRow, Projection
from hookledger.journal.journal import Journal
from hookledger.journal.store import LogLine, log_reference
from hookledger.journal.verify import verify
from hookledger.journal.verify.differences import difference
from hookledger.journal.verify.source import RawRow

ORIGIN = "hookledger/test"
START = 1_700_000_000_000_000
SOURCE = "id: greet\nnamespace: company.team\n"
SHA256 = hashlib.sha256(SOURCE.encode()).hexdigest()
EXECUTION = "0VAtR4000004q0000000001"
OTHER = "0VAtR4000004q0000000002"
LATE = START + 1000
"""Times of the drafts' entries; an event may be as late."""


class FixedClock:
    """A clock that goes where a test puts it."""

    def __init__(self, now: int = START) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


class CountingEntropy:
    """Bytes that are never the same twice and always the same in the next run."""

    def __init__(self) -> None:
        self._drawn = 0

    def token(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_128(self._drawn.to_bytes(8, "big")).digest(size)


def made(kind: type[Any], sequence: int = 0, at: int | None = None, **fields: Any) -> Any:
    """An event of a type, with just enough in it."""
    defaults = _DEFAULTS.get(kind, {})
    return kind(sequence=sequence, at=START + sequence if at is None else at, **{**defaults, **fields})


def received(**fields: Any) -> TriggerReceived:
    """The first event of an execution of the registered flow."""
    event: TriggerReceived = made(TriggerReceived, **fields)
    return event


def numbered(*events: Event) -> tuple[ExecutionEvent, ...]:
    """Give events the sequences their order says; one later than the last where a test did not say when."""
    return tuple(
        msgspec.structs.replace(event, sequence=n, at=event.at if event.at != START else START + n)  # type: ignore[misc]
        for n, event in enumerate(events)
    )


def golden() -> tuple[ExecutionEvent, ...]:
    """The two-task flow of the documentation: six events."""
    return numbered(
        received(method="POST", path="/hook/***", query="name=Alice", body=b'{"a": 1}', wait=True),
        made(TaskStarted, properties={"format": "Hello Alice!"}),
        made(TaskReturned, outputs={"value": "Hello Alice!"}),
        made(TaskStarted, task="log", path="log"),
        made(TaskReturned, task="log", path="log"),
        made(OutputsResolved, outputs={"greeting": "Hello Alice!"}),
    )


class Draft:
    """Entries of a hand-made journal, with an index, for the verifier."""

    def __init__(self, *, opened: bool = True, registered: bool = True) -> None:
        self.entries: list[Entry] = []
        self.index: dict[str, ExecutionRow] = {}
        self.claimed: dict[tuple[str, str], Claim] = {}
        self.stored_lines: list[LogLine] = []
        self.deliveries: dict[str, DeliveryRow] = {}
        self.damaged: tuple[str, ...] = ()
        self._chains: dict[str, Chain] = {}
        self._projections: dict[str, Projection] = {}
        self._entropy = CountingEntropy()
        if opened:
            self.add(SYSTEM, made(JournalOpened, 0))
            self.add(SYSTEM, made(EpochStarted, 1))
        if registered:
            self.add(SYSTEM, made(FlowRegistered, 2))

    def add(
        self, execution: str, *events: AnyEvent, epoch: int = 1, ts: int = START + 1000, **changes: Any
    ) -> Entry:
        """Append an entry; `changes` replace header fields before it is hashed."""
        chain = self._chains.setdefault(execution, Chain(execution=execution))
        chain.seq = events[0].sequence
        n, prev = chain.n, chain.prev
        sealed = seal(
            chain,
            events,
            log=log_id(ORIGIN),
            epoch=epoch,
            position=changes.pop("pos", self.position),
            timestamp=ts,
            actor="engine:test",
            salt=self._entropy.token(16),
        )
        assert (sealed.header.n, prev) == (n, prev)
        header = msgspec.structs.replace(sealed.header, **changes)
        raw = encode_header(header)
        entry = msgspec.structs.replace(sealed, header=header, raw=raw, leaf=leaf_hash(raw))
        chain.n, chain.prev = header.n + 1, entry.leaf
        self.entries.append(entry)
        if execution != SYSTEM:
            projection = self._projections.setdefault(execution, Projection(execution))
            self.index[execution] = projection.follow(events)
            self.deliveries |= {row.delivery: row for row in deliveries_in(execution, events)}
            self.claimed |= {(claim.scope, claim.key): claim for claim in claims_in(execution, events)}
        return entry

    def run(self, *events: Event, execution: str = EXECUTION) -> "Draft":
        """Append an execution as one entry."""
        self.add(execution, *numbered(*events))
        return self

    @property
    def position(self) -> int:
        return self.entries[-1].header.pos + 1 if self.entries else 0

    def change(self, index: int, **fields: Any) -> None:
        """Replace stored columns of an entry, as somebody with an editor would."""
        self.entries[index] = msgspec.structs.replace(self.entries[index], **fields)

    # --- the verifier's view --------------------------------------------------------------------------------

    def origin(self) -> str:
        return ORIGIN

    def damage(self) -> Iterator[str]:
        yield from self.damaged

    def raw_rows(self) -> Iterator[RawRow]:
        for entry in self.entries:
            header = entry.header
            yield header.pos, header.exec, header.n, entry.raw, entry.leaf, entry.payload, entry.salt

    def raw_history(self, execution: str) -> Iterator[RawRow]:
        return (row for row in self.raw_rows() if row[1] == execution)

    def index_difference(self, rebuilt: ExecutionRow) -> str:
        return difference(self.index.get(rebuilt.execution), rebuilt)

    def schema(self) -> Iterator[str]:
        yield from ()

    def warnings(self) -> Iterator[tuple[str, str]]:
        yield from ()

    def lines(self, execution: str, after: int, limit: int) -> list[tuple[int, LogLine]]:
        found = [line for line in self.stored_lines if line.execution == execution]
        return list(enumerate(found[after : after + limit], after + 1))

    def line_count(self, execution: str) -> int:
        return len([line for line in self.stored_lines if line.execution == execution])

    def stray_lines(self) -> Iterator[str]:
        known = {entry.header.exec for entry in self.entries}
        yield from {line.execution for line in self.stored_lines} - known

    def file_difference(self, uri: str, sha256: str) -> str | None:
        return ""

    def claims(self) -> Iterator[Claim]:
        yield from self.claimed.values()

    def delivery_count(self) -> int:
        return len(self.deliveries)

    def claim(self, scope: str, key: str) -> Claim | None:
        return self.claimed.get((scope, key))

    def delivery(self, delivery: str) -> DeliveryRow | None:
        return self.deliveries.get(delivery)

    def label_difference(self, rebuilt: ExecutionRow) -> str:
        return ""

    def minute_difference(self, minute: int, rebuilt: dict[MinuteKey, int]) -> str:
        return ""

    def marked(self, table: str, value: str, position: int) -> bool:
        return True

    def tallies(self) -> None:
        return None

    def index_size(self) -> int:
        return len(self.index)

    def index_ids(self) -> Iterator[str]:
        yield from self.index


def broken(draft: Draft, **options: Any) -> list[tuple[str, str, int | None]]:
    """Rule, execution and position of every violation."""
    return [(v.rule, v.execution, v.position) for v in verify(draft, **options).violations]


def rules(draft: Draft) -> list[str]:
    return [rule for rule, _, _ in broken(draft)]


def task(path: str = "make", attempt: int = 1, *, at: int = START, **returned: Any) -> tuple[Event, Event]:
    """One attempt from start to return."""
    return (
        made(TaskStarted, task=path, path=path, attempt=attempt, at=at),
        made(TaskReturned, task=path, path=path, attempt=attempt, at=at, **returned),
    )


def end() -> Event:
    resolved: Event = made(OutputsResolved)
    return resolved


def restart(generation: int = 1, **fields: Any) -> Event:
    first = received()
    event: Event = made(
        ExecutionRestarted,
        by="user:ann",
        generation=generation,
        revision=first.revision,
        source_sha256=fields.pop("source_sha256", first.source_sha256),
        **fields,
    )
    return event


def append(
    journal: Journal,
    execution: str,
    events: Sequence[ExecutionEvent],
    *,
    chain: Chain | None = None,
    index: Projection | None = None,
    **more: Any,
) -> Any:
    """Append events with their index row, as an actor does; returns the ticket."""
    chain = chain or Chain(execution=execution)
    row = (index or Projection(execution)).follow(events)
    return journal.append(chain, events, actor=more.pop("actor", "engine:test"), row=row, **more)


def register(journal: Journal) -> Any:
    """Register the flow that `received` is pinned to; returns the ticket."""
    return journal.append_system(lambda sequence, at: made(FlowRegistered, sequence, at))


_DEFAULTS: dict[type, dict[str, Any]] = {
    JournalOpened: {"origin": ORIGIN, "partition": 0, "software": "test"},
    EpochStarted: {"epoch": 1, "host": "h", "process": 1, "software": "test"},
    FlowRegistered: {
        "namespace": "company.team",
        "flow": "greet",
        "revision": 1,
        "sha256": SHA256,
        "source": SOURCE,
    },
    TriggerReceived: {
        "namespace": "company.team",
        "flow": "greet",
        "revision": 1,
        "source_sha256": SHA256,
        "trigger": "webhook",
        "trigger_type": "webhook",
        "seed": "00",
    },
    TaskStarted: {"task": "make", "path": "make", "attempt": 1, "task_type": "x.Return", "effect": "pure"},
    TaskReturned: {"task": "make", "path": "make", "attempt": 1, "outcome": "ok"},
}


def sql(path: Path, *statements: str) -> list[Any]:
    """Run statements on a file as somebody with a SQLite shell would; returns the rows of the last."""
    connection: Any = apsw.Connection(str(path))
    try:
        return [list(connection.execute(statement)) for statement in statements][-1]
    finally:
        connection.close()


def tamper(path: Path, *statements: str) -> None:
    """Change a file as somebody would who knows its guards: they are dropped first and there again afterwards."""
    guards = sql(path, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    drops = [f"DROP TRIGGER {name}" for name, _ in guards]
    sql(path, *drops, *statements, *(made for _, made in guards))


def with_lines(
    events: Sequence[ExecutionEvent], lines: Sequence[LogLine], path: str = "log"
) -> tuple[ExecutionEvent, ...]:
    """The events, of which the return of a task commits to the lines it wrote."""
    return tuple(
        msgspec.structs.replace(event, log=log_reference(lines))
        if isinstance(event, TaskReturned) and event.path == path
        else event
        for event in events
    )
