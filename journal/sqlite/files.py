"""Opening a partition file: the writer's lock, the connections, and what is refused."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from hookledger.journal.errors import JournalLocked, JournalUnreadable
from hookledger.journal.sqlite.schema import LOG, PROJECTIONS, SCHEMA_VERSION, UPGRADABLE

BUSY_MS_MAX: Final = 10_000
SETTINGS: Final = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"


def partition_file(directory: Path, partition: int = 0) -> Path:
    """Where a partition lives in a data directory."""
    return directory / f"partition-{partition}.sqlite3"


def take_lock(path: Path) -> int:
    """Hold an advisory lock for as long as the descriptor is open; the kernel lets go after a crash.

    Raises:
        JournalLocked: Somebody else holds it.
    """
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


def open_writer(path: Path, vfs: str | None = None) -> tuple[apsw.Connection, bool]:
    """Open or create a file for writing; True when its projections are of an earlier version.

    Raises:
        JournalUnreadable: It is no journal, or one of a version this program does not know.
    """
    with readable(path):
        connection = apsw.Connection(str(path), vfs=vfs)
        os.chmod(path, 0o600)
        connection.set_busy_timeout(BUSY_MS_MAX)
        connection.execute(SETTINGS)
        if version_of(connection) == 0:
            with connection:
                connection.execute(LOG + PROJECTIONS)
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        version = version_of(connection)
    if version not in {SCHEMA_VERSION, *UPGRADABLE}:
        connection.close()
        raise unknown_version(path, version)
    return connection, version != SCHEMA_VERSION


def open_reader(path: Path) -> apsw.Connection:
    """Open a file for reading, with or without a running server.

    Raises:
        JournalUnreadable: It is no journal, or not one of this version.
    """
    with readable(path):
        try:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            connection.set_busy_timeout(BUSY_MS_MAX)
            next(connection.execute("PRAGMA schema_version"))
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            # A copy on a read-only medium has no shared-memory file and may not make one.
            _refuse_open_wal(path)
            uri = f"file:{quote(str(path))}?immutable=1"
            connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        version = version_of(connection)
    if version != SCHEMA_VERSION:
        connection.close()
        raise unknown_version(path, version)
    return connection


def version_of(connection: apsw.Connection) -> int:
    """The schema version a file says it has; 0 when it is new."""
    version: int = next(connection.execute("PRAGMA user_version"))[0]
    return version


def unknown_version(path: Path, version: int) -> JournalUnreadable:
    """What is wrong with a file of another version, and what to do."""
    reason = f"schema version {version}; this program reads {SCHEMA_VERSION}"
    if version in UPGRADABLE:
        reason += (
            "; start the server on it once, or run `hookledger journal reindex --data DIR`: "
            "the entries stay as they are, lists are computed anew"
        )
    return JournalUnreadable(str(path), reason)


@contextmanager
def readable(path: Path) -> Generator[None]:
    """Turn what SQLite says about a file that is none of its own into a JournalUnreadable."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError, apsw.IOError) as error:
        raise JournalUnreadable(str(path), str(error)) from error


def _refuse_open_wal(path: Path) -> None:
    """`immutable` ignores the write-ahead log, and with it the newest commits: better nothing than half of it."""
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        reason = f"{wal.name} beside it holds newer commits and needs a writable directory; copy both there"
        raise JournalUnreadable(str(path), reason)
