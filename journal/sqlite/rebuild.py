"""Computes every projection of a partition file anew from its entries: that is what projections are for.

All in one transaction, in the order of the journal and by the code that writes them otherwise. An execution of which
a payload was erased cannot be computed any more: its row, its labels, its deliveries and its claim stay as they were.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import apsw
import msgspec

from hookledger.journal.deliveries import Claim, DeliveryRow
from hookledger.journal.entry import SYSTEM, Entry, decode_header
from hookledger.journal.errors import JournalUnreadable
from hookledger.journal.events import AnyEvent, decode_events
from hookledger.journal.index import ExecutionRow, Projection
from hookledger.journal.sqlite.columns import DELIVERY, EXECUTION, Columns
from hookledger.journal.sqlite.files import version_of
from hookledger.journal.sqlite.reader import CLAIMS, claim_of
from hookledger.journal.sqlite.schema import AROUND_THE_LOG, PROJECTIONS, SCHEMA_VERSION, TABLES
from hookledger.journal.sqlite.writing import write_projections
from hookledger.journal.store import Batch

T = TypeVar("T", bound=msgspec.Struct)

ENTRIES_PER_BATCH: Final = 1000
_ROWS_AS_JSON: Final = 2
"""The schema version whose lists had no columns of their own."""


def rebuild(
    connection: apsw.Connection, path: Path, progress: Callable[[int, int], None] | None = None
) -> int:
    """Replace all projections, and what stands around the log; returns how many entries they were computed from.

    Args:
        progress: Called now and then with how many entries of how many were read.

    Raises:
        JournalUnreadable: An entry cannot be read; nothing was changed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        kept = _Kept(connection)
        for kind, name in list(connection.execute(_AROUND)):
            connection.execute(f'DROP {kind} "{name.replace(chr(34), chr(34) * 2)}"')
        for table in TABLES:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(AROUND_THE_LOG + PROJECTIONS)
        count = _Rebuild(connection, path, kept.rows, progress).run()
        write_projections(connection, Batch(deliveries=kept.deliveries, claims=kept.claims))
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return count


class _Kept:
    """What the stored projections say of executions with an erased payload. Its claims are their keys' newest."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.rows: dict[str, ExecutionRow] = {}
        self.deliveries: list[DeliveryRow] = []
        self.claims: list[Claim] = []
        erased = {execution for (execution,) in connection.execute(_ERASED)}
        if not erased:
            return
        first = version_of(connection) == _ROWS_AS_JSON
        for row in _rows(connection, "execution", ExecutionRow, None if first else EXECUTION):
            if row.execution in erased:
                self.rows[row.execution] = row
        for delivery in _rows(connection, "delivery", DeliveryRow, None if first else DELIVERY):
            if (delivery.execution or SYSTEM) in erased:
                self.deliveries.append(delivery)
        for claim in map(claim_of, connection.execute(CLAIMS)):
            if claim.execution in erased:
                self.claims.append(claim)


def _rows(connection: apsw.Connection, table: str, kind: type[T], columns: Columns[T] | None) -> Iterator[T]:
    """The rows of a table; schema 2 had a column `row` with all of each as JSON."""
    for values in connection.execute(f"SELECT {columns.names if columns else 'row'} FROM {table}"):
        yield columns.read(values) if columns else msgspec.json.decode(values[0], type=kind)


class _Rebuild:
    """One pass over the entries; only executions that are open at one time stay in memory."""

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        kept: dict[str, ExecutionRow],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._progress = progress
        self._kept = kept
        self._open: dict[str, Projection] = {}

    def run(self) -> int:
        """Write what the entries say; returns how many there are."""
        count, batch = 0, Batch()
        total = next(self._connection.execute("SELECT count(*) FROM entry"))[0]
        for entry in self._entries():
            count += 1
            try:
                events = entry.events()
                batch.take(entry, events, self._row(entry, events))
            except msgspec.DecodeError as error:
                raise self._unreadable(entry.header.pos, error) from error
            if len(batch.entries) == ENTRIES_PER_BATCH:
                write_projections(self._connection, batch)
                batch = Batch()
                self._tell(count, total)
        write_projections(self._connection, batch)
        self._tell(count, total)
        return count

    def _tell(self, count: int, total: int) -> None:
        if self._progress is not None:
            self._progress(count, total)

    def _entries(self) -> Iterator[Entry]:
        for position, raw, leaf, payload, salt in self._connection.execute(_ENTRIES):
            try:
                header = decode_header(raw)
            except msgspec.DecodeError as error:
                raise self._unreadable(position, error) from error
            yield Entry(header=header, raw=raw, leaf=leaf, payload=payload, salt=salt)

    def _row(self, entry: Entry, events: list[AnyEvent]) -> ExecutionRow | None:
        execution, n = entry.header.exec, entry.header.n
        if execution == SYSTEM:
            return None
        if entry.payload is None or execution in self._kept:
            return self._kept.get(execution)
        projection = self._open.pop(execution, None) or self._before(execution, n)
        row = projection.follow(events)
        if row.open:
            self._open[execution] = projection
        return row

    def _before(self, execution: str, n: int) -> Projection:
        """As it stood before its entry `n`; it had ended, or begins."""
        projection = Projection(execution)
        for (payload,) in self._connection.execute(_EARLIER, (execution, n)):
            projection.follow(decode_events(payload))
        return projection

    def _unreadable(self, position: int, error: Exception) -> JournalUnreadable:
        return JournalUnreadable(
            str(self._path), f"position {position}: {error}; `hookledger journal verify` says more"
        )


_AROUND: Final = "SELECT type, name FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL"
_ERASED: Final = "SELECT DISTINCT exec FROM entry WHERE payload IS NULL"
_ENTRIES: Final = "SELECT pos, header, leaf, payload, salt FROM entry ORDER BY pos"
_EARLIER: Final = "SELECT payload FROM entry WHERE exec = ? AND n < ? ORDER BY n"
