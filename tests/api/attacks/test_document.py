"""docs/security.md says what was attacked and where the test is; here it is held to that."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.system.processes import ROOT

TESTS: Final = ROOT / "tests"
OURS: Final = (*sorted((TESTS / "api/attacks").glob("test_*.py")), TESTS / "console/browser/test_attacks.py")
ATTACKS_MIN: Final = 25


def rows() -> list[tuple[str, list[str]]]:
    """What was attacked, and the tests."""
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8").partition("## What was attacked")[2]
    return [
        (attack, re.findall(r"`([\w/]+\.py::\w+)`", tests))
        for attack, tests in re.findall(r"^\| (.+?) \| (`.*`) \|$", text, re.MULTILINE)
    ]


def named_in(file: Path) -> Iterator[str]:
    """The tests of a file as the document names them."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{file.relative_to(TESTS)}::{node.name}"


def test_every_named_test_exists() -> None:
    """
    At least 25 attacks, each once, each with a test that is there.
    """
    found = rows()
    assert len(found) == len({attack for attack, _ in found}) >= ATTACKS_MIN
    for attack, names in found:
        assert names, attack
        for name in names:
            assert name in set(named_in(TESTS / name.partition("::")[0])), (attack, name)


def test_every_attack_is_named() -> None:
    """
    A test among the attacks that the document does not name would be news to its reader.
    """
    named = {name for _, names in rows() for name in names}
    mine = {name for file in OURS if file != Path(__file__) for name in named_in(file)}
    assert mine <= named
