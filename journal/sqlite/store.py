"""The writer's side of a partition file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import apsw
import trio

from hookledger.journal.sqlite.files import open_writer, partition_file, readable, take_lock
from hookledger.journal.sqlite.reader import SqliteReader
from hookledger.journal.sqlite.rebuild import rebuild
from hookledger.journal.sqlite.writing import write
from hookledger.journal.store import Batch, Reader

T = TypeVar("T")

READERS_MAX: Final = 4


class SqliteStore:
    """One partition file, open for writing; holds the directory's lock while open."""

    def __init__(self, directory: Path, *, partition: int = 0, vfs: str | None = None) -> None:
        """Open or create the partition; the projections of an earlier version are computed anew first.

        Raises:
            JournalLocked: Another process has it open for writing.
            JournalUnreadable: The file is no journal, or one of a later version.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._path = partition_file(directory, partition)
        self._lock = take_lock(self._path.with_suffix(".lock"))
        try:
            self._writer = self._opened(vfs)
        except BaseException:
            os.close(self._lock)
            raise
        self._limiter = trio.CapacityLimiter(READERS_MAX)
        self._readers: list[SqliteReader] = []

    def create(self, origin: str) -> None:
        self._writer.execute("INSERT INTO meta VALUES ('origin', ?)", (origin,))

    def reindex(self) -> int:
        """Compute all projections anew from the entries, all or nothing; returns how many entries there are.

        Raises:
            JournalUnreadable: An entry cannot be read.
        """
        with readable(self._path):
            return rebuild(self._writer, self._path)

    def _opened(self, vfs: str | None) -> apsw.Connection:
        connection, outdated = open_writer(self._path, vfs)
        try:
            if outdated:
                with readable(self._path):
                    rebuild(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return connection

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
            write(connection, batch)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
