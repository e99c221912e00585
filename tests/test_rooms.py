"""The shape of the house: arrows between rooms point one way, rooms stay small, names stay ours."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "journal": {"journal"},
    "runtime": {"journal", "runtime"},
    "actors": {"journal", "runtime", "actors"},
    "api": {"journal", "runtime", "actors", "api"},
}
PURE = (
    "runtime/state.py",
    "runtime/decide.py",
    "runtime/plan.py",
    "runtime/settle.py",
    "runtime/variables.py",
)
IMPURE = {"trio", "time", "random", "secrets", "os", "socket", "httpx", "datetime.datetime.now"}
LINES_MAX = 600


def files(room: str) -> list[Path]:
    """The room's modules."""
    return sorted((ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_point_one_way(room: str) -> None:
    """
    journal, runtime, actors, api: a room imports itself and the rooms before it (architecture, section 1).
    """
    for path in files(room):
        for module in imports(path):
            if module.startswith("hookledger."):
                assert module.split(".")[1] in MAY_IMPORT[room], f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("name", PURE)
def test_the_core_is_pure(name: str) -> None:
    """
    Folding and deciding touch no clock, no randomness, no I/O and no event loop (architecture, section 1).
    """
    assert not IMPURE.intersection(module.split(".")[0] for module in imports(ROOT / name))


def test_the_clock_is_read_in_one_place() -> None:
    """
    Wall time comes from `journal/ports.py`; everything else is handed a clock.
    """
    readers = {
        str(path.relative_to(ROOT))
        for room in MAY_IMPORT
        for path in files(room)
        if any(
            call in path.read_text(encoding="utf-8")
            for call in ("time.time(", "time.time_ns(", "datetime.now(")
        )
    }
    assert readers == {"journal/ports.py"}


def test_rooms_are_small() -> None:
    """
    A file is read in one sitting.
    """
    long = {
        str(path.relative_to(ROOT)): count
        for room in MAY_IMPORT
        for path in files(room)
        if (count := path.read_text(encoding="utf-8").count("\n")) > LINES_MAX
    }
    assert not long
