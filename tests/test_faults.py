"""docs/faults.md keeps its word: every test it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KNOWN = {
    "C": range(1, 16),
    "S": range(1, 15),
    "R": range(1, 29),
    "E": range(1, 34),
    "D": (*range(1, 16), *range(17, 34), *range(40, 49)),
    "X": range(1, 46),
    "K": (2, 3, 5, 7, 10, 11, 12),
    "U": (1, 3, 4, 9, 10, 13),
    "M": (10, 11),
}
"""Numbers of the faults that were reported, by kind; D16 waits for a task type that there is not yet."""
ROW = re.compile(r"^\| ([A-Z]+\d+[a-z]*) \| (.+?) \| (.+) \|$")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[tuple[str, str, str]]:
    """Fault, rule and tests of each row."""
    text = (ROOT / "docs/faults.md").read_text("utf-8")
    return [match.groups() for line in text.splitlines() if (match := ROW.match(line))]  # type: ignore[misc]


@cache
def functions(path: str) -> frozenset[str]:
    """Names of the functions a file of tests has."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_every_fault_names_tests_that_exist() -> None:
    """
    A row of docs/faults.md names at least one test, and each of them is there.
    """
    for fault, _, tests in rows():
        named = NAMED.findall(tests)
        assert named, f"{fault} names no test"
        for path, name in named:
            assert name in functions(path), f"{fault}: {path} has no {name}"


def test_every_reported_fault_has_a_row() -> None:
    """
    No fault that was found is left out of the table.
    """
    found = {re.sub(r"[a-z]+$", "", fault) for fault, _, _ in rows()}
    assert {f"{kind}{number}" for kind, numbers in KNOWN.items() for number in numbers} <= found


@pytest.mark.parametrize("table", ["faults.md"])
def test_rows_of_the_table_are_read(table: str) -> None:
    """
    Each line that looks like a row is one the check above reads.
    """
    lines = (ROOT / "docs" / table).read_text("utf-8").splitlines()
    looks = [line for line in lines if re.match(r"^\| [A-Z]+\d", line)]
    assert len(looks) == len(rows())
