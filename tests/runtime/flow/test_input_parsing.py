"""Declaring inputs and outputs: what is read, and every mistake with its path."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.runtime.flow.inputs import (
    INPUT_TYPES,
    AnyInput,
    ArrayInput,
    DateInput,
    DependsOn,
    Input,
    IntInput,
    MultiselectInput,
    Output,
    SelectInput,
    StringInput,
    parse_inputs,
    parse_outputs,
)
from hookledger.runtime.flow.source import load


def mistakes(*items: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in parse_inputs(list(items))[1]]


def test_all_types_of_the_language_are_known() -> None:
    """The input types are those of the language, and nothing else."""
    names = "ARRAY BOOLEAN DATE DATETIME DURATION EMAIL ENUM FILE FLOAT INT JSON MULTISELECT"
    assert sorted(INPUT_TYPES) == [*names.split(), "SECRET", "SELECT", "STRING", "TIME", "URI", "YAML"]
    assert all(issubclass(cls, Input) for cls in INPUT_TYPES.values())


def test_inputs_are_read_from_yaml() -> None:
    """Types, limits and common properties come from the flow's text; input is required by default."""
    text = """
- {id: a, type: STRING, validator: '[a-z]+', displayName: A, description: first}
- {id: g.n, type: INT, min: 1, max: 9, required: false, defaults: 5}
- {id: d, type: DATE, after: 2024-01-01, dependsOn: {inputs: [a], condition: "{{ inputs.a == 'x' }}"}}
- {id: s, type: SELECT, values: [80, 443, true], isRadio: true, allowCustomValue: true}
- {id: m, type: MULTISELECT, options: [1, 2], itemType: INT, defaults: [1]}
- {id: l, type: ARRAY, itemType: DURATION}
"""
    inputs, problems = parse_inputs(load(text).data)
    assert problems == ()
    assert inputs == (
        StringInput(id="a", validator="[a-z]+", display_name="A", description="first"),
        IntInput(id="g.n", min=1, max=9, required=False, defaults=5),
        DateInput(
            id="d", after="2024-01-01", depends_on=DependsOn(inputs=("a",), condition="{{ inputs.a == 'x' }}")
        ),
        SelectInput(id="s", values=(80, 443, True), is_radio=True, allow_custom_value=True),
        MultiselectInput(id="m", options=(1, 2), item_type="INT", defaults=[1]),
        ArrayInput(id="l", item_type="DURATION"),
    )
    assert [one.required for one in inputs] == [True, False, True, True, True, True]


@pytest.mark.parametrize(
    ("text", "value"), [("false", False), ("False", False), ("FALSE", False), ("TRUE", True)]
)
def test_a_quoted_no_is_a_no(text: str, value: bool) -> None:
    """What is yes or no of an input or output reads the same in quotes, also deeper down and `FALSE`."""
    inputs, problems = parse_inputs(
        [
            {"id": "a", "type": "STRING", "required": text},
            {"id": "s", "type": "SELECT", "values": ["x"], "isRadio": text, "allowCustomValue": text},
        ]
    )
    outputs, others = parse_outputs([{"id": "o", "type": "STRING", "required": text, "value": "x"}])
    assert (problems, others) == ((), ())
    select = inputs[1]
    assert isinstance(select, SelectInput)
    assert (select.is_radio, select.allow_custom_value) == (value, value)
    assert [inputs[0].required, outputs[0].required] == [value, value]


@pytest.mark.parametrize("data", [None, []])
def test_no_inputs(data: object) -> None:
    """A flow without inputs or outputs is fine."""
    assert parse_inputs(data) == ((), ())
    assert parse_outputs(data) == ((), ())


@pytest.mark.parametrize(
    ("item", "mistake"),
    [
        ({"id": "a"}, "inputs[0].type: `type` is missing; known here: ARRAY"),
        ({"id": "a", "type": "string"}, "inputs[0].type: unknown type `string`; did you mean `STRING`?"),
        ({"id": "a", "type": 5}, "inputs[0].type: unknown type `5`; known here"),
        ({"type": "INT"}, "inputs[0].id: `id` is missing; add it"),
        (
            {"id": "a", "type": "INT", "minn": 1},
            "inputs[0].minn: unknown property `minn`; did you mean `min`?",
        ),
        ({"id": "a", "type": "BOOLEAN", "max": 1}, "inputs[0].max: unknown property `max`"),
        ({"id": "a", "type": "INT", "min": "1"}, "inputs[0].min: expected a whole number, got text"),
        ({"id": "a", "type": "INT", "min": 2, "max": 1}, "inputs[0].min: `min` lies above `max`"),
        (
            {"id": "a", "type": "INT", "required": "no"},
            "inputs[0].required: expected true or false, got text",
        ),
        ({"id": "a b", "type": "INT"}, "inputs[0].id: an id is letters"),
        ({"id": "a..b", "type": "INT"}, "inputs[0].id: an id is letters"),
        ({"id": "a.", "type": "INT"}, "inputs[0].id: an id is letters"),
        ({"id": "é", "type": "INT"}, "inputs[0].id: an id is letters"),
        (
            {"id": "a", "type": "INT", "displayName": "x" * 65},
            "inputs[0].displayName: longer than 64 characters",
        ),
        ({"id": "a", "type": "STRING", "validator": "("}, "inputs[0].validator: not a regular expression"),
        ({"id": "a", "type": "STRING", "validator": "[[a]"}, "inputs[0].validator: not a regular expression"),
        ({"id": "a", "type": "DATE", "after": "soon"}, "inputs[0].after: expected a date such as"),
        (
            {
                "id": "a",
                "type": "DATETIME",
                "after": "2024-01-01T00:00:00.5Z",
                "before": "2024-01-01T00:00:00Z",
            },
            "inputs[0].after: `after` lies above `before`",
        ),
        ({"id": "a", "type": "DURATION", "max": "5m"}, "inputs[0].max: not a duration: `m` could be"),
        ({"id": "a", "type": "SELECT"}, "inputs[0]: there is nothing to choose from; add `values`"),
        (
            {"id": "a", "type": "ENUM", "expression": "{{ x }}", "values": ["a"]},
            "unknown property `expression`",
        ),
        (
            {"id": "a", "type": "SELECT", "expression": "{{ x }}", "values": ["a"]},
            "inputs[0].expression: choices",
        ),
        ({"id": "a", "type": "SELECT", "values": [{"x": 1}]}, "inputs[0].values[0]: expected "),
        ({"id": "a", "type": "ARRAY"}, "inputs[0].itemType: `itemType` is missing; add it"),
        (
            {"id": "a", "type": "ARRAY", "itemType": "ARRAY"},
            "inputs[0].itemType: `ARRAY` is no type of an item",
        ),
        ({"id": "a", "type": "ARRAY", "itemType": "int"}, "did you mean `INT`?"),
        (
            {"id": "a", "type": "MULTISELECT", "itemType": "INT", "values": ["b"]},
            "inputs[0].values: not every choice",
        ),
        (
            {"id": "a", "type": "MULTISELECT", "itemType": "X", "values": ["b"]},
            "inputs[0].itemType: `X` is no type",
        ),
        (
            {"id": "a", "type": "INT", "defaults": "x"},
            "inputs[0].defaults: expected a whole number such as 42",
        ),
        (
            {"id": "a", "type": "INT", "max": 5, "defaults": 6},
            "inputs[0].defaults: must not be above `max` (5)",
        ),
        (
            {"id": "a", "type": "ARRAY", "itemType": "INT", "defaults": [1, "b"]},
            "inputs[0].defaults[1]: expected a",
        ),
        ({"id": "a", "type": "ENUM", "values": ["red"], "defaults": "rad"}, "did you mean `red`?"),
        (
            {"id": "a", "type": "INT", "dependsOn": {"input": ["a"]}},
            "inputs[0].dependsOn.input: unknown property",
        ),
        (
            {"id": "a", "type": "INT", "dependsOn": {"inputs": ["b"]}},
            "inputs[0].dependsOn.inputs[0]: there is no",
        ),
        (
            {"id": "a", "type": "INT", "dependsOn": {"inputs": ["a"]}},
            "inputs[0].dependsOn: these inputs wait",
        ),
    ],
)
def test_mistakes_have_paths(item: dict[str, Any], mistake: str) -> None:
    """Each mistake names its property and what to do."""
    (found,) = mistakes(item)
    assert mistake in found


def test_expressions_are_judged_later() -> None:
    """A default or a choice that is an expression is not checked before it is rendered."""
    assert mistakes({"id": "a", "type": "INT", "defaults": "{{ now() }}"}) == []
    assert mistakes({"id": "a", "type": "SELECT", "expression": "{{ x }}", "defaults": "b"}) == []


def test_mistakes_of_all_inputs_are_collected() -> None:
    """One wrong entry does not hide the next, and good ones are still returned."""
    inputs, problems = parse_inputs(
        ["x", {"id": "a", "type": "INT"}, {"id": "b", "type": "INT", "x": 1, "min": "a"}]
    )
    assert [one.id for one in inputs] == ["a"]
    assert [problem.path for problem in problems] == [("inputs", 0), ("inputs", 2, "x"), ("inputs", 2, "min")]
    assert (
        str(parse_inputs({"a": 1})[1][0])
        == "inputs: expected a list, got a mapping; begin each entry with `- id:`"
    )


def test_ids_are_unique() -> None:
    """An id stands once, and a dotted one does not nest in a value."""
    one, two, three = ({"id": name, "type": "INT"} for name in ("a", "a.b", "a"))
    assert mistakes(one, three) == ["inputs[1].id: the id `a` stands twice; rename one"]
    assert mistakes(two, one) == [
        "inputs[1].id: `a` cannot be a value and a group of others such as `a.x`; rename one"
    ]


def test_dependencies_on_a_wrong_input_are_no_mistake() -> None:
    """An id that exists in an entry with other mistakes is not called unknown."""
    needs = {"id": "b", "type": "INT", "dependsOn": {"inputs": ["a"]}}
    (found,) = mistakes({"id": "a", "type": "IMT"}, needs)
    assert found == "inputs[0].type: unknown type `IMT`; did you mean `INT`?"


def test_cycles_are_named() -> None:
    """Inputs that wait for each other are refused when the flow is loaded."""
    steps = {"a": "b", "b": "c", "c": "a"}
    items = [{"id": one, "type": "INT", "dependsOn": {"inputs": [other]}} for one, other in steps.items()]
    (found,) = mistakes(*items)
    assert re.search("these inputs wait for each other: (a -> b -> c|b -> c -> a|c -> a -> b) -> ", found)


def test_places_come_from_the_document() -> None:
    """A mistake's path leads to its line: unknown properties to the key, wrong values to the value."""
    text = "inputs:\n  - id: a\n    type: INT\n    minn: 1\n    max: x\n"
    document = load(text, file="f.yaml")
    assert isinstance(document.data, dict)
    _, problems = parse_inputs(document.data["inputs"])
    assert [str(document.locate(problem)).split(": ")[0] for problem in problems] == [
        "f.yaml:4:5",
        "f.yaml:5:10",
    ]


def test_outputs_are_read() -> None:
    """An output needs an id and a value; its type is optional."""
    outputs, problems = parse_outputs(
        [{"id": "a", "value": "{{ x }}"}, {"id": "b", "type": "ARRAY", "itemType": "INT", "value": [1]}]
    )
    assert problems == ()
    assert outputs == (
        Output(id="a", value="{{ x }}"),
        Output(id="b", type="ARRAY", item_type="INT", value=[1]),
    )


@pytest.mark.parametrize(
    ("item", "mistake"),
    [
        ({"id": "a"}, "outputs[0].value: `value` is missing; add it"),
        ({"id": "a", "value": 1, "type": "Int"}, "outputs[0].type: unknown type `Int`; did you mean `INT`?"),
        (
            {"id": "a", "value": 1, "type": "ARRAY", "itemType": "Int"},
            "outputs[0].itemType: `Int` is no type",
        ),
        ({"id": "a b", "value": 1}, "outputs[0].id: an id is letters"),
        (
            {"id": "a", "value": 1, "typ": "INT"},
            "outputs[0].typ: unknown property `typ`; did you mean `type`?",
        ),
    ],
)
def test_output_mistakes(item: dict[str, Any], mistake: str) -> None:
    """Outputs are checked like inputs."""
    (found,) = parse_outputs([item])[1]
    assert mistake in str(found)


def test_output_ids_are_unique() -> None:
    """Two outputs of one name are refused."""
    (found,) = parse_outputs([{"id": "a", "value": 1}] * 2)[1]
    assert str(found) == "outputs[1].id: the id `a` stands twice; rename one"


def test_declarations_survive_json() -> None:
    """A declaration can be stored: its JSON carries the type and is read back equal."""
    declared = MultiselectInput(
        id="m", values=(1, "b"), item_type="STRING", depends_on=DependsOn(inputs=("a",))
    )
    text = msgspec.json.encode(declared)
    assert b'"type":"MULTISELECT"' in text
    assert msgspec.json.decode(text, type=AnyInput) == declared


PROPERTIES = [
    "after",
    "defaults",
    "dependsOn",
    "id",
    "itemType",
    "min",
    "required",
    "type",
    "validator",
    "values",
]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(sorted(INPUT_TYPES)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PROPERTIES), inner, max_size=5)
    ),
    max_leaves=15,
)
typed = st.fixed_dictionaries(
    {"id": st.text("ab.", max_size=3), "type": st.sampled_from(sorted(INPUT_TYPES))},
    optional={
        "defaults": junk,
        "values": junk,
        "min": junk,
        "after": junk,
        "validator": st.text("[a-z]+(?)", max_size=6),
    },
)


@given(junk | st.lists(typed))
def test_no_data_raises(data: object) -> None:
    """Whatever stands in a flow, reading it returns inputs and problems, and every problem has a path."""
    for parse in (parse_inputs, parse_outputs):
        _, problems = parse(data)
        assert all(problem.path for problem in problems)
