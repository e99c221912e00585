"""Notices that somebody exchanged the files of an open partition: what is committed then would be nowhere.

Looked at around each commit, with a handful of `stat` calls. Another program that writes into the same file is no
exchange: then, and only then, the last entry and the schema are looked at again.
"""

import logging
import os
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from hookledger.journal.errors import JournalError
from hookledger.journal.sqlite.files import beside, open_reader
from hookledger.journal.sqlite.integrity import schema_differences
from hookledger.journal.store import StoreFailed

logger = logging.getLogger("hookledger.journal")

HEADER_BYTES: Final = 100
ADVICE: Final = "put the right files back, or a backup that verifies"


class Stamp(NamedTuple):
    """What tells that nobody but the writer has touched the files."""

    database: tuple[int, int]
    """Size and time of the last change."""
    wal: tuple[int, int]
    header: bytes
    """The first bytes of the database."""


class Watch:
    """The files of one open partition."""

    def __init__(self, path: Path, lock: Path, connection: apsw.Connection) -> None:
        """Remember which files they are; the connection has read from all of them."""
        self._path = path
        self._files = {file: _identity(file) for file in (*beside(path), lock)}
        self._connection = connection
        self._stamp = self._stamped()
        self.last: bytes = _last_leaf(connection)
        """Leaf of the newest entry that was committed."""

    def before(self) -> None:
        """Look before a commit.

        Raises:
            StoreFailed: The files are others, or no longer this journal.
        """
        self._same_files()
        if self._stamped() != self._stamp:
            self._examine()

    def after(self, last: bytes | None) -> None:
        """Look after a commit, before anybody is told; `last` is the leaf of its last entry.

        Raises:
            StoreFailed: The files are others.
        """
        self._same_files()
        self.last = last or self.last
        self._stamp = self._stamped()

    def has_database(self) -> bool:
        """True while the database is the one that was opened, whatever became of the files beside it."""
        return _identity(self._path) == self._files[self._path]

    def _same_files(self) -> None:
        for file, identity in self._files.items():
            if _identity(file) != identity:
                fate = "replaced by another file" if file.exists() else "deleted or moved away"
                raise StoreFailed(f"{file} was {fate} while the server ran", ADVICE)

    def _stamped(self) -> Stamp:
        database, wal = (os.stat(file) for file in beside(self._path)[:2])
        _, header = self._connection.read("main", 0, 0, HEADER_BYTES)
        return Stamp((database.st_size, database.st_mtime_ns), (wal.st_size, wal.st_mtime_ns), bytes(header))

    def _examine(self) -> None:
        """Somebody else wrote: is it still this journal, to its last entry, as this program made it?"""
        try:
            connection = open_reader(self._path)
            try:
                wrong = _last_leaf(connection) != self.last or any(schema_differences(connection))
                damaged = wrong or any(
                    line != "ok" for (line,) in connection.execute("PRAGMA quick_check(1)")
                )
            finally:
                connection.close()
        except (apsw.Error, JournalError) as error:
            raise StoreFailed(f"{self._path} was changed by another program: {error}", ADVICE) from error
        if damaged:
            raise StoreFailed(
                f"{self._path} was changed by another program and is no longer the journal that was written",
                ADVICE,
            )
        logger.warning(
            "another program wrote to %s; the journal goes on, `hookledger journal verify` says what changed",
            self._path,
        )


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _last_leaf(connection: apsw.Connection) -> bytes:
    rows = list(connection.execute("SELECT leaf FROM entry ORDER BY pos DESC LIMIT 1"))
    return rows[0][0] if rows else b""
