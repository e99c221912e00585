"""How problems are written, and which name was probably meant."""

import pytest

from hookledger.runtime.flow.problems import Problem, ProblemsFound, nearest, suggestion


def test_problem_text() -> None:
    """A problem names its place and the path of its property, as far as it has them."""
    assert str(Problem("m", "f.yaml", 3, 7, ("a",))) == "f.yaml:3:7: a: m"
    assert str(Problem("m", "f.yaml", 3, 7)) == "f.yaml:3:7: m"
    assert str(Problem("m", path=("a", 0, "b"))) == "a[0].b: m"
    assert str(Problem("m", path=(1,))) == "[1]: m"
    assert str(Problem("m")) == "m"


def test_problems_found_writes_one_a_line() -> None:
    """The error's text lists every problem."""
    assert str(ProblemsFound([Problem("a"), Problem("b")])) == "a\nb"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("taks", "tasks"),
        ("dependson", "dependsOn"),
        ("DEPENDS_ON", "dependsOn"),
        ("zzz", None),
        ("t" * 500, None),
    ],
)
def test_nearest(name: str, meant: str | None) -> None:
    """Slips and other cases are recognised, other words and very long ones are not."""
    assert nearest(name, ["tasks", "dependsOn", "id"]) == meant


def test_suggestion() -> None:
    """Without a near name all known ones are listed."""
    assert suggestion("taks", ["tasks"]) == "did you mean `tasks`?"
    assert suggestion("zzz", ["b", "a"]) == "known here: a, b"
    assert suggestion("zzz", []) == "none is known here"
