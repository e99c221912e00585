"""Typed structs from plain data, with every fault at once."""

import msgspec
import pytest

from hookledger.runtime.flow.reading import kind, read_struct


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    size: int


class Outer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: str
    retry_limit: int = 3
    inner: Inner | None = None
    words: tuple[str, ...] = ()
    ratio: float | None = None


def faults(data: object) -> list[str]:
    found, problems = read_struct(Outer, data, ("x",))
    assert (found is None) == bool(problems)
    return [str(problem) for problem in problems]


def test_struct_is_read() -> None:
    """Names are those of YAML, nested structs are read, null counts as absent."""
    data = {"id": "a", "retryLimit": None, "inner": {"size": 1}, "words": ["p"], "ratio": 2}
    assert read_struct(Outer, data, ()) == (Outer(id="a", inner=Inner(size=1), words=("p",), ratio=2.0), [])


def test_every_fault_is_found() -> None:
    """Unknown, missing and misfitting properties are reported together, with their paths."""
    assert faults({"retrylimit": 1, "inner": {"sise": 2}, "words": ["a", 5], "ratio": "x"}) == [
        "x.retrylimit: unknown property `retrylimit`; did you mean `retryLimit`?",
        "x.id: `id` is missing; add it",
        "x.inner.sise: unknown property `sise`; did you mean `size`?",
        "x.inner.size: `size` is missing; add it",
        "x.words[1]: expected text, got a whole number; put it in quotes",
        "x.ratio: expected a number, got text",
    ]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("a", "x: expected a mapping with properties, got text"),
        ({"id": "a", "inner": [1]}, "x.inner: expected a mapping with properties, got a list"),
        ({"id": True}, "x.id: expected text, got a boolean; put it in quotes"),
        ({"id": "a", "words": {"b": 1}}, "x.words: expected a list, got a mapping"),
        ({"id": "a", "retryLimit": 1.5}, "x.retryLimit: expected a whole number, got a number"),
        ({"id": "a", "retryLimit": True}, "x.retryLimit: expected a whole number, got a boolean"),
    ],
)
def test_misfits_are_named_in_words(data: object, fault: str) -> None:
    """A value of the wrong kind is described the way authors speak."""
    assert faults(data) == [fault]


def test_kind_shows_no_value() -> None:
    """Values are named by kind, because they may be secret."""
    values: tuple[object, ...] = ("s", True, 1, 1.5, None, {}, [], (), object())
    assert [kind(value) for value in values] == [
        *("text", "a boolean", "a whole number", "a number", "nothing"),
        *("a mapping", "a list", "a list", "a Python `object`"),
    ]
