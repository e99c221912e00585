"""The dialect's own cases: template, variables, and the text or the error the original engine gave."""

import json
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest

from hookledger.runtime.expressions import ExpressionError, render

ROOT = Path(__file__).resolve().parents[3]
COPY = ROOT / "tests" / "data" / "expressions.json"
ORIGINAL = ROOT.parent / "shared" / "conformance" / "expressions.json"


class Case(TypedDict):
    """One case as the file has it."""

    id: str
    template: str
    vars: dict[str, object]
    expect: NotRequired[str]
    error: NotRequired[bool]


def cases() -> list[Case]:
    """The original file where the checkout has it beside itself, else our copy."""
    loaded: list[Case] = json.loads((ORIGINAL if ORIGINAL.exists() else COPY).read_text())
    return loaded


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["id"]))
def test_a_template_means_what_it_means_in_the_original(case: Case) -> None:
    """
    The text is the same, character by character; where the original fails, so do we, with our own error.
    """
    if case.get("error"):
        with pytest.raises(ExpressionError):
            render(case["template"], case["vars"])
    else:
        assert render(case["template"], case["vars"]) == case.get("expect")


@pytest.mark.skipif(not ORIGINAL.exists(), reason="only this copy of the cases is here")
def test_our_copy_of_the_cases_is_current() -> None:
    """
    The committed copy and the original hold the same cases.
    """
    assert json.loads(COPY.read_text()) == json.loads(ORIGINAL.read_text())
