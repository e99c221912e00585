"""The embedded store: one SQLite file per partition, readable with any SQLite tool.

WAL mode with `synchronous=FULL`: a commit is durable when it returns. One connection writes and owns the WAL's
checkpoints (SQLite before 3.51.3 can corrupt a WAL that two connections write or checkpoint at once, hence
`apsw`, which bundles a fixed SQLite); readers are separate read-only connections.
"""

import fcntl
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import apsw
import msgspec
import trio

from hookledger.journal.columns import (
    delivery_columns,
    entry_columns,
    row_columns,
    where,
    where_deliveries,
)
from hookledger.journal.deliveries import Claim, DeliveryQuery, DeliveryRow
from hookledger.journal.entry import Entry, decode_header
from hookledger.journal.errors import JournalLocked, JournalMissing, JournalUnreadable
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import Batch, LogLine, Query, Reader, Tip

T = TypeVar("T")

SCHEMA_VERSION: Final = 2
READERS_MAX: Final = 4
BUSY_MS_MAX: Final = 10_000

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE entry (
  pos INTEGER PRIMARY KEY,
  exec TEXT NOT NULL,
  n INTEGER NOT NULL,
  header BLOB NOT NULL,
  leaf BLOB NOT NULL,
  payload BLOB,
  salt BLOB
) STRICT;
CREATE UNIQUE INDEX entry_of_execution ON entry (exec, n);
-- Guards against accidents, not against an owner of the file: that is what the hashes are for.
CREATE TRIGGER entry_is_never_deleted BEFORE DELETE ON entry
  BEGIN SELECT raise(ABORT, 'journal entries are never deleted'); END;
CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
  WHEN NEW.pos IS NOT OLD.pos OR NEW.exec IS NOT OLD.exec OR NEW.n IS NOT OLD.n
    OR NEW.header IS NOT OLD.header OR NEW.leaf IS NOT OLD.leaf
    OR NEW.payload IS NOT NULL OR NEW.salt IS NOT NULL
  BEGIN SELECT raise(ABORT, 'journal entries are never changed; only a payload may be erased'); END;
CREATE TABLE execution (
  execution TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  flow TEXT NOT NULL,
  state TEXT NOT NULL,
  started INTEGER NOT NULL,
  open INTEGER NOT NULL,
  row TEXT NOT NULL
) STRICT;
CREATE INDEX execution_by_start ON execution (started);
CREATE INDEX execution_by_flow ON execution (namespace, flow, started);
CREATE INDEX execution_by_state ON execution (state, started);
CREATE INDEX execution_open ON execution (started) WHERE open = 1;
CREATE TABLE log (
  execution TEXT NOT NULL,
  path TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  level TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;
CREATE INDEX log_of_execution ON log (execution, at);
CREATE TABLE claim (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  execution TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  at INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE delivery (
  delivery TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  flow TEXT NOT NULL,
  trigger TEXT NOT NULL,
  kind TEXT NOT NULL,
  row TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_by_trigger ON delivery (namespace, flow, trigger, at DESC, delivery DESC);
CREATE VIEW events AS
  SELECT entry.pos AS pos, entry.exec AS execution,
         json_extract(event.value, '$.sequence') AS sequence,
         json_extract(event.value, '$.type') AS type,
         json_extract(event.value, '$.at') AS at,
         event.value AS event
  FROM entry, json_each(CAST(entry.payload AS TEXT)) AS event;
"""


def partition_file(directory: Path, partition: int = 0) -> Path:
    """Where a partition lives in a data directory."""
    return directory / f"partition-{partition}.sqlite3"


class SqliteStore:
    """The writer's side of one partition file; holds the directory's lock while open."""

    def __init__(self, directory: Path, *, partition: int = 0, vfs: str | None = None) -> None:
        """Open or create the partition.

        Raises:
            JournalLocked: Another process has it open for writing.
            JournalUnreadable: The file is no journal, or one of a later version.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._path = partition_file(directory, partition)
        self._lock = _take_lock(self._path.with_suffix(".lock"))
        try:
            self._writer = _open_writer(self._path, vfs)
        except BaseException:
            os.close(self._lock)
            raise
        self._limiter = trio.CapacityLimiter(READERS_MAX)
        self._readers: list[SqliteReader] = []

    def create(self, origin: str) -> None:
        self._writer.execute("INSERT INTO meta VALUES ('origin', ?)", (origin,))

    async def commit(self, batch: Batch) -> None:
        await trio.to_thread.run_sync(self._commit, batch)

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """Ask a pooled reader from a worker thread."""

        def answer() -> T:
            reader = self._readers.pop() if self._readers else SqliteReader(self._path)
            try:
                return question(reader)
            finally:
                self._readers.append(reader)

        return await trio.to_thread.run_sync(answer, limiter=self._limiter)

    def reader(self) -> Reader:
        return SqliteReader(self._path)

    def close(self) -> None:
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        self._writer.close()
        os.close(self._lock)

    def _commit(self, batch: Batch) -> None:
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", (entry_columns(e) for e in batch.entries)
            )
            connection.executemany(_UPSERT_EXECUTION, (row_columns(row) for row in batch.rows.values()))
            if batch.deliveries:
                connection.executemany(
                    "INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (delivery_columns(row) for row in batch.deliveries),
                )
            if batch.claims:
                connection.executemany(
                    "INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?)",
                    (msgspec.structs.astuple(claim) for claim in batch.claims),
                )
            if batch.logs:
                connection.executemany(
                    "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (msgspec.structs.astuple(line) for line in batch.logs),
                )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


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
        self._connection = _open_reader(path)
        _check_version(self._connection, path)

    def close(self) -> None:
        self._connection.close()

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
        last = self._one("SELECT pos, header FROM entry ORDER BY pos DESC LIMIT 1")
        if last is None:
            return Tip(origin=origin[0], position=0, timestamp=0, epoch=0)
        header = decode_header(last[1])
        return Tip(origin=origin[0], position=last[0] + 1, timestamp=header.ts, epoch=header.ep)

    def entries(self, execution: str) -> list[Entry]:
        return [_entry(row) for row in self._all(f"{_ENTRY} WHERE exec = ? ORDER BY n", execution)]

    def scan(self, position: int = 0, limit: int | None = None) -> Iterator[Entry]:
        query = f"{_ENTRY} WHERE pos >= ? ORDER BY pos LIMIT ?"
        for row in self._connection.execute(query, (position, -1 if limit is None else limit)):
            yield _entry(row)

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

    def rows(self, query: Query) -> tuple[list[ExecutionRow], int]:
        terms, values = where(query)
        order = "ASC" if query.oldest_first else "DESC"
        found = self._all(
            f"SELECT row FROM execution {terms} ORDER BY started {order}, rowid {order} LIMIT ? OFFSET ?",
            *values,
            query.limit,
            query.offset,
        )
        total = self._one(f"SELECT count(*) FROM execution {terms}", *values)
        return [_decode_row(row[0]) for row in found], total[0] if total else 0

    def row(self, execution: str) -> ExecutionRow | None:
        found = self._one("SELECT row FROM execution WHERE execution = ?", execution)
        return None if found is None else _decode_row(found[0])

    def claim(self, scope: str, key: str) -> Claim | None:
        found = self._one("SELECT * FROM claim WHERE scope = ? AND key = ?", scope, key)
        return None if found is None else Claim(**dict(zip(_CLAIM_FIELDS, found, strict=True)))

    def deliveries(self, query: DeliveryQuery) -> tuple[list[DeliveryRow], int]:
        terms, values = where_deliveries(query)
        found = self._all(
            f"SELECT row FROM delivery {terms} ORDER BY at DESC, delivery DESC LIMIT ? OFFSET ?",
            *values,
            query.limit,
            query.offset,
        )
        total = self._one(f"SELECT count(*) FROM delivery {terms}", *values)
        return [_decode_delivery(row[0]) for row in found], total[0] if total else 0

    def delivery(self, delivery: str) -> DeliveryRow | None:
        found = self._one("SELECT row FROM delivery WHERE delivery = ?", delivery)
        return None if found is None else _decode_delivery(found[0])

    def logs(self, execution: str) -> list[LogLine]:
        query = "SELECT * FROM log WHERE execution = ? ORDER BY rowid"
        return [LogLine(**dict(zip(_LOG_FIELDS, row, strict=True))) for row in self._all(query, execution)]

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        return next(iter(self._connection.execute(query, values)), None)

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return list(self._connection.execute(query, values))


# Only the indexes over what changes are touched again, and an update keeps the row's place: among equal times the
# order is that of the journal.
_UPSERT_EXECUTION = """
INSERT INTO execution VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (execution) DO UPDATE SET state = excluded.state, open = excluded.open, row = excluded.row
"""
_ENTRY = "SELECT header, leaf, payload, salt FROM entry"
_LOG_FIELDS = LogLine.__struct_fields__
_CLAIM_FIELDS = Claim.__struct_fields__
_decode_delivery = msgspec.json.Decoder(DeliveryRow).decode
_decode_row = msgspec.json.Decoder(ExecutionRow).decode


def _entry(row: tuple[Any, ...]) -> Entry:
    raw, leaf, payload, salt = row
    return Entry(header=decode_header(raw), raw=raw, leaf=leaf, payload=payload, salt=salt)


def _take_lock(path: Path) -> int:
    """Hold an advisory lock for as long as the descriptor is open; the kernel lets go after a crash."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 100).decode(errors="replace").strip()
        os.close(descriptor)
        raise JournalLocked(str(path.parent), holder) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()}\n".encode())
    return descriptor


def _open_writer(path: Path, vfs: str | None) -> apsw.Connection:
    with _readable(path):
        connection = apsw.Connection(str(path), vfs=vfs)
        os.chmod(path, 0o600)
        connection.set_busy_timeout(BUSY_MS_MAX)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        if next(connection.execute("PRAGMA user_version"))[0] == 0:
            with connection:
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        _check_version(connection, path)
        return connection


def _open_reader(path: Path) -> apsw.Connection:
    with _readable(path):
        try:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            connection.set_busy_timeout(BUSY_MS_MAX)
            next(connection.execute("PRAGMA schema_version"))
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            # A copy on a read-only medium has no shared-memory file and may not make one.
            _refuse_open_wal(path)
            uri = f"file:{quote(str(path))}?immutable=1"
            connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        return connection


def _refuse_open_wal(path: Path) -> None:
    """`immutable` ignores the write-ahead log, and with it the newest commits: better nothing than half of it."""
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        reason = f"{wal.name} beside it holds newer commits and needs a writable directory; copy both there"
        raise JournalUnreadable(str(path), reason)


def _check_version(connection: apsw.Connection, path: Path) -> None:
    with _readable(path):
        version = next(connection.execute("PRAGMA user_version"))[0]
    if version != SCHEMA_VERSION:
        raise JournalUnreadable(str(path), f"schema version {version}; this program reads {SCHEMA_VERSION}")


@contextmanager
def _readable(path: Path) -> Generator[None]:
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError, apsw.IOError) as error:
        raise JournalUnreadable(str(path), str(error)) from error


__all__ = ["SqliteReader", "SqliteStore", "partition_file"]
