"""What only the SQLite store promises: locks, guards, a readable view, one fsync per commit."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio

from hookledger.journal.entry import Chain
from hookledger.journal.errors import JournalLocked, JournalMissing, JournalUnreadable
from hookledger.journal.journal import open_journal
from hookledger.journal.sqlite import SqliteReader, SqliteStore, partition_file
from hookledger.journal.store import Batch, LogLine, StoreFailed

from .builders import EXECUTION, ORIGIN, append, golden, sql
from .test_store import entry


class CountedFile(apsw.VFSFile):
    """A file that counts how often it is flushed."""

    def __init__(self, counter: list[str], inherit: str, name: Any, flags: Any) -> None:
        super().__init__(inherit, name, flags)
        self._counter = counter
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._counter.append(Path(self._name).suffix)
        super().xSync(flags)


class CountedVfs(apsw.VFS):
    """The default file system, with counted flushes."""

    def __init__(self) -> None:
        self.synced: list[str] = []
        super().__init__("hookledger-counted", "")

    def xOpen(self, name: Any, flags: Any) -> CountedFile:  # noqa: N802
        return CountedFile(self.synced, "", name, flags)


@pytest.fixture
def counted() -> Iterator[CountedVfs]:
    vfs = CountedVfs()
    yield vfs
    vfs.unregister()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A closed data directory with one execution."""
    trio.run(_write, tmp_path)
    return tmp_path


def line(number: int = 0, **fields: Any) -> LogLine:
    """A log line of the execution."""
    defaults: dict[str, Any] = {
        "path": "log",
        "attempt": 1,
        "at": 1,
        "level": "INFO",
        "message": f"m{number}",
    }
    return LogLine(execution=EXECUTION, number=number, **{**defaults, **fields})


async def _write(directory: Path) -> None:
    store = SqliteStore(directory)
    async with open_journal(store) as journal:
        append(journal, EXECUTION, golden(), logs=(line(),))
    store.close()


async def test_one_commit_is_one_fsync(tmp_path: Path, counted: CountedVfs) -> None:
    """
    A commit of many entries flushes the disk once.
    """
    store = SqliteStore(tmp_path, vfs="hookledger-counted")
    try:
        store.create(ORIGIN)
        chain = Chain(execution="x")
        for first in (0, 1):  # what follows the very first commit begins the write-ahead log again, once
            await store.commit(Batch(entries=[entry(chain, first)]))
        for first in (2, 12, 22):
            counted.synced.clear()
            await store.commit(Batch(entries=[entry(chain, first + n) for n in range(10)]))
            assert counted.synced == [".sqlite3-wal"]
    finally:
        store.close()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """
    J001: one writer at a time; the error names the holder, and closing lets the next one in.
    """
    store = SqliteStore(tmp_path)
    with pytest.raises(JournalLocked, match=r"J001: .*process \d+"):
        SqliteStore(tmp_path)
    store.close()
    SqliteStore(tmp_path).close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entry",
        "UPDATE entry SET header = x'00'",
        "UPDATE entry SET payload = x'00'",
        "UPDATE entry SET n = 9",
        "UPDATE entry SET payload = NULL, salt = NULL",
        "DELETE FROM log",
        "UPDATE log SET message = 'x'",
    ],
)
def test_triggers_refuse_changes(written: Path, statement: str) -> None:
    """
    A slip in a SQLite shell changes nothing.
    """
    with pytest.raises(apsw.ConstraintError, match="are never"):
        sql(partition_file(written), statement)


def test_the_view_is_readable(written: Path) -> None:
    """
    The view `events` shows one row per event to any SQLite tool.
    """
    found = sql(
        partition_file(written),
        f"SELECT sequence, type FROM events WHERE execution = '{EXECUTION}' ORDER BY sequence",
    )
    assert found[0] == (0, "TriggerReceived")
    assert found[-1] == (5, "OutputsResolved")


def test_a_read_only_copy_is_readable(written: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    A copy in a directory where nothing can be written has everything in it.
    """
    directory = tmp_path_factory.mktemp("copy")
    copy = Path(shutil.copy(partition_file(written), directory))
    copy.chmod(0o400)
    directory.chmod(0o500)
    try:
        reader = SqliteReader(copy)
        assert len(list(reader.scan())) == 4  # opened, epoch, execution, closed
        reader.close()
    finally:
        directory.chmod(0o700)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """
    J006: neither garbage nor somebody else's database is taken for a journal; J004: nothing there.
    """
    with pytest.raises(JournalMissing):
        SqliteReader(partition_file(tmp_path))
    sql(tmp_path / "other.sqlite3", "PRAGMA user_version=77; CREATE TABLE t (a)")
    with pytest.raises(JournalUnreadable, match="schema version 77"):
        SqliteReader(tmp_path / "other.sqlite3")
    partition_file(tmp_path).write_bytes(b"garbage " * 1000)
    with pytest.raises(JournalUnreadable):
        SqliteStore(tmp_path)
    with pytest.raises(JournalUnreadable):
        SqliteReader(partition_file(tmp_path))


async def test_a_failed_commit_leaves_nothing(tmp_path: Path) -> None:
    """
    A batch is all or nothing: a second entry at a taken position undoes the first.
    """
    store = SqliteStore(tmp_path)
    store.create(ORIGIN)
    with pytest.raises(StoreFailed, match=r"partition-0\.sqlite3: UNIQUE constraint failed"):
        await store.commit(
            Batch(entries=[entry(Chain(execution="one"), 0), entry(Chain(execution="two"), 0)])
        )
    assert await store.ask(lambda reader: list(reader.scan())) == []
    store.close()
