"""Where the verifier reads from: rows as they are stored, and the index they are compared with.

`SqliteSource` reads one snapshot of a partition file, with or without a running server.
"""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import apsw
import msgspec

from hookledger.journal.deliveries import Claim, DeliveryRow
from hookledger.journal.errors import JournalUnreadable
from hookledger.journal.figures import MinuteKey
from hookledger.journal.index import ExecutionRow
from hookledger.journal.sqlite import SqliteReader
from hookledger.journal.sqlite.integrity import WITHOUT_WAL, has_wal, schema_differences, well_ended
from hookledger.journal.sqlite.reader import CLAIMS, claim_of
from hookledger.journal.store import LogLine
from hookledger.journal.verify.differences import difference, together, unequal
from hookledger.journal.verify.kept import Kept
from hookledger.journal.verify.projections import Stored, Tallies

RawRow: TypeAlias = tuple[int, str, int, bytes, bytes, bytes | None, bytes | None]

DAMAGE_MAX: Final = 20


class Row(NamedTuple):
    """An entry as it is stored; nothing of it is believed."""

    position: int
    execution: str
    n: int
    header: bytes
    leaf: bytes
    payload: bytes | None
    salt: bytes | None

    @classmethod
    def of(cls, raw: Sequence[Any]) -> "Row":
        """A row in which every column has its type: a damaged page may hold anything, which other rules then find."""
        position, execution, n, header, leaf, payload, salt = raw
        return cls(
            position if isinstance(position, int) else -1,
            execution if isinstance(execution, str) else str(execution),
            n if isinstance(n, int) else 0,
            header if isinstance(header, bytes) else b"",
            leaf if isinstance(leaf, bytes) else b"",
            payload,
            salt,
        )


class Source(Stored, Kept, Protocol):
    """What the verifier needs of a store."""

    def origin(self) -> str | None:
        """The log's identity, None while it has none."""
        ...

    def damage(self) -> Iterator[str]:
        """Say what is wrong with the container itself."""
        ...

    def schema(self) -> Iterator[str]:
        """Say what of the container's tables, triggers and views is not as this program makes it."""
        ...

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Rule and words of what may be missing from what is looked at."""
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

    def index_size(self) -> int:
        """How many executions the index has."""
        ...

    def index_ids(self) -> Iterator[str]:
        """Yield the executions of the index."""
        ...


class SqliteSource(SqliteReader):
    """A partition file, read in one transaction so that a running server does not move it meanwhile."""

    def __init__(self, path: Path, *, files: bool = True) -> None:
        """Open the file and take a snapshot.

        Args:
            files: What deliveries stored is beside it; False for a copy of the database alone.

        Raises:
            JournalMissing: There is no such file.
            JournalUnreadable: It is no journal, or damaged beyond opening.
        """
        self._path = path
        self._files = path.parent / "files" if files else None
        self._unseen = 0
        self._with_wal = has_wal(path)
        with translated(path):
            super().__init__(path)
            self._all("BEGIN")

    def count(self) -> int:
        """How many entries there are, about: the newest position and one."""
        with translated(self._path):
            return int(self._all("SELECT coalesce(max(pos), -1) + 1 FROM entry")[0][0])

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

    def schema(self) -> Iterator[str]:
        with translated(self._path):
            yield from (difference.text for difference in schema_differences(self._connection))
            for table, key in (("meta", "key = 'origin'"), ("counter", "name = 'events'")):
                ((strange,),) = self._all(f"SELECT count(*) FROM {table} WHERE NOT ({key})")
                if strange:
                    yield f"the table `{table}` has {strange} rows that are none of this program's"

    def warnings(self) -> Iterator[tuple[str, str]]:
        with translated(self._path):
            if not self._with_wal and not well_ended(self._connection):
                yield "W01", f"{self._path.name} {WITHOUT_WAL}"
        if self._unseen:
            yield (
                "W02",
                f"{self._unseen} stored bodies and files are not beside this copy and were not looked at",
            )

    def lines(self, execution: str, after: int, limit: int) -> list[tuple[int, LogLine]]:
        with translated(self._path):
            return super().lines(execution, after, limit)

    def line_count(self, execution: str) -> int:
        with translated(self._path):
            count: int = self._all("SELECT count(*) FROM log WHERE execution = ?", execution)[0][0]
        return count

    def stray_lines(self) -> Iterator[str]:
        with translated(self._path):
            yield from (row[0] for row in self._each(_STRAY_LINES))

    def file_difference(self, uri: str, sha256: str) -> str | None:
        if self._files is None:
            self._unseen += 1
            return None
        path = (self._files / uri.removeprefix("kestra:///")).resolve()
        if not path.is_relative_to(self._files.resolve()):
            return "lies outside of the data directory"
        try:
            with path.open("rb") as file:
                return (
                    "" if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else "has other content"
                )
        except OSError as error:
            return f"cannot be read: {error.strerror}"

    def claims(self) -> Iterator[Claim]:
        with translated(self._path):
            for row in self._each(CLAIMS):
                yield claim_of(row)

    def delivery_count(self) -> int:
        with translated(self._path):
            count: int = self._all("SELECT count(*) FROM delivery")[0][0]
        return count

    def delivery(self, delivery: str) -> DeliveryRow | None:
        with translated(self._path), suppress(msgspec.DecodeError):  # then it is not the one that is told
            return super().delivery(delivery)
        return None

    def claim(self, scope: str, key: str) -> Claim | None:
        with translated(self._path), suppress(msgspec.DecodeError):
            return super().claim(scope, key)
        return None

    def raw_rows(self) -> Iterator[RawRow]:
        with translated(self._path):
            yield from super().raw_rows()

    def raw_history(self, execution: str) -> Iterator[RawRow]:
        with translated(self._path):
            yield from super().raw_history(execution)

    def index_difference(self, rebuilt: ExecutionRow) -> str:
        with translated(self._path):
            try:
                wrong = difference(self.row(rebuilt.execution), rebuilt)
                return wrong or self._misplaced(rebuilt.execution)
            except msgspec.DecodeError as error:
                return f"the row cannot be read: {error}"

    def _misplaced(self, execution: str) -> str:
        """A row's number is the position of its first entry: lists and labels go by it."""
        found = self._one(_MISPLACED, execution)
        return f"its number is {found[0]}, its first entry is at {found[1]}" if found else ""

    def label_difference(self, rebuilt: ExecutionRow) -> str:
        with translated(self._path):
            for label in rebuilt.labels.items():
                if self._one(_LABEL, *label, rebuilt.execution) is None:
                    return f"it is not found by {label[0]}={label[1]}"
        return ""

    def minute_difference(self, minute: int, rebuilt: dict[MinuteKey, int]) -> str:
        with translated(self._path):
            found = self._all(_MINUTE, minute)
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


_MINUTE: Final = "SELECT minute, namespace, flow, state, count FROM execution_minute WHERE minute = ?"
_STRAY_LINES: Final = """
SELECT DISTINCT execution FROM log WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.exec = log.execution)
"""
_MISPLACED: Final = """
SELECT execution.id, entry.pos FROM execution JOIN entry ON entry.exec = execution.execution AND entry.n = 0
WHERE execution.execution = ? AND execution.id <> entry.pos
"""
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
    except (apsw.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalUnreadable(
            str(path), f"{error}; work on a copy, restore a backup, or recover with `sqlite3 FILE .recover`"
        ) from error
