"""The dialect's own cases: template, variables, and the text or the error the original engine gave."""

import json
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest

from hookledger.runtime.expressions import ExpressionError, render

ROOT = Path(__file__).resolve().parents[3]
COPY = ROOT / "tests" / "data" / "expressions.json"
SHARED = ROOT.parent / "shared" / "conformance" / "expressions.json"


class Case(TypedDict):
    """One case as the file has it."""

    id: str
    template: str
    vars: dict[str, object]
    expect: NotRequired[str]
    error: NotRequired[bool]


def cases() -> list[Case]:
    """The shared cases where they lie beside the repository, so that new ones count at once; else our copy."""
    loaded: list[Case] = json.loads((SHARED if SHARED.exists() else COPY).read_text(encoding="utf-8"))
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
