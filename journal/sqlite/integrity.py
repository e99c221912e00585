"""What can be told of a file by itself: is its schema ours, was it closed, is its write-ahead log with it?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import apsw
import msgspec

from hookledger.journal.entry import SYSTEM, Header, decode_header
from hookledger.journal.events import JournalClosed
from hookledger.journal.sqlite.files import wal_of
from hookledger.journal.sqlite.schema import LOG, PROJECTIONS

WITHOUT_WAL: Final = (
    "was not closed in good order and has no write-ahead log beside it: if it is a copy, the newest commits may be "
    'missing; copy the `-wal` file along, or copy with `sqlite3 FILE ".backup COPY"`'
)
_SQLITES_OWN: Final = frozenset({"sqlite_stat1", "sqlite_stat4"})
"""What `ANALYZE` makes; nothing reads it."""
_SCHEMA: Final = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
_NEWEST: Final = "SELECT header FROM entry WHERE exec = ? ORDER BY n DESC LIMIT 1"


class Difference(NamedTuple):
    """A table, index, trigger or view that is not as this program makes it."""

    text: str
    dangerous: bool
    """It can change what a commit writes."""


def schema_differences(connection: apsw.Connection) -> Iterator[Difference]:
    """Compare with the schema this program makes: nothing more, nothing less, nothing else."""
    stored, made = _schema(connection), _made()
    for (kind, name), definition in made.items():
        if (kind, name) not in stored:
            yield Difference(f"the {kind} `{name}` is missing", kind == "table")
        elif stored[kind, name] != definition:
            yield Difference(f"the {kind} `{name}` was changed", kind in ("table", "trigger"))
    for kind, name in stored.keys() - made.keys():
        yield Difference(f"the {kind} `{name}` is none of this program's", kind == "trigger")


def has_wal(path: Path) -> bool:
    """True when there is a write-ahead log with something in it, as beside every journal that is open or crashed."""
    wal = wal_of(path)
    return wal.exists() and wal.stat().st_size > 0


def well_ended(connection: apsw.Connection) -> bool:
    """True when the newest entry of the system stream closes the journal, and for one that is empty."""
    try:
        rows = list(connection.execute(_NEWEST, (SYSTEM,)))
        return not rows or closes(decode_header(rows[0][0]))
    except msgspec.DecodeError:
        return True  # that entry is a finding by itself


def closes(header: Header) -> bool:
    """True for the entry with which a writer leaves in good order."""
    return header.exec == SYSTEM and header.types[-1:] == (JournalClosed.__name__,)


def _schema(connection: apsw.Connection) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (kind, name): (table, sql)
        for kind, name, table, sql in connection.execute(_SCHEMA)
        if name not in _SQLITES_OWN
    }


def _made() -> dict[tuple[str, str], tuple[str, str]]:
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(LOG + PROJECTIONS)
        return _schema(connection)
    finally:
        connection.close()
