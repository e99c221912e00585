"""Bodies and multipart files that are kept beside the journal, in the data directory, and named by a URI.

A file is written under a temporary name while it arrives, is made durable, and moves to its execution's directory
only when the delivery is accepted; a refused delivery leaves nothing behind. The URI has the form that flows
written for Kestra expect.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import trio

from hookledger.actors.limiters import limiter

PIECE_BYTES: Final = 1024 * 1024
"""Gathered before a thread writes it: smaller pieces would spend their time on changing threads."""
NAME_CHARS_MAX: Final = 120
READ_BYTES_MAX: Final = 1024 * 1024
"""What an expression reads is recorded with the event that used it."""

SCHEME: Final = "kestra:///"
_PRIVATE: Final = 0o700

_STEPS: Final = (5, 6)
"""Of `FLOW/executions/EXECUTION/webhook/NAME` or `.../INDEX/NAME`: a namespace below may have parts of these names."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")


class FileForeign(ValueError):
    """A URI names no file of the execution; says why."""


class StoredBody(msgspec.Struct, kw_only=True):
    """A file under its temporary name."""

    path: Path
    sha256: str
    size: int


class Files:
    """The directory of stored bodies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"
        self._count = 0

    def open(self, name: str) -> "Writer":
        """Begin a file; `name` only has to be unique among those that arrive now."""
        self._count += 1
        _make(self._incoming)
        return Writer(self._incoming / f"{name}-{os.getpid()}-{self._count}")

    def clean(self) -> None:
        """Remove what a crash left half received."""
        shutil.rmtree(self._incoming, ignore_errors=True)

    async def keep(self, stored: StoredBody, place: "Place", name: str) -> str:
        """Move a file to its execution's directory; returns its URI once that is durable."""
        relative = f"{place.home}/{name}"
        await _in_thread(_move, stored.path, self._directory / relative)
        return f"{SCHEME}{relative}"

    def path(self, uri: str) -> Path:
        """Where a URI's file is.

        Raises:
            ValueError: The URI names nothing in this directory.
        """
        path = (self._directory / uri.removeprefix(SCHEME)).resolve()
        if not path.is_relative_to(self._directory.resolve()):
            raise ValueError(uri)
        return path

    def of_execution(self, uri: str, place: "Place") -> Path:
        """Where a file of one execution is; it may not be there.

        Raises:
            FileForeign: The URI names none of this execution, in the one spelling it has.
        """
        home = f"{SCHEME}{place.home}/"
        if not uri.startswith(SCHEME):
            raise FileForeign(f"write the URI of a file, which begins with {SCHEME}")
        steps = uri.removeprefix(home).split("/")
        plain = all(step not in ("", ".", "..") and not _UNSAFE.search(step) for step in steps)
        if not uri.startswith(home) or len(steps) not in (1, 2) or not plain:
            raise FileForeign(f"this is no file of the execution, whose files are below {home}")
        found = self._directory.joinpath(*uri.removeprefix(SCHEME).split("/"))
        if found.resolve() != self._directory.resolve() / found.relative_to(self._directory):
            raise FileForeign("this is no file of the execution: it is a link to elsewhere")
        if not found.is_file():
            raise FileNotFoundError(uri)
        return found

    def functions(self, namespace: str) -> dict[str, Callable[..., Any]]:
        """What the expressions of a namespace's flows may ask of its files, by the functions' names."""

        def read(uri: str, *_: Any) -> str:
            size = size_of(uri)
            if size > READ_BYTES_MAX:
                raise ValueError(f"{uri} has {size} bytes; read() gives at most {READ_BYTES_MAX}")
            return self._own(uri, namespace).read_bytes().decode("utf-8", "replace")

        def size_of(uri: str, *_: Any) -> int:
            return self._own(uri, namespace).stat().st_size

        return {
            "read": read,
            "fileSize": size_of,
            "fileExists": lambda uri, *_: self._own(uri, namespace).is_file(),
            "isFileEmpty": lambda uri, *_: size_of(uri) == 0,
        }

    def _own(self, uri: str, namespace: str) -> Path:
        """Where a file of the namespace is. What is read becomes part of the journal, so nothing else may be named.

        Raises:
            ValueError: It is none.
        """
        path = self.path(uri)
        home = self._directory.resolve() / namespace.replace(".", "/")
        steps = list(path.relative_to(home).parts) if namespace and path.is_relative_to(home) else []
        if len(steps) not in _STEPS or (steps[1], steps[3]) != ("executions", "webhook"):
            raise ValueError(f"{uri} is no file of the namespace {namespace}")
        return path


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Whose file it is."""

    namespace: str
    flow: str
    execution: str

    @property
    def home(self) -> str:
        """The directory of its files, below that of all files."""
        return f"{self.namespace.replace('.', '/')}/{self.flow}/executions/{self.execution}/webhook"


class Writer:
    """One file while it arrives: bounded memory, hashed on the way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] = open(path, "wb", buffering=0, opener=_private)  # noqa: SIM115
        self._piece = bytearray()
        self._digest = hashlib.sha256()
        self.size = 0

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._piece += chunk
        self._digest.update(chunk)
        self.size += len(chunk)
        if len(self._piece) >= PIECE_BYTES:
            await self._flush()

    async def finish(self) -> StoredBody:
        """Make the file durable."""
        await self._flush()
        await _in_thread(_sync, self._file)
        return StoredBody(path=self.path, sha256=self._digest.hexdigest(), size=self.size)

    def discard(self) -> None:
        """Forget the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    async def _flush(self) -> None:
        piece, self._piece = bytes(self._piece), bytearray()
        if piece:
            await _in_thread(_write, self._file, piece)


def file_name(index: int, given: str) -> str:
    """A safe name for an uploaded file; the index keeps equal names apart."""
    base = given.replace("\\", "/").rpartition("/")[2]
    return f"{index}/{_UNSAFE.sub('_', base)[-NAME_CHARS_MAX:].lstrip('.') or 'file'}"


async def _in_thread(work: Callable[..., None], *arguments: Any) -> None:
    """Work on a file in one of the threads that are kept for stored bodies."""
    await trio.to_thread.run_sync(work, *arguments, limiter=limiter("files"))


def _write(file: IO[bytes], piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[file.write(view) :]


def _sync(file: IO[bytes]) -> None:
    os.fsync(file.fileno())
    file.close()


def _private(path: str, flags: int) -> int:
    """Open for the server's user alone, whatever the umask is."""
    return os.open(path, flags, 0o600)


def _make(directory: Path) -> None:
    """Make a directory and those above it for the server's user alone; `mkdir` would leave those above to the umask."""
    for missing in reversed([each for each in (directory, *directory.parents) if not each.exists()]):
        missing.mkdir(mode=_PRIVATE, exist_ok=True)


def _move(source: Path, target: Path) -> None:
    _make(target.parent)
    source.rename(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
