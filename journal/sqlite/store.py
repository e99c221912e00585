"""The writer's side of a partition file."""

import logging
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import apsw
import trio

from hookledger.journal.errors import JournalUnreadable, JournalUnwritable
from hookledger.journal.sqlite.files import (
    DIRECTORY_MODE,
    WRITER_SETTINGS,
    open_writer,
    partition_file,
    readable,
    setting,
    take_lock,
)
from hookledger.journal.sqlite.integrity import WITHOUT_WAL, closes, has_wal, schema_differences, well_ended
from hookledger.journal.sqlite.reader import SqliteReader
from hookledger.journal.sqlite.rebuild import rebuild
from hookledger.journal.sqlite.watch import Watch
from hookledger.journal.sqlite.writing import write
from hookledger.journal.store import Batch, Reader, StoreBusy, StoreFailed

T = TypeVar("T")

logger = logging.getLogger("hookledger.journal")

READERS_MAX: Final = 4
SPOKEN_SECONDS: Final = 2.0
"""How long a rebuild is silent."""


class SqliteStore:
    """One partition file, open for writing; holds the directory's lock while open.

    The writer and the readers have limits of their own on threads: whatever else waits in trio's default ones, a
    commit gets its thread.
    """

    def __init__(
        self,
        directory: Path,
        *,
        partition: int = 0,
        vfs: str | None = None,
        progress: Callable[[int, int], None] | None = None,
        mend: bool = False,
    ) -> None:
        """Open or create the partition; the projections of an earlier version are computed anew first.

        Args:
            progress: Called with how many entries of how many an upgrade or `reindex` has read.
            mend: Open it for `reindex`, whatever somebody changed around the log.

        Raises:
            JournalLocked: Another process has it open for writing.
            JournalUnreadable: The file is no journal, or one of a later version.
            JournalUnwritable: The directory cannot be written as a journal must be.
        """
        self._path = partition_file(directory, partition)
        self._progress = progress or Spoken(self._path)
        self._orderly = True
        lock = self._path.with_suffix(".lock")
        with _writable(directory):
            directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            self._lock = take_lock(lock)
            try:
                self._writer = self._opened(vfs, mend)
                self._watch = Watch(self._path, lock, self._writer)
            except BaseException:
                os.close(self._lock)
                raise
        self._fresh = True
        self._writing = trio.CapacityLimiter(1)
        self._reading = trio.CapacityLimiter(READERS_MAX)
        self._readers: list[SqliteReader] = []

    def create(self, origin: str) -> None:
        self._writer.execute("INSERT INTO meta VALUES ('origin', ?)", (origin,))
        self._watch.after(None)

    def reindex(self) -> int:
        """Compute all projections anew from the entries, all or nothing; returns how many entries there are.

        Raises:
            JournalUnreadable: An entry cannot be read.
        """
        with readable(self._path):
            count = rebuild(self._writer, self._path, self._progress)
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._watch.after(None)
        return count

    def settings(self) -> dict[str, int | str | None]:
        """The settings of the connection that commits, as SQLite tells them."""
        return {name: setting(self._writer, name) for name in WRITER_SETTINGS}

    async def commit(self, batch: Batch) -> None:
        """Write a batch in a thread that nothing else can take.

        Raises:
            StoreBusy: Another program holds SQLite's lock; nothing was written.
            StoreFailed: Nobody knows what reached the disk.
        """
        await trio.to_thread.run_sync(self._commit, batch, limiter=self._writing)

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """Ask a pooled reader from a worker thread."""

        def answer() -> T:
            reader = self._readers.pop() if self._readers else SqliteReader(self._path)
            try:
                return question(reader)
            finally:
                self._readers.append(reader)

        return await trio.to_thread.run_sync(answer, limiter=self._reading)

    def reader(self) -> Reader:
        return SqliteReader(self._path)

    def close(self) -> None:
        """Let go of everything. Without a good end the write-ahead log stays, as after a crash: it tells of it."""
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        if not self._orderly:
            self._writer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._writer.close()
        os.close(self._lock)

    def _opened(self, vfs: str | None, mend: bool) -> apsw.Connection:
        complete = has_wal(self._path) or not self._path.exists()
        connection, outdated = open_writer(self._path, vfs)
        try:
            with readable(self._path):
                if outdated:
                    logger.warning(
                        "%s is of an earlier version; its lists are computed anew, once", self._path
                    )
                    rebuild(connection, self._path, self._progress)
                elif not mend:
                    _check_schema(connection, self._path)
                self._orderly = well_ended(connection)
                if not complete and not self._orderly:
                    logger.warning("%s %s", self._path, WITHOUT_WAL)
        except BaseException:
            connection.close()
            raise
        return connection

    def _commit(self, batch: Batch) -> None:
        with _translated(self._path, self._rescue):
            self._watch.before()
            self._write(batch)
            if self._fresh:
                # From here on the file alone, without its write-ahead log, says that it was not closed.
                self._fresh = False
                self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._watch.after(batch.entries[-1].leaf if batch.entries else None)
            self._orderly = bool(batch.entries) and closes(batch.entries[-1].header)

    def _write(self, batch: Batch) -> None:
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            write(connection, batch)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _rescue(self) -> None:
        """The write-ahead log may be gone by name only: what is in it moves to the database, if that is still ours."""
        if self._watch.has_database():
            with suppress(apsw.Error):
                self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)


class Spoken:
    """Says in the log how far a rebuild is, now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._last > SPOKEN_SECONDS:
            self._last = time.monotonic()
            logger.warning("%s: %d of %d entries read", self._path, done, total)


def _check_schema(connection: apsw.Connection, path: Path) -> None:
    """Say what somebody changed around the log; what could change what is written is refused."""
    for difference in schema_differences(connection):
        if difference.dangerous:
            raise JournalUnreadable(
                str(path), f"{difference.text}; `hookledger journal reindex --data DIR` takes it away"
            )
        logger.warning("%s: %s; `hookledger journal reindex --data DIR` makes it anew", path, difference.text)


_ADVICE: Final[dict[type[apsw.Error], str]] = {
    apsw.FullError: "free space on the disk",
    apsw.IOError: "look at the disk (`df -h`, `dmesg`) and repair it",
    apsw.CorruptError: "run `hookledger journal verify` on a copy and restore a backup that verifies",
    apsw.NotADBError: "run `hookledger journal verify` on a copy and restore a backup that verifies",
    apsw.ReadOnlyError: "give the server's user write access to the data directory",
    apsw.CantOpenError: "give the server's user write access to the data directory",
    apsw.ConstraintError: "report this with the output of `hookledger journal verify`",
}
_BUSY: Final = (apsw.BusyError, apsw.LockedError, apsw.ProtocolError)


@contextmanager
def _translated(path: Path, rescue: Callable[[], None]) -> Generator[None]:
    """Say whether a commit may be tried again, and otherwise which file failed with which error."""
    try:
        yield
    except _BUSY as error:
        raise StoreBusy(f"{path} is locked by another program ({error})") from error
    except apsw.Error as error:
        name = apsw.mapping_extended_result_codes.get(getattr(error, "extendedresult", 0), "")
        text = f"{path}: {error}" + (f" ({name})" if isinstance(name, str) and name else "")
        raise StoreFailed(text, _ADVICE.get(type(error), "repair it")) from error
    except OSError as error:
        raise StoreFailed(f"{path}: {error}", "repair it") from error
    except StoreFailed:
        rescue()
        raise


@contextmanager
def _writable(directory: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise JournalUnwritable(str(directory), error.strerror or str(error)) from error
