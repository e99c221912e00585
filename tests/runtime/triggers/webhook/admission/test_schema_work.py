"""Validating costs what can be counted: no keyword makes more of a body than its size allows."""

import time
from typing import Any

import pytest

from hookledger.runtime.triggers.webhook.admission import schema as module
from hookledger.runtime.triggers.webhook.admission.schema import Schema, parse_schema

CPU_SECONDS_MAX = 4.0  # the second line of defence is 2 s of the processor
EVIL = "(x+x+)+y"


def read(document: Any) -> Schema:
    """A schema that is fine."""
    made, problems = parse_schema(document)
    assert problems == []
    assert made is not None
    return made


def keywords(document: Any, value: Any) -> list[str]:
    """What a value violates; checks that finding out took no longer than is allowed."""
    schema = read(document)
    began = time.thread_time()
    found = [one.keyword for one in schema.violations(value)]
    assert time.thread_time() - began < CPU_SECONDS_MAX
    return found


OBJECTS = [{"id": number, "a": {"b": [number]}} for number in range(6_000)]


def test_unique_items_are_compared_by_hashes() -> None:
    """
    Six thousand objects are compared in six thousand steps and not in thirty-six million.
    """
    assert keywords({"uniqueItems": True}, OBJECTS) == []
    assert keywords({"uniqueItems": True}, [*OBJECTS, OBJECTS[0]]) == ["uniqueItems"]


@pytest.mark.parametrize(
    ("items", "unique"),
    [([1, 1.0], False), ([1, True], True), ([0, False], True), (["1", 1], True), ([[1], [True]], True),
     ([{"a": 1, "b": 2}, {"b": 2, "a": 1.0}], False), ([[], {}], True), ([None, False], True),
     ([[1, [2]], [1, [2]]], False), ([], True)],
)  # fmt: skip
def test_unique_means_what_json_schema_says(items: list[Any], unique: bool) -> None:
    """
    Numbers are compared by value, booleans are no numbers, the order of keys means nothing.
    """
    assert (keywords({"uniqueItems": True}, items) == []) is unique


@pytest.mark.parametrize(
    "document",
    [
        {"pattern": EVIL}, {"items": {"pattern": EVIL}}, {"patternProperties": {EVIL: True}},
        {"patternProperties": {EVIL: True}, "additionalProperties": False}, {"propertyNames": {"pattern": EVIL}},
    ],
)  # fmt: skip
def test_patterns_are_matched_by_the_clock(document: Any) -> None:
    """
    A pattern that tries everything ends in a violation that says so, wherever in the schema it stands.
    """
    text = "x" * 5_000
    for value in (text, [text], {text: 1}):
        assert keywords(document, value) in ([], ["limit"])
    assert "limit" in [*keywords(document, text), *keywords(document, [text]), *keywords(document, {text: 1})]


@pytest.mark.parametrize(
    "pattern", ["(?:(?:x{100}){1000}){1000}", "(x{5000}){5}", "x{999999999999}", "a" * 6_000]
)
def test_large_patterns_are_no_schemas(pattern: str) -> None:
    """
    A pattern whose repeats multiply is refused before it is compiled.
    """
    made, problems = parse_schema({"properties": {"a": {"pattern": pattern}}})
    assert made is None
    assert "regular expression" in problems[0].message


def chain(keyword: str, length: int) -> dict[str, Any]:
    """Definitions of which each applies the next one twice."""
    one: dict[str, Any] = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**one, f"d{length}": {"type": "integer"}}}


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_references_do_not_multiply(keyword: str) -> None:
    """
    A chain of references that doubles with each link is refused when the flow is read; a short one works.
    """
    assert keywords(chain(keyword, 5), 1) == ([] if keyword != "oneOf" else ["oneOf"])
    made, problems = parse_schema(chain(keyword, 40))
    assert made is None
    assert "subschemas" in problems[0].message


def test_steps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Many keywords on many values end at the count, at the same place on every machine.
    """
    monkeypatch.setattr(module, "SECONDS_MAX", 1e9)
    monkeypatch.setattr(module, "STEPS_MAX", 10_000)
    document = {"items": {"anyOf": [{"const": n} for n in range(200)]}}
    assert keywords(document, [-1] * 1_000) == ["limit"]
    assert keywords(document, [1] * 10) == []


def test_messages_are_not_made_for_ever() -> None:
    """
    Each branch that does not fit writes the whole value into a message; branches times size is bounded.
    """
    document = {"anyOf": [{"type": "integer", "const": n} for n in range(900)]}
    assert keywords(document, ["x" * 1000] * 90_000) == ["limit"]


def test_a_loop_of_references_ends() -> None:
    """
    A reference to itself is refused with a reason, not followed for ever.
    """
    assert keywords({"$ref": "#"}, 1) == ["limit"]
    assert keywords({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}, 1) == ["limit"]
    assert keywords({"properties": {"a": {"$ref": "#"}}, "type": "object"}, {"a": {"a": {}}}) == []
