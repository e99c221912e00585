"""Opening a partition file: who may read it, the writer's lock, the connections' settings, and what is refused."""

import fcntl
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from hookledger.journal.errors import JournalLocked, JournalUnreadable, JournalUnwritable
from hookledger.journal.sqlite.schema import (
    KEPT_TABLES,
    LOG,
    PROJECTIONS,
    SCHEMA_VERSION,
    UPGRADABLE,
)

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
BUSY_MS_MAX: Final = 10_000
"""How long opening and reading wait for another program's lock."""
COMMIT_BUSY_MS_MAX: Final = 1_000
"""How long one try of a commit waits; the journal says so and tries again."""

EMPTY: Final = "the file is empty, which no journal ever is"

_ALL: Final[Mapping[str, int | str]] = {
    "busy_timeout": BUSY_MS_MAX,
    "trusted_schema": 0,  # a planted view or trigger may call nothing that does harm
    "cell_size_check": 1,  # a damaged page is an error, not a guess
    "mmap_size": 0,  # an error of the disk is an error of SQLite, not a signal
}
WRITER_SETTINGS: Final[Mapping[str, int | str]] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit has been flushed when it returns
    **_ALL,
    "busy_timeout": COMMIT_BUSY_MS_MAX,
    "wal_autocheckpoint": 1000,
    "locking_mode": "normal",
}
READER_SETTINGS: Final[Mapping[str, int | str]] = {**_ALL, "query_only": 1}


def partition_file(directory: Path, partition: int = 0) -> Path:
    """Where a partition lives in a data directory."""
    return directory / f"partition-{partition}.sqlite3"


def wal_of(path: Path) -> Path:
    """Where SQLite keeps what was committed and is not yet in the file."""
    return path.with_name(f"{path.name}-wal")


def beside(path: Path) -> tuple[Path, Path, Path]:
    """A database, its write-ahead log and its shared memory."""
    return path, wal_of(path), path.with_name(f"{path.name}-shm")


def take_lock(path: Path) -> int:
    """Hold an advisory lock for as long as the descriptor is open; the kernel lets go after a crash.

    Raises:
        JournalLocked: Somebody else holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
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
    """Open or create a file for writing; True when it is of an earlier version.

    Raises:
        JournalUnreadable: It is no journal, or one of a version this program does not know.
        JournalUnwritable: SQLite does not take a setting that durability needs.
        JournalLocked: Another program holds SQLite's lock.
    """
    if path.exists() and path.stat().st_size == 0 and not wal_of(path).exists():
        raise JournalUnreadable(str(path), f"{EMPTY}; if that is right, delete it and a new journal begins")
    _make_private(path)
    with readable(path):
        connection = apsw.Connection(str(path), vfs=vfs)
        try:
            connection.set_busy_timeout(BUSY_MS_MAX)
            configure(connection, path, WRITER_SETTINGS)
            version = version_of(connection)
            if version == 0 and not _tables(connection):
                _create(connection)
                version = SCHEMA_VERSION
            _check_version(connection, path, version, {SCHEMA_VERSION, *UPGRADABLE})
        except BaseException:
            connection.close()
            raise
    return connection, version != SCHEMA_VERSION


def open_reader(path: Path) -> apsw.Connection:
    """Open a file for reading, with or without a running server.

    Raises:
        JournalUnreadable: It is no journal, or not one of this version.
        JournalLocked: Another program holds SQLite's lock.
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
        try:
            configure(connection, path, READER_SETTINGS)
            _check_version(connection, path, version_of(connection), {SCHEMA_VERSION})
        except BaseException:
            connection.close()
            raise
    return connection


def configure(connection: apsw.Connection, path: Path, settings: Mapping[str, int | str]) -> None:
    """Make every setting, and read it back: SQLite says nothing about one that it does not take.

    Raises:
        JournalUnwritable: A setting has another value afterwards.
    """
    for name, wanted in settings.items():
        list(
            connection.execute(f"PRAGMA {name}={wanted}")
        )  # to the end: a statement with rows stops at the first
        found = setting(connection, name)
        if found != wanted:
            raise JournalUnwritable(
                str(path), f"SQLite keeps {name}={found} where {wanted} is needed; use a local file system"
            )


def setting(connection: apsw.Connection, name: str) -> int | str | None:
    """The value of a setting on a connection, None where SQLite does not know it."""
    rows = list(connection.execute(f"PRAGMA {name}"))
    value: int | str | None = rows[0][0] if rows else None
    return value


def version_of(connection: apsw.Connection) -> int:
    """The schema version a file says it has; 0 when it is new."""
    version: int = next(connection.execute("PRAGMA user_version"))[0]
    return version


@contextmanager
def readable(path: Path) -> Generator[None]:
    """Turn what SQLite says about a file that it cannot open into an error of the journal."""
    try:
        yield
    except (apsw.BusyError, apsw.LockedError) as error:
        raise JournalLocked(str(path), "another program that holds SQLite's lock") from error
    except (apsw.ReadOnlyError, apsw.PermissionsError, apsw.FullError) as error:
        raise JournalUnwritable(str(path), str(error)) from error
    except apsw.Error as error:
        raise JournalUnreadable(str(path), str(error)) from error


def _make_private(path: Path) -> None:
    """SQLite gives the files beside a database the database's mode, whatever the umask says."""
    if not path.exists():  # closing a descriptor would take SQLite's locks off a file that is open already
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    for file in beside(path):
        if file.exists() and file.stat().st_mode & ~FILE_MODE & 0o777:
            file.chmod(FILE_MODE)


def _create(connection: apsw.Connection) -> None:
    with connection:
        connection.execute(LOG + PROJECTIONS)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _tables(connection: apsw.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def _check_version(connection: apsw.Connection, path: Path, version: int, known: set[int]) -> None:
    missing = [name for name in KEPT_TABLES if name not in _tables(connection)]
    if version == 0 and path.stat().st_size == 0:
        raise JournalUnreadable(str(path), EMPTY)
    if version not in known:
        raise JournalUnreadable(str(path), _other_version(version))
    if missing:
        raise JournalUnreadable(
            str(path), f"an SQLite database, but no journal: it has no table `{missing[0]}`"
        )


def _other_version(version: int) -> str:
    """What is wrong with a file of another version, and what to do."""
    reason = f"schema version {version}; this program reads {SCHEMA_VERSION}"
    if version in UPGRADABLE:
        reason += (
            "; start the server on it once, or run `hookledger journal reindex --data DIR`: "
            "the entries stay as they are, lists are computed anew"
        )
    return reason


def _refuse_open_wal(path: Path) -> None:
    """`immutable` ignores the write-ahead log, and with it the newest commits: better nothing than half of it."""
    wal = wal_of(path)
    if wal.exists() and wal.stat().st_size:
        reason = f"{wal.name} beside it holds newer commits and needs a writable directory; copy both there"
        raise JournalUnreadable(str(path), reason)
