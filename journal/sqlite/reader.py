"""A read-only view of one partition file."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from hookledger.journal.deliveries import Claim, DeliveryQuery, DeliveryRow
from hookledger.journal.entry import SYSTEM, Entry, Header, decode_header, log_id, only_bytes, principal
from hookledger.journal.errors import JournalMissing
from hookledger.journal.figures import FlowKey, JournalSize, Latencies, MinuteCount, Run
from hookledger.journal.index import ExecutionRow, Waits
from hookledger.journal.sqlite import dashboard, lists
from hookledger.journal.sqlite.columns import DELIVERY, EXECUTION
from hookledger.journal.sqlite.files import open_reader
from hookledger.journal.store import LogLine, Query, Tip


class SqliteReader:
    """A read-only connection to one partition file, with or without a running server."""

    def __init__(self, path: Path) -> None:
        """Open for reading.

        Raises:
            JournalMissing: There is no such file.
            JournalUnreadable: It is no journal of a version this program knows.
        """
        if not path.exists():
            raise JournalMissing(str(path.parent))
        self._connection = open_reader(path)
        self._file = path

    def close(self) -> None:
        self._connection.close()

    # --- the log --------------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """Answer everything asked inside the block from one moment, whatever is committed meanwhile."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def tip(self) -> Tip | None:
        origin = self._one("SELECT value FROM meta WHERE key = 'origin'")
        if origin is None:
            return None
        last = self._one("SELECT max(pos) FROM entry")
        if last is None or last[0] is None:
            return Tip(origin=origin[0], position=0, timestamp=0, epoch=0)
        newest = "SELECT header FROM entry ORDER BY pos DESC"
        header = next(_legible(self._connection.execute(newest)), None)
        if header is None:
            raise msgspec.DecodeError("no entry has a header that can be read")
        return Tip(origin=origin[0], position=last[0] + 1, timestamp=header.ts, epoch=header.ep)

    def entries(self, execution: str) -> list[Entry]:
        return [_entry(row) for row in self._all(f"{_ENTRY} WHERE exec = ? ORDER BY n", execution)]

    def part(self, execution: str, number: int, limit: int) -> list[Entry]:
        query = f"{_ENTRY} WHERE exec = ? AND n >= ? ORDER BY n LIMIT ?"
        return [_entry(row) for row in self._all(query, execution, number, limit)]

    def scan(self, position: int = 0, limit: int | None = None) -> Iterator[Entry]:
        query = f"{_ENTRY} WHERE pos >= ? ORDER BY pos LIMIT ?"
        for row in self._connection.execute(query, (position, -1 if limit is None else limit)):
            yield _entry(row)

    def headers(self, position: int = 0) -> Iterator[Header]:
        query = "SELECT header FROM entry WHERE pos >= ? ORDER BY pos"
        yield from _legible(self._connection.execute(query, (position,)))

    def raw_rows(self) -> Iterator[tuple[int, str, int, bytes, bytes, bytes | None, bytes | None]]:
        """Yield the table as it stands, without decoding anything: the verifier trusts no column."""
        yield from self._connection.execute(
            "SELECT pos, exec, n, header, leaf, payload, salt FROM entry ORDER BY pos"
        )

    def raw_history(
        self, execution: str
    ) -> Iterator[tuple[int, str, int, bytes, bytes, bytes | None, bytes | None]]:
        """Yield the rows of one execution as they stand."""
        yield from self._connection.execute(
            "SELECT pos, exec, n, header, leaf, payload, salt FROM entry WHERE exec = ? ORDER BY pos",
            (execution,),
        )

    def system(self, types: Sequence[str] = (), *, before: int | None = None, limit: int = 25) -> list[Entry]:
        if types:
            return self._at(dashboard.marked(self._all, "system_entry", "type", types, before, limit))
        end = 2**62 if before is None else before
        query = f"{_ENTRY} WHERE exec = ? AND pos < ? ORDER BY n DESC LIMIT ?"
        return [_entry(row) for row in self._all(query, SYSTEM, end, limit)]

    def acts(self, actor: str, *, before: int | None = None, limit: int = 25) -> list[Entry]:
        tip = self.tip()
        if tip is None:
            return []
        forms = (actor, principal(actor, log_id(tip.origin)))
        return self._at(dashboard.marked(self._all, "actor_entry", "actor", forms, before, limit))

    def size(self) -> JournalSize:
        tip = self.tip()
        wal = self._file.with_name(f"{self._file.name}-wal")
        wal_bytes = wal.stat().st_size if wal.exists() else 0
        events, executions = self._all(_COUNTS)[0]
        return JournalSize(
            bytes=self._file.stat().st_size + wal_bytes,
            wal_bytes=wal_bytes,
            entries=tip.position if tip else 0,
            events=events,
            executions=executions,
        )

    # --- executions -----------------------------------------------------------------------------------------

    def rows(self, query: Query) -> tuple[list[ExecutionRow], int]:
        page = lists.page(query, self._all)
        return list(_readable(page)), lists.total(query, self._all, len(page))

    def open_executions(self) -> list[str]:
        return [
            row[0]
            for row in self._all("SELECT execution FROM execution WHERE ended = 0 ORDER BY started, id")
        ]

    def row(self, execution: str) -> ExecutionRow | None:
        found = self._one(f"SELECT {EXECUTION.names} FROM execution WHERE execution = ?", execution)
        return None if found is None else EXECUTION.read(found)

    def recent(self, flows: Sequence[tuple[str, str]], limit: int = 20) -> dict[FlowKey, list[Run]]:
        return dashboard.recent(self._all, flows, limit)

    def waiting(self) -> dict[Waits, int]:
        return dashboard.waiting(self._all)

    def minutes(
        self, since: int, until: int, *, namespace: str | None = None, flow: str | None = None
    ) -> list[MinuteCount]:
        return dashboard.minutes(self._all, since, until, namespace, flow)

    def latencies(self, since: int, until: int, *, namespace: str | None = None) -> Latencies:
        return dashboard.latencies(self._all, since, until, namespace)

    # --- deliveries and logs --------------------------------------------------------------------------------

    def claim(self, scope: str, key: str) -> Claim | None:
        found = self._one(f"{CLAIMS} WHERE scope = ? AND key = ?", scope, key)
        return None if found is None else claim_of(found)

    def deliveries(self, query: DeliveryQuery) -> tuple[list[DeliveryRow], int]:
        found = dashboard.deliveries(self._all, query)
        return [DELIVERY.read(row) for row in found], dashboard.deliveries_total(self._all, query)

    def delivery(self, delivery: str) -> DeliveryRow | None:
        found = self._one(f"SELECT {DELIVERY.names} FROM delivery WHERE delivery = ?", delivery)
        return None if found is None else DELIVERY.read(found)

    def last_deliveries(self, namespace: str, flow: str, limit: int = 5) -> dict[str, list[DeliveryRow]]:
        def newest(trigger: str) -> list[DeliveryRow]:
            query = DeliveryQuery(namespace=namespace, flow=flow, trigger=trigger, limit=limit)
            return [DELIVERY.read(row) for row in dashboard.deliveries(self._all, query)]

        return {trigger: newest(trigger) for trigger in dashboard.triggers(self._all, namespace, flow)}

    def logs(self, execution: str) -> list[LogLine]:
        query = f"SELECT {_LOG} FROM log WHERE execution = ? ORDER BY rowid"
        return [_line(row) for row in self._all(query, execution)]

    def lines(self, execution: str, after: int, limit: int) -> list[tuple[int, LogLine]]:
        """The next stored lines of an execution behind a row number, each with its own."""
        query = f"SELECT rowid, {_LOG} FROM log WHERE execution = ? AND rowid > ? ORDER BY rowid LIMIT ?"
        return [(row[0], _line(row[1:])) for row in self._all(query, execution, after, limit)]

    def _at(self, positions: Sequence[int]) -> list[Entry]:
        return [_entry(self._all(f"{_ENTRY} WHERE pos = ?", position)[0]) for position in positions]

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        return next(iter(self._connection.execute(query, values)), None)

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return list(self._connection.execute(query, values))


_ENTRY = "SELECT header, leaf, payload, salt FROM entry"
_COUNTS = "SELECT (SELECT value FROM counter WHERE name = 'events'), (SELECT count(*) FROM execution)"
_LOG_FIELDS = LogLine.__struct_fields__
_LOG = ", ".join(_LOG_FIELDS)
_CLAIM_FIELDS = Claim.__struct_fields__
CLAIMS = f"SELECT {', '.join(_CLAIM_FIELDS)} FROM claim"
"""All claims, as `claim_of` reads them."""


def claim_of(row: tuple[Any, ...]) -> Claim:
    """A row of the table of claims."""
    return msgspec.convert(dict(zip(_CLAIM_FIELDS, row, strict=True)), Claim)


def _line(row: tuple[Any, ...]) -> LogLine:
    return msgspec.convert(dict(zip(_LOG_FIELDS, row, strict=True)), LogLine)


def _readable(rows: Iterable[tuple[Any, ...]]) -> Iterator[ExecutionRow]:
    """Without damaged rows, which `verify` names and `reindex` makes anew: one of them hides no other."""
    for row in rows:
        with suppress(msgspec.DecodeError):
            yield EXECUTION.read(row)


def _legible(rows: Iterable[tuple[Any, ...]]) -> Iterator[Header]:
    for (raw,) in rows:
        with suppress(msgspec.DecodeError):
            yield decode_header(raw)


def _entry(row: tuple[Any, ...]) -> Entry:
    raw, leaf, payload, salt = row
    return Entry(header=decode_header(raw), raw=raw, leaf=only_bytes(leaf), payload=payload, salt=salt)
