"""Golden journals: what a case writes in a world without faults, kept for ever.

    python -m tests.simulation.golden --write

writes those that are missing or differ into the directory of the current format version. A journal of an older
version is never written again: every release must replay it.
"""

import argparse
import base64
import json
from pathlib import Path
from typing import Any, Final

import msgspec

from hookledger.journal.entry import Entry, decode_header
from hookledger.runtime.state import State
from tests.simulation import cases
from tests.simulation.play import Play
from tests.simulation.world import World

SEED: Final = 1


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in a golden journal."""

    header: str
    """As stored: the header is ASCII."""
    leaf: str
    payload: str
    salt: str

    @classmethod
    def of(cls, entry: Entry) -> "Line":
        """Write an entry down."""
        assert entry.payload is not None
        assert entry.salt is not None
        return cls(
            header=entry.raw.decode("ascii"),
            leaf=_base64(entry.leaf),
            payload=_base64(entry.payload),
            salt=_base64(entry.salt),
        )

    def entry(self) -> Entry:
        """Read it back."""
        raw = self.header.encode("ascii")
        return Entry(
            header=decode_header(raw),
            raw=raw,
            leaf=base64.b64decode(self.leaf),
            payload=base64.b64decode(self.payload),
            salt=base64.b64decode(self.salt),
        )


def play(name: str) -> World:
    """Run a case as its golden journal was made."""
    return Play(World(SEED), cases.load(name)).run()


def journal_text(world: World) -> str:
    """The whole disk, one entry a line."""
    return "".join(msgspec.json.encode(Line.of(entry)).decode() + "\n" for entry in world.entries())


def read_journal(path: Path) -> list[Entry]:
    """Entries of a golden journal."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [msgspec.json.decode(line, type=Line).entry() for line in lines]


def state_text(states: dict[str, State]) -> str:
    """What executions have come to, in words that stay stable when the fold's own fields change."""
    return json.dumps({name: _shown(state) for name, state in states.items()}, indent=1) + "\n"


def write() -> list[str]:
    """Write what differs; returns the names."""
    written: list[str] = []
    for name in cases.names():
        world = play(name)
        world.check()
        for path, text in (
            (journal_path(name), journal_text(world)),
            (state_path(name), state_text(world.states())),
        ):
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
                written.append(path.name)
    return written


def journal_path(name: str) -> Path:
    """Where a case's golden journal is."""
    return cases.GOLDEN / f"{name}.jsonl"


def state_path(name: str) -> Path:
    """Where the state is that a golden journal replays to."""
    return cases.GOLDEN / f"{name}.state.json"


def _shown(state: State) -> dict[str, Any]:
    assert state.received is not None
    return {
        "flow": state.received.flow,
        "status": state.status,
        "sequence": state.sequence,
        "outputs": state.outputs,
        "labels": dict(sorted(state.labels.items())),
        "history": [list(step) for step in state.history],
        "runs": {
            path: {"state": run.state, "attempts": run.attempts, "outputs": run.outputs}
            for path, run in sorted(state.runs.items())
        },
        "branches": {path: taken.chosen for path, taken in sorted(state.branches.items())},
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def main() -> None:
    """Compare with what is stored, or write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write journals that are missing or differ")
    if parser.parse_args().write:
        print("\n".join(write()) or "nothing differs")
        return
    differing = [name for name in cases.names() if journal_text(play(name)) != _stored(name)]
    print("\n".join(differing) or "nothing differs")
    raise SystemExit(bool(differing))


def _stored(name: str) -> str:
    path = journal_path(name)
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    main()
