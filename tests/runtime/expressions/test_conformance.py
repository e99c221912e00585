"""Templates, variables, and the text or the error the original engines gave."""

import json
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest

from hookledger.runtime.expressions import ExpressionError, render

ROOT = Path(__file__).resolve().parents[3]
COPY = ROOT / "tests" / "data" / "expressions.json"
SHARED = ROOT.parent / "shared" / "conformance" / "expressions.json"


ENGINES = ROOT / "tests" / "data" / "expressions-engines.json"


class Case(TypedDict):
    """One case as the file has it."""

    template: str
    vars: dict[str, object]
    expect: NotRequired[str]
    error: NotRequired[bool]


class Named(Case):
    """One of the dialect's own cases."""

    id: str


class Fact(Case):
    """What the running engines answered, under the fault of docs/faults.md it belongs to."""

    fault: str


def cases() -> list[Named]:
    """The shared cases where they lie beside the repository, so that new ones count at once; else our copy."""
    loaded: list[Named] = json.loads((SHARED if SHARED.exists() else COPY).read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["id"]))
def test_a_template_means_what_it_means_in_the_original(case: Case) -> None:
    """
    The text is the same, character by character; where the original fails, so do we, with our own error.
    """
    check(case)


def facts() -> list[Fact]:
    """What the engines 2.0.0 and 1.3.34 answered; where they differ, 2.0.0."""
    loaded: list[Fact] = json.loads(ENGINES.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("fault", sorted({fact["fault"] for fact in facts()}))
def test_a_template_means_what_the_running_engines_say(fault: str) -> None:
    """
    Under each fault of docs/faults.md: the text the engines gave, or an error of ours where they failed.
    """
    for fact in facts():
        if fact["fault"] == fault:
            check(fact)


def check(case: Case) -> None:
    """Render a case and look at what comes."""
    if case.get("error"):
        with pytest.raises(ExpressionError):
            render(case["template"], case["vars"])
    else:
        assert render(case["template"], case["vars"]) == case.get("expect"), case
