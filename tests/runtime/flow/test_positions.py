"""Where the values and keys of a document stand."""

import pytest

from hookledger.runtime.flow.problems import Problem
from hookledger.runtime.flow.source import load

FLOW = """\
id: hello
tasks:
  - id: one
    type: x.Log
    message: |
      hi
  - {id: two, list: [a, "b"]}
shared: &s
  retry: 3
again: *s
merged:
  <<: *s
"""


@pytest.mark.parametrize(
    ("path", "value_at", "key_at"),
    [
        ((), (1, 1), (1, 1)),
        (("id",), (1, 5), (1, 1)),
        (("tasks",), (3, 3), (2, 1)),
        (("tasks", 0), (3, 5), (3, 5)),
        (("tasks", 0, "message"), (5, 14), (5, 5)),
        (("tasks", 1, "list", 1), (7, 25), (7, 25)),
        (("tasks", 0, "absent"), (3, 5), (3, 5)),
        (("tasks", 9, "absent"), (3, 3), (2, 1)),
        (("absent", "deep"), (1, 1), (1, 1)),
        (("again",), (10, 8), (10, 1)),
        (("again", "retry"), (9, 10), (9, 3)),
        (("merged", "retry"), (9, 10), (9, 3)),
    ],
)
def test_positions(path: tuple[str | int, ...], value_at: tuple[int, int], key_at: tuple[int, int]) -> None:
    """A value and a key are found by path; what is missing takes its nearest ancestor's place."""
    document = load(FLOW)
    assert document.position(path) == value_at
    assert document.key_position(path) == key_at


def test_locate_fills_in_the_place() -> None:
    """A problem that knows its path gets file, line and column; one with a place keeps it."""
    document = load(FLOW, file="hello.yaml")
    value = document.locate(Problem("wrong", path=("tasks", 0, "type")))
    key = document.locate(Problem("unknown", path=("tasks", 0, "type"), on_key=True))
    assert (str(value), str(key)) == (
        "hello.yaml:4:11: tasks[0].type: wrong",
        "hello.yaml:4:5: tasks[0].type: unknown",
    )
    assert document.locate(value) is value
