"""A directory of flow files: every file is a flow; a changed file is a new revision; a broken one is reported.

A flow that came from here goes out of service when no file holds it any more: it was deleted, or another flow was
written over it. What the API registered last is not ours to take away. Executions under way go on. Of
two files with one flow the first one holds it, and the second is reported until one of them changes.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

import trio

from hookledger.actors.engine import Engine
from hookledger.actors.errors import FlowUnknown
from hookledger.actors.flows import Revision
from hookledger.actors.limiters import limiter
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.parse import FlowInvalid

SUFFIXES: Final = (".yaml", ".yml")
SERVE: Final = "cli:serve"

Stamp: TypeAlias = tuple[int, int]
Name: TypeAlias = tuple[str, str]


class Taken(Exception):
    """Another file holds the flow already."""

    def __init__(self, name: Name, holder: Path) -> None:
        self.name = name
        super().__init__(f"{holder} holds the flow {'/'.join(name)} already; give one of them another id")


class FlowsDirectory:
    """Registers what it finds; looks again whenever it is asked to."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine = engine
        self._directory = directory
        self._seen: dict[Path, Stamp] = {}
        self._held: dict[Path, Name] = {}
        """The flow of each file, as it was when the file could last be read."""
        self._refused: dict[Path, Name] = {}
        """Files whose flow another file holds already, with that flow."""
        self._unread: dict[Path, str] = {}
        """Files that could not be read, each with the reason."""
        self._trouble = ""
        """Why the directory could not be read at the last look."""
        self._missed: set[Name] | None = None
        """Flows whose file was not there at the last look; None before the first."""

    async def load(self) -> list[str]:
        """Register what is new or changed, remove what is gone.

        Returns lines for a person: what was loaded or removed, what is broken.
        """
        try:
            found = await trio.to_thread.run_sync(_found, self._directory, limiter=limiter("flows"))
        except OSError as error:  # no descriptor left, or no permission
            return self._unreadable(error)
        self._trouble = ""
        if found is None:  # unmounted, perhaps: nothing is known of its files
            return []
        lines: list[str] = []
        self._held = {path: name for path, name in self._held.items() if path in found}
        for path in sorted(found, key=self._order):
            if self._seen.get(path) != found[path] or self._free_again(path):
                lines.extend(await self._register(path))
        self._seen = {path: stamp for path, stamp in found.items() if path not in self._unread}
        return lines + await self._remove_gone()

    def _order(self, path: Path) -> tuple[bool, Path]:
        """Files whose flows were registered from them come first: a newer one with the same flow takes nothing."""
        known = {revision.registered.file for revision in self._engine.flows}
        return str(path) not in known, path

    def _free_again(self, path: Path) -> bool:
        """The file was refused for another one's sake, which holds its flow no more."""
        name = self._refused.get(path)
        return name is not None and self._holder(name, path) is None

    def _unreadable(self, error: OSError) -> list[str]:
        """The line for a directory that cannot be read; once for the same reason."""
        known, self._trouble = self._trouble, error.strerror or str(error)
        if known == self._trouble:
            return []
        return [f"flows: {self._directory} cannot be read: {self._trouble}; flows stay as they are"]

    async def _register(self, path: Path) -> list[str]:
        def check(newest: Revision | None) -> None:
            if newest is not None:
                name = (newest.registered.namespace, newest.registered.flow)
                if (holder := self._holder(name, path)) is not None:
                    raise Taken(name, holder)

        self._refused.pop(path, None)
        try:
            source = await trio.to_thread.run_sync(_read, path, limiter=limiter("flows"))
            flow = await self._engine.register(source, file=str(path), by=SERVE, check=check)
        except Taken as taken:
            self._held.pop(path, None)
            self._refused[path] = taken.name
            return [f"not loaded: {path}: {taken}"]
        except FlowInvalid as error:
            return [f"not loaded: {problem}" for problem in error.problems]
        except UnicodeDecodeError as error:
            return [f"not loaded: {path}: {error}"]
        except OSError as error:
            return self._not_read(path, error.strerror or str(error))
        self._unread.pop(path, None)
        self._held[path] = _name(flow)
        warnings = [f"warning: {warning}" for warning in flow.warnings]
        return [f"loaded {flow.name} revision {flow.revision} from {path}", *warnings]

    def _not_read(self, path: Path, why: str) -> list[str]:
        """The line for a file that cannot be read; it is tried again, and told once for the same reason."""
        known, self._unread[path] = self._unread.get(path), why
        return [] if known == why else [f"not loaded: {path}: {why}"]

    def _holder(self, name: Name, path: Path) -> Path | None:
        """The other file that holds a flow of this name."""
        return next((other for other, held in self._held.items() if held == name and other != path), None)

    async def _remove_gone(self) -> list[str]:
        """An editor may save by deleting first, so a file has to be missing twice; at the start once is enough."""
        gone = dict(self._gone())
        known, self._missed = self._missed, set(gone)
        lines: list[str] = []
        for name, file in gone.items():
            if known is None or name in known:
                with suppress(FlowUnknown):  # somebody was faster
                    await self._engine.remove(*name, by=SERVE)
                    lines.append(f"removed {'/'.join(name)}: {file} holds it no more")
        return lines

    def _gone(self) -> Iterator[tuple[Name, str]]:
        """Flows that came from this directory and that no file holds, with the file they came from."""
        held = set(self._held.values())
        for revision in self._engine.flows:
            registered = revision.registered
            name = (registered.namespace, registered.flow)
            if name not in held and registered.file and self._lost(Path(registered.file)):
                yield name, registered.file

    def _lost(self, file: Path) -> bool:
        """True for a file of this directory that is not there, or holds another flow; a broken one tells nothing."""
        path = Path(os.path.abspath(file))
        ours = {Path(os.path.abspath(seen)): seen in self._held for seen in self._seen}
        return path.is_relative_to(os.path.abspath(self._directory)) and ours.get(path, True)


def _name(flow: Flow) -> Name:
    return flow.namespace, flow.id


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _found(directory: Path) -> dict[Path, Stamp] | None:
    """Flow files and when they were written; None when there is no directory."""
    return dict(_files(directory)) if directory.is_dir() else None


def _files(directory: Path) -> Iterator[tuple[Path, Stamp]]:
    for path in sorted(directory.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            with suppress(FileNotFoundError):  # deleted meanwhile
                status = path.stat()
                yield path, (status.st_mtime_ns, status.st_size)
