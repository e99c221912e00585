"""Giving inputs their values, and outputs their types."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.runtime.flow.inputs import (
    AnyInput,
    InputsInvalid,
    OutputsInvalid,
    RenderFailed,
    parse_inputs,
    parse_outputs,
    resolve_inputs,
    resolve_outputs,
)
from hookledger.runtime.flow.problems import PROBLEMS_MAX
from hookledger.runtime.flow.source import Plain


def declare(*items: dict[str, Any]) -> tuple[AnyInput, ...]:
    inputs, problems = parse_inputs(list(items))
    assert problems == ()
    return inputs


def refusals(declared: tuple[AnyInput, ...], given: Mapping[str, object]) -> list[str]:
    with pytest.raises(InputsInvalid) as caught:
        resolve_inputs(declared, given, render=render)
    return [str(problem) for problem in caught.value.problems]


def render(text: str, inputs: Mapping[str, Plain]) -> str:
    """Know three expressions: an input's value, its text in capitals, and a failure."""
    name, *how = text.strip("{} ").split("|")
    if name == "boom":
        raise RenderFailed("`boom` is not defined")
    value = inputs.get(name, name)
    shown = value if isinstance(value, str) else json.dumps(value)
    return shown.upper() if how else shown


def test_values_are_coerced_in_declared_order() -> None:
    """Every declared input is in the result, as plain JSON data."""
    declared = declare(
        {"id": "n", "type": "INT"},
        {"id": "at", "type": "DATETIME"},
        {"id": "l", "type": "ARRAY", "itemType": "BOOLEAN"},
    )
    given = {"l": '["true", false]', "at": "2026-01-01T01:00:00+01:00", "n": "5"}
    resolved = resolve_inputs(declared, given)
    assert list(resolved.items()) == [("n", 5), ("at", "2026-01-01T00:00:00.000000Z"), ("l", [True, False])]


@pytest.mark.parametrize(
    ("item", "value", "refusal"),
    [
        ({"type": "STRING", "validator": "[a-z]+"}, "abc1", "a: the whole text must match `[a-z]+`"),
        ({"type": "SECRET", "validator": "x.*"}, "yx", "a: the whole text must match"),
        ({"type": "INT", "min": 1, "max": 3}, 0, "a: must not be below `min` (1)"),
        ({"type": "INT", "min": 1, "max": 3}, "4", "a: must not be above `max` (3)"),
        ({"type": "FLOAT", "max": 1.5}, 1.51, "a: must not be above `max` (1.5)"),
        ({"type": "DURATION", "max": "PT1H"}, "PT61M", "a: must not be above `max` (PT1H)"),
        ({"type": "DATE", "after": "2024-01-01"}, "2023-12-31", "a: must not be below `after` (2024-01-01)"),
        ({"type": "TIME", "before": "09:00"}, "09:00:00.001", "a: must not be above `before` (09:00)"),
        (
            {"type": "DATETIME", "before": "2024-01-01T00:00:00Z"},
            "2024-01-01T00:00:00.5Z",
            "a: must not be above `before`",
        ),
        (
            {"type": "ENUM", "values": ["red", "blue"]},
            "rad",
            "a: not one of the choices; did you mean `red`?",
        ),
        (
            {"type": "SELECT", "values": ["x"], "required": False},
            "y",
            "a: not one of the choices; known here: x",
        ),
        ({"type": "MULTISELECT", "values": ["x", "y"]}, ["x", "z"], "a: items 1 are not among the choices"),
        ({"type": "ARRAY", "itemType": "INT"}, [1, "x"], "a[1]: expected a whole number"),
    ],
)
def test_limits(item: dict[str, Any], value: object, refusal: str) -> None:
    """A value outside its limits is refused, required or not."""
    (found,) = refusals(declare({"id": "a", **item}), {"a": value})
    assert refusal in found


@pytest.mark.parametrize(
    ("item", "value", "expected"),
    [
        ({"type": "INT", "min": 1, "max": 1}, 1, 1),
        ({"type": "DATE", "after": "2024-01-01", "before": "2024-01-01"}, "2024-01-01", "2024-01-01"),
        ({"type": "TIME", "after": "09:00", "before": "09:00:00"}, "09:00", "09:00:00"),
        ({"type": "DURATION", "min": "PT60M"}, "PT1H", 3600.0),
        ({"type": "ENUM", "values": [80, True]}, 80, "80"),
        ({"type": "SELECT", "values": ["x"], "allowCustomValue": True}, "y", "y"),
        ({"type": "SELECT", "values": ["", "x"]}, "", ""),
        ({"type": "MULTISELECT", "values": [1, 2], "itemType": "INT"}, "[2]", [2]),
        ({"type": "MULTISELECT", "values": ["x"], "allowCustomValue": True}, ["y"], ["y"]),
        ({"type": "STRING", "validator": "a|ab"}, "ab", "ab"),
    ],
)
def test_limits_include_their_bounds(item: dict[str, Any], value: object, expected: Plain) -> None:
    """Bounds belong to the range; choices are compared as text or as their item type."""
    assert resolve_inputs(declare({"id": "a", **item}), {"a": value}) == {"a": expected}


def test_missing_and_optional() -> None:
    """A required input must come; an optional one without value is null. Null counts as not given."""
    declared = declare({"id": "a", "type": "INT"}, {"id": "b", "type": "INT", "required": False})
    assert resolve_inputs(declared, {"a": 1, "b": None}) == {"a": 1, "b": None}
    assert refusals(declared, {"a": None}) == [
        "a: this required input is missing; send it, or give it `defaults`"
    ]


def test_empty_text() -> None:
    """Empty text is a value of STRING and SECRET, and means nothing was given elsewhere."""
    declared = declare({"id": "s", "type": "STRING"}, {"id": "n", "type": "INT", "defaults": 3})
    assert resolve_inputs(declared, {"s": "", "n": ""}) == {"s": "", "n": 3}
    assert refusals(declare({"id": "n", "type": "INT"}), {"n": ""})[0].startswith(
        "n: this required input is missing"
    )


def test_defaults_are_rendered_and_coerced() -> None:
    """A default with an expression is rendered, also inside a list, and then converted."""
    declared = declare(
        {"id": "a", "type": "STRING", "defaults": "{{ x|up }}"},
        {"id": "l", "type": "ARRAY", "itemType": "STRING", "defaults": ["{{ y|up }}", "z"]},
        {"id": "m", "type": "JSON", "defaults": {"k": "{{ y }}"}},
        {"id": "n", "type": "INT", "defaults": "{{ 7 }}"},
    )
    assert resolve_inputs(declared, {}, render=render) == {"a": "X", "l": ["Y", "z"], "m": {"k": "y"}, "n": 7}
    assert resolve_inputs(declared, {"a": "{{ raw }}", "l": [], "m": 1, "n": 1})["a"] == "{{ raw }}"


def test_what_callers_send_is_never_rendered() -> None:
    """A value with braces in it is data."""
    declared = declare({"id": "a", "type": "STRING"})
    assert resolve_inputs(declared, {"a": "{{ boom }}"}, render=render) == {"a": "{{ boom }}"}


def test_failing_expressions_are_problems() -> None:
    """An expression that fails, or cannot be rendered here, is a problem of its input."""
    declared = declare({"id": "a", "type": "INT", "defaults": "{{ boom }}"})
    assert refusals(declared, {}) == ["a: an expression of this input failed: `boom` is not defined"]
    with pytest.raises(InputsInvalid, match="expressions are not available here"):
        resolve_inputs(declared, {})


def test_choices_may_come_from_an_expression() -> None:
    """The expression of a SELECT or MULTISELECT renders a JSON list."""
    declared = declare(
        {"id": "a", "type": "SELECT", "expression": '{{ ["x", "y"] }}', "defaults": "y"},
        {"id": "b", "type": "MULTISELECT", "expression": "{{ [1] }}", "itemType": "INT"},
    )
    assert resolve_inputs(declared, {"b": [1]}, render=render) == {"a": "y", "b": [1]}
    assert len(refusals(declared, {"a": "z", "b": [2]})) == 2
    assert (
        "a list" in refusals(declare({"id": "a", "type": "SELECT", "expression": "{{ 5 }}"}), {"a": "x"})[0]
    )


def test_unknown_names_are_refused() -> None:
    """A name nobody declared is a problem with the nearest known name."""
    declared = declare({"id": "colour", "type": "STRING"})
    found = refusals(declared, {"color": "red"})
    assert found[0] == "color: there is no input `color`; did you mean `colour`?"
    assert found[1].startswith("colour: this required input is missing")


def test_problems_of_all_inputs_are_collected() -> None:
    """A caller learns everything at once."""
    declared = declare(*({"id": name, "type": "INT"} for name in "abc"))
    assert len(refusals(declared, {"a": "x", "c": 1.5, "d": 1})) == 4


def test_the_list_of_problems_ends() -> None:
    """Thousands of unknown names, or of wrong items, give a list somebody can read."""
    assert len(refusals((), {f"x{n}": n for n in range(5000)})) == PROBLEMS_MAX
    declared = declare({"id": "a", "type": "ARRAY", "itemType": "INT"})
    assert len(refusals(declared, {"a": ["x"] * 5000})) == PROBLEMS_MAX


def test_dotted_ids_nest() -> None:
    """Dotted ids form groups in the result, and may be given nested or with dots."""
    declared = declare(*({"id": name, "type": "INT"} for name in ("db.port", "db.pool.size", "n")))
    expected = {"db": {"port": 1, "pool": {"size": 2}}, "n": 3}
    assert resolve_inputs(declared, {"db": {"port": 1, "pool": {"size": 2}}, "n": 3}) == expected
    assert resolve_inputs(declared, {"db.port": 1, "db": {"pool.size": 2}, "n": 3}) == expected


def test_groups_are_checked() -> None:
    """A group must be a mapping, holds declared names only, and each value comes once."""
    declared = declare({"id": "db.port", "type": "INT", "required": False})
    assert refusals(declared, {"db": 5}) == ["db: expected a mapping of inputs, got a whole number"]
    assert refusals(declared, {"db": {"prt": 5}})[0].startswith(
        "db.prt: there is no input `db.prt`; did you mean"
    )
    assert refusals(declared, {"db": {"port": 1}, "db.port": 1})[0].endswith(
        "given twice, nested and with dots; send it once"
    )
    assert resolve_inputs(declared, {"db": None}) == {"db": {"port": None}}


CLOUD = (
    {"id": "region", "type": "STRING", "dependsOn": {"inputs": ["cloud"], "condition": "{{ cloud }}"}},
    {"id": "cloud", "type": "STRING"},
    {"id": "zone", "type": "STRING", "defaults": "{{ region|up }}", "dependsOn": {"inputs": ["region"]}},
)


def test_dependent_inputs_see_what_they_depend_on() -> None:
    """Inputs are resolved in the order of their dependencies, whatever the order of the text."""
    resolved = resolve_inputs(declare(*CLOUD), {"cloud": "true", "region": "eu"}, render=render)
    assert list(resolved.items()) == [("region", "eu"), ("cloud", "true"), ("zone", "EU")]


def test_inputs_whose_condition_fails_are_left_out() -> None:
    """A condition that is not `true` drops the input, what was given for it, and what depends on it."""
    assert resolve_inputs(declare(*CLOUD), {"cloud": "no", "region": "eu"}, render=render) == {"cloud": "no"}


def test_a_problem_is_reported_once() -> None:
    """Inputs that depend on a wrong one add no problems of their own."""
    assert len(refusals(declare(*CLOUD), {"cloud": []})) == 1


def outputs_of(items: list[dict[str, Any]], rendered: Mapping[str, object]) -> dict[str, Plain]:
    outputs, problems = parse_outputs([{"value": "x", **item} for item in items])
    assert problems == ()
    return resolve_outputs(outputs, rendered)


@pytest.mark.parametrize(
    ("item", "rendered", "expected"),
    [
        ({}, "5", "5"),
        ({}, 5, "5"),
        ({}, True, "true"),
        ({}, {"a": [1]}, '{"a":[1]}'),
        ({"type": "INT"}, "5", 5),
        ({"type": "ENUM"}, "x", "x"),
        ({"type": "SELECT"}, "x", "x"),
        ({"type": "STRING"}, "", ""),
        ({"type": "MULTISELECT"}, '["x"]', ["x"]),
        ({"type": "ARRAY"}, ["5", 5], ["5", 5]),
        ({"type": "ARRAY", "itemType": "INT"}, '["5"]', [5]),
        ({"type": "JSON"}, '{"a": 1}', {"a": 1}),
    ],
)
def test_outputs_are_coerced(item: dict[str, Any], rendered: object, expected: Plain) -> None:
    """A typed output is converted like an input; without a type it is text."""
    found = outputs_of([{"id": "a", **item}], {"a": rendered})
    assert found == {"a": expected}
    assert type(found["a"]) is type(expected)


@pytest.mark.parametrize(
    ("item", "rendered"),
    [({}, None), ({"type": "INT", "required": False}, ""), ({"type": "JSON", "required": False}, None)],
)
def test_an_output_without_a_value_is_left_out(item: dict[str, Any], rendered: object) -> None:
    """As in the engines there is no entry, rather than one that is null."""
    assert outputs_of([{"id": "a", **item}], {"a": rendered}) == {}


def test_output_problems_are_collected() -> None:
    """Values that do not fit, and required ones without value, are reported together."""
    number = {"id": "a", "type": "INT"}
    with pytest.raises(OutputsInvalid) as caught:
        outputs_of(
            [number, {"id": "b", "type": "ARRAY", "itemType": "INT"}, {**number, "id": "c"}],
            {"a": "x", "b": ["y"]},
        )
    assert [problem.path for problem in caught.value.problems] == [("a",), ("b", 0), ("c",)]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["5", "x", "[1]"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "b.c", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
ALL = declare(
    {"id": "a", "type": "INT", "required": False, "min": 0},
    {"id": "b.c", "type": "ARRAY", "itemType": "STRING", "required": False},
    {"id": "b.d", "type": "SELECT", "values": ["x", "5"], "required": False},
    {"id": "e", "type": "DURATION", "defaults": "PT90M"},
)


@given(st.dictionaries(st.sampled_from(["a", "b", "b.c", "b.d", "e", "f"]), values, max_size=4))
def test_resolving_again_changes_nothing(given: dict[str, object]) -> None:
    """What callers send is refused or resolved; what was resolved is JSON and resolves to itself."""
    try:
        once = resolve_inputs(ALL, given)
    except InputsInvalid:
        return
    assert json.loads(json.dumps(once)) == once
    assert resolve_inputs(ALL, once) == once
