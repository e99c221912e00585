"""Notations: number and date patterns, regular expressions, YAML, Ion and jq.

The facts in `java_formats.json` were measured on JDK 17, those in `jq_programs.json` on libjq.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from hookledger.runtime.expressions import ExpressionError, render
from hookledger.runtime.expressions.formats.jq import compiled, run_jq
from hookledger.runtime.expressions.run import plain_run
from hookledger.runtime.expressions.values import Value, made

DATA = Path(__file__).resolve().parents[2] / "data"
FACTS: list[dict[str, Any]] = json.loads((DATA / "java_formats.json").read_text())
JQ: dict[str, Any] = json.loads((DATA / "jq_programs.json").read_text())

TEMPLATES = {
    "number": "{{ number | numberFormat(pattern) }}",
    "double": "{{ number }}",
    "date": "{{ value | date(pattern, timeZone=zone, locale=locale) }}",
    "parse": "{{ value | date('iso_instant', existingFormat=pattern) }}",
    "split": "{{ '' ~ (value | split(pattern, limit)) }}",
    "replace": "{{ value | regexReplace(pattern, replacement) }}",
}


def number(text: str) -> int | float:
    """A number as the facts write it: an L marks whole ones."""
    return int(text[:-1]) if text.endswith("L") else float(text)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_notation_is_that_of_java(kind: str) -> None:
    """
    Patterns, doubles and regular expressions give what Java gives, and fail where Java fails.
    """
    facts = [one for one in FACTS if one["kind"] == kind]
    assert len(facts) > 30
    for fact in facts:
        variables = dict(fact)
        if kind in ("number", "double"):
            variables["number"] = number(fact["value"])
        try:
            text = render(TEMPLATES[kind], variables)
        except ExpressionError:
            text = "ERR"
        assert text == fact["text"], fact


@pytest.mark.parametrize("fact", JQ["programs"], ids=lambda fact: str(fact["program"])[:40])
def test_a_jq_program_gives_what_jq_gives(fact: dict[str, Any]) -> None:
    """
    The outputs are those of libjq, in the same order; where it fails, so do we.
    """
    if fact["outputs"] is None:
        with pytest.raises(ExpressionError):
            run_jq(plain_run(), compiled(fact["program"]), JQ["input"])
    else:
        assert run_jq(plain_run(), compiled(fact["program"]), JQ["input"]) == fact["outputs"]


@pytest.mark.parametrize(
    "program",
    [
        "env",
        "$ENV",
        "$ENV.PATH",
        "now",
        "input",
        "inputs",
        "debug",
        "input_filename",
        'import "a" as a; .',
        "halt",
    ],
)
def test_a_jq_program_sees_its_input_only(program: str) -> None:
    """
    What would look at the environment, a clock, files or further inputs is refused.
    """
    with pytest.raises(ExpressionError, match="available"):
        run_jq(plain_run(), compiled(program), {})


YAML: dict[str, Value] = {
    "plain\n": "plain",
    "1\n": 1,
    "true\n": True,
    '"true"\n': "true",
    "5\n": "5",
    '--- ""\n': "",
    " - string\n - 1\n - 1.123\n": ["string", 1, 1.123],
    "a: 1\nb:\n  c: null\n": {"a": 1, "b": made({"c": None})},
    "l:\n -\n  a: 1\n  b: 2\n -\n   - 3\n": {"l": [{"a": 1, "b": 2}, [3]]},
    "a: {}\nb: []\n": {"a": {}, "b": []},
    's: "a: b"\nt: \'- x\'\nu: "#x"\nv: "x #y"\n': {"s": "a: b", "t": "- x", "u": "#x", "v": "x #y"},
    "s: |-\n  a\n  b\n": {"s": "a\nb"},
    "s: |\n  a\n  b\n": {"s": "a\nb\n"},
    '"yes": "no"\n': {"yes": "no"},
}


@pytest.mark.parametrize("text", YAML)
def test_yaml_is_written_with_few_quotes(text: str) -> None:
    """
    Dashes stand one space in, and text is quoted only where a reader would mistake it.
    """
    assert render("{{ x | yaml }}", {"x": YAML[text]}) == text


READ: dict[str, Value] = {
    "": None,
    "a: 1": {"a": 1},
    "a: yes\nb: on\nc: no": {"a": True, "b": True, "c": False},
    "a: 12:30\nb: 2031-07-04\nc: 0o7\nd: 0x1f": {"a": "12:30", "b": "2031-07-04", "c": "0o7", "d": 31},
    "a: ~\nb:\nc: Null": {"a": None, "b": None, "c": None},
    "a: '1'\nb: !!str 2": {"a": "1", "b": "2"},
    "a: 1_000\nb: 1.5\nc: .5\nd: -3": {"a": 1000, "b": 1.5, "c": 0.5, "d": -3},
    "a: &x [1]\nb: *x": {"a": [1], "b": [1]},
    "- a\n- {b: c}\n": ["a", {"b": "c"}],
    "one\n---\ntwo": "one",
    "1: x": {"1": "x"},
}


@pytest.mark.parametrize("text", READ)
def test_yaml_is_read_without_surprises(text: str) -> None:
    """
    Only true, false, null and plain decimal numbers are not text.
    """
    assert render("{{ yaml(t) | toJson }}", {"t": text}) == render("{{ x | toJson }}", {"x": READ[text]})


ION: dict[str, str] = {
    '{a:1,b:"x"}': '{"a":1,"b":"x"}',
    "[1, 2.5, 1e3, null, null.string, true]": "[1,2.5,1000.0,null,null,true]",
    "a::{'b c': (1 2), // comment\n d: 2031-07-04T09:05Z}": '{"b c":[1,2],"d":"2031-07-04T09:05:00Z"}',
    "'''long ''' '''text'''": '"long text"',
    '"\\u00e9\\n\\x41"': '"é\\nA"',
    "0x1F": "31",
    "12d2": "1200",
    "sym": '"sym"',
    "{{aGk=}}": '"aGk="',
    "": "null",
}


@pytest.mark.parametrize("text", ION)
def test_ion_is_read_as_plain_data(text: str) -> None:
    """
    Symbols and timestamps are text, annotations are read over, decimals are doubles.
    """
    assert render("{{ fromIon(t) | toJson }}", {"t": text}) == ION[text]


@pytest.mark.parametrize("text", ["{a:1", "[1 2]", "{a 1}", '"x', "=", "{{aGk="])
def test_what_is_no_ion_is_refused(text: str) -> None:
    """
    Broken Ion is an error of ours.
    """
    with pytest.raises(ExpressionError):
        render("{{ fromIon(t) }}", {"t": text})


def test_ion_that_is_written_can_be_read() -> None:
    """
    Writing and reading gives the same value.
    """
    value: Value = {"a": [1, -2.5, None, True, "x'\"\\\n"], "b c": {}, "null": [], "d": 1e300}
    assert render("{{ fromIon(x | toIon) == x }}", {"x": value}) == "true"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ '12' | number | className }}", "java.lang.Integer"),
        ("{{ '3000000000' | number | className }}", "java.lang.Long"),
        ("{{ '9.5' | number | className }}", "java.lang.Float"),
        ("{{ '1234567.89' | number | className }}", "java.lang.Double"),
        ("{{ '1.12345678' | number | className }}", "java.lang.Double"),
        ("{{ '1.12345678901234567890' | number | className }}", "java.math.BigDecimal"),
        ("{{ '0.1' | number }}", "0.1"),
        ("{{ ('0.1' | number) + 1 }}", "1.1"),
        ("{{ ('1.1' | number) * 3 }}", "3.3000002"),
        ("{{ '010' | number('INT') }}", "8"),
        ("{{ '-0x10' | number }}", "-16"),
        ("{{ '12L' | number }}", "12"),
        ("{{ '1.10' | number('BIGDECIMAL') }}", "1.10"),
        ("{{ ('1.1' | number('BIGDECIMAL')) + 2 }}", "3.1"),
        ("{{ ('1' | number('BIGDECIMAL')) / 3 }}", "0.3333333333333333333333333333333333"),
        ("{{ '123456789012345678901234567890' | number('BIGINTEGER') }}", "123456789012345678901234567890"),
        ("{{ '3000000000' | number('INT') }}", None),
        ("{{ ' 1' | number }}", None),
        ("{{ '' | number }}", None),
        ("{{ '1,5' | number }}", None),
        ("{{ '099' | number('INT') }}", None),
        ("{{ 9007199254740993 == 9007199254740992 }}", "true"),
        (
            "{{ '2031-10-26T02:30' | dateAdd(1, 'DAYS', timeZone='Europe/Paris') }}",
            "2031-10-27T02:30:00.000000+01:00",
        ),
        ("{{ '2031-03-30T02:30' | date(timeZone='Europe/Paris') }}", "2031-03-30T03:30:00.000000+02:00"),
        (
            "{{ '2031-10-26T02:30+01:00[Europe/Paris]' | date('iso_zoned_date_time', timeZone='Europe/Paris') }}",
            "2031-10-26T02:30:00+01:00[Europe/Paris]",
        ),
        ("{{ '2031-07-04T09:05:03.123456789Z' | timestampNano }}", "1940922303123456789"),
        ("{{ '1969-12-31T23:59:59.5Z' | timestampMilli }}", "-500"),
        ("{{ '2031-185' | date('iso_local_date', existingFormat='iso_ordinal_date') }}", "2031-07-04"),
        ("{{ '2031-W27-5' | date('iso_local_date', existingFormat='iso_week_date') }}", "2031-07-04"),
        ("{{ '2031-07-04' | date('iso_week_date') }}", "2031-W27-5Z"),
        ("{{ '2031-13-04' | date }}", None),
        ("{{ '2031-07-04T25:00' | date }}", None),
        ("{{ true | date }}", None),
        ("{{ '2031-07-04' | date('MMMM', locale='../x') }}", None),
    ],
)
def test_numbers_and_dates_at_their_edges(template: str, expected: str | None) -> None:
    """
    Kinds of numbers, rounding, gaps and overlaps of summer time, fractions, and what is refused.
    """
    if expected is None:
        with pytest.raises(ExpressionError):
            render(template, {})
    else:
        assert render(template, {}) == expected
