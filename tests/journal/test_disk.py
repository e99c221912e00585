"""Disks, locks and files under a running journal: what is waited out, what stops it, and what is said."""

import logging
import os
import shutil
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio
import trio.testing

from hookledger.journal.entry import Chain
from hookledger.journal.errors import JournalLocked, JournalPoisoned, JournalUnreadable, JournalUnwritable
from hookledger.journal.journal import Journal, open_journal
from hookledger.journal.sqlite import SqliteReader, SqliteStore, partition_file
from hookledger.journal.sqlite.files import READER_SETTINGS, WRITER_SETTINGS, configure, setting

from .builders import EXECUTION, OTHER, append, golden, received, sql


@asynccontextmanager
async def running(directory: Path) -> AsyncGenerator[Journal]:
    """A journal on disk with one execution in it, which is not yet anywhere but in the write-ahead log."""
    store = SqliteStore(directory)
    try:
        async with open_journal(store) as journal:
            await trio.testing.wait_all_tasks_blocked()
            await append(journal, EXECUTION, golden()).durable()
            yield journal
    finally:
        store.close()


async def commit_fails(directory: Path, breaks: Callable[[Path], None]) -> None:
    """Break something beside a running journal; the next commit must not be acknowledged."""
    with pytest.RaisesGroup(JournalPoisoned, flatten_subgroups=True, allow_unwrapped=True):
        async with running(directory) as journal:
            breaks(partition_file(directory))
            with pytest.raises(JournalPoisoned):
                await append(journal, OTHER, (received(),)).durable()


# --- settings ---------------------------------------------------------------------------------------------


def test_every_setting_holds_on_the_connection_that_commits(tmp_path: Path) -> None:
    """
    The connection that commits flushes each commit (`synchronous=FULL`) to a write-ahead log; each setting is as meant.
    """
    store = SqliteStore(tmp_path)
    try:
        assert store.settings() == dict(WRITER_SETTINGS)
        assert (store.settings()["journal_mode"], store.settings()["synchronous"]) == ("wal", 2)
    finally:
        store.close()


def test_every_setting_holds_on_a_reader(tmp_path: Path) -> None:
    """
    A reader cannot write, and trusts nothing that the schema says.
    """
    SqliteStore(tmp_path).close()
    reader = SqliteReader(partition_file(tmp_path))
    try:
        assert {name: setting(reader._connection, name) for name in READER_SETTINGS} == dict(READER_SETTINGS)
        with pytest.raises(apsw.ReadOnlyError):
            reader._connection.execute("DELETE FROM counter")
    finally:
        reader.close()


def test_a_setting_that_sqlite_does_not_take_is_an_error(tmp_path: Path) -> None:
    """
    J007: in memory there is no write-ahead log; SQLite says nothing, so the value is read back.
    """
    connection = apsw.Connection(":memory:")
    with pytest.raises(JournalUnwritable, match="keeps journal_mode=memory where wal is needed"):
        configure(connection, tmp_path, WRITER_SETTINGS)
    connection.close()


# --- threads ----------------------------------------------------------------------------------------------


async def test_commits_need_no_thread_of_the_default_ones(tmp_path: Path) -> None:
    """
    With 60 calls waiting in trio's default threads an append still becomes durable, and is read.
    """
    release = threading.Event()

    def wait() -> None:
        release.wait()

    async with running(tmp_path) as journal, trio.open_nursery() as nursery:
        for _ in range(60):
            nursery.start_soon(trio.to_thread.run_sync, wait)
        with trio.fail_after(20):
            await trio.testing.wait_all_tasks_blocked()
            await append(journal, OTHER, (received(),)).durable()
            assert len(await journal.read(OTHER)) == 1
        release.set()


# --- locks ------------------------------------------------------------------------------------------------


async def test_a_lock_of_another_program_is_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    SQLITE_BUSY poisons nothing: the journal says who holds it up, and commits once the lock is gone.
    """
    monkeypatch.setitem(WRITER_SETTINGS, "busy_timeout", 1)
    async with running(tmp_path) as journal:
        other = apsw.Connection(str(partition_file(tmp_path)))
        other.execute("BEGIN IMMEDIATE")
        ticket = append(journal, OTHER, (received(),))
        with trio.fail_after(10):
            while "is locked by another program" not in caplog.text:  # noqa: ASYNC110
                await trio.sleep(0.001)
            assert journal.poison == ""
            other.execute("ROLLBACK")
            await ticket.durable()
        other.close()


def test_a_lock_at_the_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    J001: a program that holds SQLite's lock while a journal is opened is named as what it is.
    """
    SqliteStore(tmp_path).close()
    monkeypatch.setattr("hookledger.journal.sqlite.files.BUSY_MS_MAX", 1)
    other = apsw.Connection(str(partition_file(tmp_path)))
    other.pragma("locking_mode", "EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalLocked, match="holds SQLite's lock"):
        SqliteStore(tmp_path)
    other.close()


# --- poison -----------------------------------------------------------------------------------------------


async def test_poison_is_one_line_that_names_file_error_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The log has one line with the code, the file, what SQLite said and what to do; callers get the same.
    """

    def full(_connection: Any, _batch: Any) -> None:
        raise apsw.FullError("database or disk is full")

    def fill(_path: Path) -> None:
        monkeypatch.setattr("hookledger.journal.sqlite.store.write", full)

    await commit_fails(tmp_path, fill)
    (record,) = [found for found in caplog.records if found.levelno == logging.CRITICAL]
    said = record.getMessage()
    assert said.startswith("J003: ")
    assert "\n" not in said
    for part in (str(partition_file(tmp_path)), "database or disk is full", "free space"):
        assert part in said


async def test_callers_are_told_before_the_block_ends(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """
    With time to linger, whoever waited and whoever comes later learns of the poison before the block is cancelled.
    """
    del autojump_clock
    store, told = SqliteStore(tmp_path), list[str]()
    with pytest.RaisesGroup(JournalPoisoned, flatten_subgroups=True, allow_unwrapped=True):
        async with open_journal(store, linger=60) as journal:
            await append(journal, EXECUTION, golden()).durable()
            _wal(partition_file(tmp_path)).unlink()
            with pytest.raises(JournalPoisoned):
                await append(journal, OTHER, (received(),)).durable()
            told.append("waited")
            await trio.sleep(59)
            with pytest.raises(JournalPoisoned):
                append(journal, OTHER, (received(),))
            told.append("later")
            await trio.sleep_forever()
    store.close()
    assert told == ["waited", "later"]


# --- files that are exchanged -----------------------------------------------------------------------------


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _replaced(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def _deleted(path: Path) -> None:
    path.unlink()


def _wal_deleted(path: Path) -> None:
    _wal(path).unlink()


def _wal_emptied(path: Path) -> None:
    os.truncate(_wal(path), 0)


def _shm_deleted(path: Path) -> None:
    path.with_name(f"{path.name}-shm").unlink()


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _overwritten(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


def _moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def _unlocked(path: Path) -> None:
    path.with_suffix(".lock").unlink()


def _swallowing(path: Path) -> None:
    sql(path, "CREATE TRIGGER gone BEFORE INSERT ON entry BEGIN SELECT raise(IGNORE); END")


@pytest.mark.parametrize(
    "breaks",
    [
        _replaced,
        _deleted,
        _wal_deleted,
        _wal_emptied,
        _shm_deleted,
        _emptied,
        _cut,
        _overwritten,
        _moved,
        _unlocked,
        _swallowing,
    ],
)
async def test_an_exchange_of_files_is_noticed(
    tmp_path: Path, breaks: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """
    Files replaced, deleted, cut or moved under a running journal: the next commit is not acknowledged, and the log
    says in one line which file it was.
    """
    directory = tmp_path / "data"
    await commit_fails(directory, breaks)
    (record,) = [found for found in caplog.records if found.levelno == logging.CRITICAL]
    assert str(partition_file(directory).with_suffix("")) in record.getMessage()


async def test_a_deleted_wal_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """
    The write-ahead log is gone by name only: what was in it is in the database when the server has ended.
    """
    await commit_fails(tmp_path, _wal_deleted)
    reader = SqliteReader(partition_file(tmp_path))
    try:
        assert [type(event) for event in reader.entries(EXECUTION)[0].events()] == [type(e) for e in golden()]
    finally:
        reader.close()


async def test_another_program_that_writes_or_checkpoints_is_told_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A backup tool's checkpoint or an operator's `ANALYZE` is no exchange: a warning, and the journal goes on.
    """
    async with running(tmp_path) as journal:
        sql(partition_file(tmp_path), "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)")
        await append(journal, OTHER, (received(),)).durable()
        warnings = [found for found in caplog.records if "another program wrote" in found.getMessage()]
        assert len(warnings) == 1
        await append(journal, f"{OTHER[:-1]}3", (received(),)).durable()
    assert len([found for found in caplog.records if "another program wrote" in found.getMessage()]) == 1


async def test_readers_of_the_command_line_disturb_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A reader opened, used and closed beside a running journal leaves the writer's files as they are.
    """
    async with running(tmp_path) as journal:
        for number in range(3):
            reader = SqliteReader(partition_file(tmp_path))
            assert len(reader.entries(EXECUTION)) == 1
            reader.close()
            await append(journal, f"{OTHER[:-1]}{number + 3}", (received(),)).durable()
    assert caplog.records == []


# --- opening ----------------------------------------------------------------------------------------------


def test_only_the_servers_user_may_read(tmp_path: Path) -> None:
    """
    The data directory is 0700, the database and the files beside it are 0600, under a lax umask too.
    """
    before = os.umask(0o022)
    try:
        store = SqliteStore(tmp_path / "data")
        store.create("hookledger/test")
        files = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert sorted(files) == [
        f"partition-0{end}" for end in (".lock", ".sqlite3", ".sqlite3-shm", ".sqlite3-wal")
    ]
    assert set(files.values()) == {0o600}


def test_files_of_an_earlier_start_become_private(tmp_path: Path) -> None:
    """
    A database that others may read is closed to them when it is opened.
    """
    SqliteStore(tmp_path).close()
    partition_file(tmp_path).chmod(0o644)
    SqliteStore(tmp_path).close()
    assert partition_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_path_that_cannot_be_a_data_directory_is_said(tmp_path: Path) -> None:
    """
    J007: a file where the directory belongs is named, with what to do.
    """
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalUnwritable, match=r"J007: .*/file cannot be written: .*exists"):
        SqliteStore(tmp_path / "file")


def test_a_planted_trigger_stops_the_start_and_reindex_removes_it(tmp_path: Path) -> None:
    """
    J006: a trigger that could swallow what is committed is refused, until `reindex` has made the schema anew.
    """
    SqliteStore(tmp_path).close()
    _swallowing(partition_file(tmp_path))
    with pytest.raises(JournalUnreadable, match="the trigger `gone` is none of this program's"):
        SqliteStore(tmp_path)
    store = SqliteStore(tmp_path, mend=True)
    store.reindex()
    store.close()
    SqliteStore(tmp_path).close()


def test_an_upgrade_says_how_far_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    A file of an earlier version is brought up to date with a word about what happens, and with its progress.
    """
    SqliteStore(tmp_path).close()
    sql(partition_file(tmp_path), "PRAGMA user_version = 3")
    told = list[tuple[int, int]]()
    SqliteStore(tmp_path, progress=lambda done, total: told.append((done, total))).close()
    assert told == [(0, 0)]
    assert "is of an earlier version; its lists are computed anew, once" in caplog.text


async def test_a_copy_without_its_wal_is_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The database file alone, copied from a running server, was not closed and has no write-ahead log: the log says so.
    """
    copy = tmp_path / "copy"
    copy.mkdir()
    async with running(tmp_path / "data"):
        shutil.copy(partition_file(tmp_path / "data"), partition_file(copy))
    SqliteStore(tmp_path / "data").close()
    assert "write-ahead log" not in caplog.text
    SqliteStore(copy).close()
    assert "has no write-ahead log beside it" in caplog.text


async def test_after_a_crash_nothing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    A crash leaves the write-ahead log, so there is nothing to warn of, also when it is opened twice.
    """
    store = SqliteStore(tmp_path)
    store.create("hookledger/test")
    await store.commit(_batch())
    store.close()
    for _ in range(2):
        SqliteStore(tmp_path).close()
    assert caplog.records == []


def _batch() -> Any:
    from hookledger.journal.store import Batch

    from .test_store import entry

    return Batch(entries=[entry(Chain(execution="system"), 0)])
