"""Where the verifier reads from: rows as they are stored, and the index they are compared with.

`SqliteSource` reads one snapshot of a partition file, with or without a running server. `ReaderSource` works over
any store's reader.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import apsw
import msgspec

from hookledger.journal.deliveries import Claim, DeliveryRow
from hookledger.journal.entry import Entry
from hookledger.journal.errors import JournalUnreadable
from hookledger.journal.figures import MINUTE, MinuteKey
from hookledger.journal.index import ExecutionRow
from hookledger.journal.sqlite import SqliteReader
from hookledger.journal.store import Query, Reader
from hookledger.journal.verify.projections import Stored, Tallies

RawRow: TypeAlias = tuple[int, str, int, bytes, bytes, bytes | None, bytes | None]

DAMAGE_MAX: Final = 20
INDEX_PAGE: Final = 1000
NO_ROW: Final = "there is no row"


class Row(NamedTuple):
    """An entry as it is stored; nothing of it is believed."""

    position: int
    execution: str
    n: int
    header: bytes
    leaf: bytes
    payload: bytes | None
    salt: bytes | None


class Source(Stored, Protocol):
    """What the verifier needs of a store."""

    def origin(self) -> str | None:
        """The log's identity, None while it has none."""
        ...

    def damage(self) -> Iterator[str]:
        """Say what is wrong with the container itself."""
        ...

    def raw_rows(self) -> Iterator[RawRow]:
        """Yield all rows in their stored order.

        Raises:
            JournalUnreadable: The container is broken from here on.
        """
        ...

    def raw_history(self, execution: str) -> Iterator[RawRow]:
        """Yield the rows of one execution."""
        ...

    def index_difference(self, rebuilt: ExecutionRow) -> str:
        """Say how the stored index row differs from a rebuilt one; empty when it does not."""
        ...

    def claim(self, scope: str, key: str) -> Claim | None:
        """The stored claim of a deduplication key."""
        ...

    def index_size(self) -> int:
        """How many executions the index has."""
        ...

    def index_ids(self) -> Iterator[str]:
        """Yield the executions of the index."""
        ...


class ReaderSource:
    """A source over any reader of a store."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @contextmanager
    def still(self) -> Generator[None]:
        """Read everything inside the block as it stood at one moment: entries and index never disagree by a race."""
        if isinstance(self._reader, SqliteReader):
            with self._reader.snapshot():
                yield
        else:
            yield

    def origin(self) -> str | None:
        tip = self._reader.tip()
        return tip.origin if tip else None

    def damage(self) -> Iterator[str]:
        yield from ()

    def raw_rows(self) -> Iterator[RawRow]:
        if isinstance(self._reader, SqliteReader):
            yield from self._reader.raw_rows()
        else:
            yield from map(_raw, self._reader.scan())

    def raw_history(self, execution: str) -> Iterator[RawRow]:
        if isinstance(self._reader, SqliteReader):
            yield from self._reader.raw_history(execution)
        else:
            yield from map(_raw, self._reader.entries(execution))

    def index_difference(self, rebuilt: ExecutionRow) -> str:
        return difference(self._reader.row(rebuilt.execution), rebuilt)

    def claim(self, scope: str, key: str) -> Claim | None:
        return self._reader.claim(scope, key)

    def delivery(self, delivery: str) -> DeliveryRow | None:
        return self._reader.delivery(delivery)

    def label_difference(self, rebuilt: ExecutionRow) -> str:
        query = Query(ids=(rebuilt.execution,), labels=rebuilt.labels, limit=0)
        return "" if self._reader.rows(query)[1] else "its labels do not lead to it"

    def minute_difference(self, minute: int, rebuilt: dict[MinuteKey, int]) -> str:
        found = self._reader.minutes(minute * MINUTE, minute * MINUTE)
        return unequal({one.state: one.count for one in found}, together(rebuilt))

    def marked(self, table: str, value: str, position: int) -> bool:
        ask = self._reader.acts if table == "actor_entry" else self._marked_type
        return [entry.header.pos for entry in ask(value, before=position + 1, limit=1)] == [position]

    def _marked_type(self, name: str, *, before: int, limit: int) -> list[Entry]:
        return self._reader.system((name,), before=before, limit=limit)

    def tallies(self) -> Tallies | None:
        return None

    def index_size(self) -> int:
        return self._reader.rows(Query(limit=0))[1]

    def index_ids(self) -> Iterator[str]:
        offset = 0
        while page := self._reader.rows(Query(limit=INDEX_PAGE, offset=offset))[0]:
            yield from (row.execution for row in page)
            offset += len(page)


class SqliteSource(SqliteReader):
    """A partition file, read in one transaction so that a running server does not move it meanwhile."""

    def __init__(self, path: Path) -> None:
        """Open the file and take a snapshot.

        Raises:
            JournalMissing: There is no such file.
            JournalUnreadable: It is no journal, or damaged beyond opening.
        """
        self._path = path
        with translated(path):
            super().__init__(path)
            self._all("BEGIN")

    def origin(self) -> str | None:
        with translated(self._path):
            found = self._one("SELECT value FROM meta WHERE key = 'origin'")
        return found[0] if found else None

    def damage(self) -> Iterator[str]:
        try:
            with translated(self._path):
                lines = self._all(f"PRAGMA integrity_check({DAMAGE_MAX})")
        except JournalUnreadable as error:
            yield str(error)
            return
        yield from (line for (line,) in lines if line != "ok")

    def raw_rows(self) -> Iterator[RawRow]:
        with translated(self._path):
            yield from super().raw_rows()

    def raw_history(self, execution: str) -> Iterator[RawRow]:
        with translated(self._path):
            yield from super().raw_history(execution)

    def index_difference(self, rebuilt: ExecutionRow) -> str:
        with translated(self._path):
            try:
                return difference(self.row(rebuilt.execution), rebuilt)
            except (msgspec.DecodeError, TypeError) as error:
                return f"the row cannot be read: {error}"

    def label_difference(self, rebuilt: ExecutionRow) -> str:
        with translated(self._path):
            for label in rebuilt.labels.items():
                if self._one(_LABEL, *label, rebuilt.execution) is None:
                    return f"it is not found by {label[0]}={label[1]}"
        return ""

    def minute_difference(self, minute: int, rebuilt: dict[MinuteKey, int]) -> str:
        with translated(self._path):
            found = self._all("SELECT * FROM execution_minute WHERE minute = ?", minute)
        expected = {(minute, "", "", state): count for state, count in together(rebuilt).items()} | rebuilt
        return unequal({tuple(key): count for *key, count in found}, expected)

    def marked(self, table: str, value: str, position: int) -> bool:
        column = "actor" if table == "actor_entry" else "type"
        query = f"SELECT 1 FROM {table} WHERE {column} = ? AND pos = ?"
        with translated(self._path):
            return self._one(query, value, position) is not None

    def tallies(self) -> Tallies | None:
        with translated(self._path):
            return Tallies(*self._all(_TALLIES)[0])

    def index_size(self) -> int:
        with translated(self._path):
            found = self._one("SELECT count(*) FROM execution")
        return found[0] if found else 0

    def index_ids(self) -> Iterator[str]:
        with translated(self._path):
            yield from (row[0] for row in self._each("SELECT execution FROM execution"))

    def _each(self, query: str, *values: Any) -> Iterator[Any]:
        connection: Any = self._connection
        yield from connection.execute(query, values)


def difference(stored: ExecutionRow | None, rebuilt: ExecutionRow) -> str:
    """Name the first field in which two index rows differ; empty when they are equal."""
    if stored is None:
        return NO_ROW
    for name in ExecutionRow.__struct_fields__:
        has, wants = getattr(stored, name), getattr(rebuilt, name)
        if has != wants:
            return f"`{name}` is {has!r}, the entries say {wants!r}"
    return ""


def together(counts: dict[MinuteKey, int]) -> dict[str, int]:
    """Counts of all flows together, by state."""
    found: dict[str, int] = {}
    for (_, _, _, state), count in counts.items():
        found[state] = found.get(state, 0) + count
    return found


def unequal(stored: Mapping[Any, int], rebuilt: Mapping[Any, int]) -> str:
    """Name the first count that differs; empty when they are equal."""
    for key in [*rebuilt, *stored]:
        has, wants = stored.get(key, 0), rebuilt.get(key, 0)
        if has != wants:
            return f"{key} is counted {has} times, the entries have {wants}"
    return ""


_LABEL: Final = """
SELECT 1 FROM execution CROSS JOIN execution_label AS label
ON label.key = ? AND label.value = ? AND label.started = execution.started AND label.id = execution.id
WHERE execution.execution = ?
"""
_TALLIES: Final = """
SELECT (SELECT count(*) FROM execution_label)
         - (SELECT count(*) FROM execution, json_each(execution.more, '$.labels')),
       (SELECT count(DISTINCT minute) FROM execution_minute),
       (SELECT count(*) FROM system_entry) + (SELECT count(*) FROM actor_entry),
       (SELECT value FROM counter WHERE name = 'events')
"""


@contextmanager
def translated(path: Path) -> Generator[None]:
    """Turn what SQLite says about a broken file into an error that says what to do."""
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        raise JournalUnreadable(
            str(path), f"{error}; work on a copy, restore a backup, or recover with `sqlite3 FILE .recover`"
        ) from error


def _raw(entry: Entry) -> RawRow:
    header = entry.header
    return header.pos, header.exec, header.n, entry.raw, entry.leaf, entry.payload, entry.salt
