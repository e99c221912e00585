"""A directory of flow files: every file is a flow; a changed file is a new revision; a broken one is reported."""

from collections.abc import Iterator
from pathlib import Path

import trio

from hookledger.actors.engine import Engine
from hookledger.runtime.flow.parse import FlowInvalid

SUFFIXES = (".yaml", ".yml")


class FlowsDirectory:
    """Registers what it finds; looks again whenever it is asked to."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine = engine
        self._directory = directory
        self._seen: dict[Path, tuple[int, int]] = {}

    async def load(self) -> list[str]:
        """Register files that are new or changed; returns lines for a person: what was loaded, what is broken."""
        lines: list[str] = []
        for path, stamp in await trio.to_thread.run_sync(lambda: list(_files(self._directory))):
            if self._seen.get(path) != stamp:
                self._seen[path] = stamp
                lines.extend(await self._register(path))
        return lines

    async def _register(self, path: Path) -> list[str]:
        try:
            source = await trio.Path(path).read_text(encoding="utf-8")
            flow = await self._engine.register(source, file=str(path), by="cli:serve")
        except FlowInvalid as error:
            return [f"not loaded: {problem}" for problem in error.problems]
        except (OSError, UnicodeDecodeError) as error:
            return [f"not loaded: {path}: {error}"]
        warnings = [f"warning: {warning}" for warning in flow.warnings]
        return [f"loaded {flow.name} revision {flow.revision} from {path}", *warnings]


def _files(directory: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    for path in sorted(directory.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            status = path.stat()
            yield path, (status.st_mtime_ns, status.st_size)
