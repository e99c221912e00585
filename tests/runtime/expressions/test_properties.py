"""What holds for every template: rendering is pure, and only our own errors come out."""

import copy
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookledger.runtime.expressions import Ambient, ExpressionError, Limits, Ports, check, render
from hookledger.runtime.expressions.library import FILTERS, FUNCTIONS, TESTS
from hookledger.runtime.expressions.template import Template

CASES = json.loads((Path(__file__).resolve().parents[2] / "data" / "expressions.json").read_text())
SMALL = Limits(steps_max=20_000, text_chars_max=100_000, items_max=10_000, regex_seconds_max=0.1)
NET = "this cannot be computed"
T = TypeVar("T")

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
variables = st.fixed_dictionaries({"a": data, "b": data, "s": st.text(max_size=20), "n": st.integers()})

literals = st.sampled_from(
    (
        *("1", "2.5", "'x'", '"#{a}"', "true", "null", "[a, 1]", "{'k': b}", "a", "b", "s", "n", "ghost"),
        *("a.b", "a[0]", "now()", "uuid()", "randomInt(1, 9)", "'2031-07-04'", "'a,b'", "'[1]'"),
        *("loop.index", "f(1)"),
    )
)
operators = st.sampled_from(
    ["+", "-", "*", "/", "%", "~", "..", "==", "!=", "<", ">=", "contains", "isIn", "and", "or", "??", "???"]
)


def call(name: str, arguments: list[str]) -> str:
    """A name with arguments in parentheses, or without."""
    return f"{name}({', '.join(arguments)})" if arguments else name


def expressions(depth: int = 3) -> st.SearchStrategy[str]:
    """Expressions that parse, most of them."""
    if depth == 0:
        return literals
    inner = expressions(depth - 1)
    some = st.lists(inner, max_size=2)
    return st.one_of(
        literals,
        st.tuples(inner, operators, inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(inner, st.sampled_from(sorted(FILTERS)), some).map(
            lambda p: f"({p[0]} | {call(p[1], p[2])})"
        ),
        st.tuples(inner, st.sampled_from(sorted(TESTS))).map(lambda p: f"({p[0]} is {p[1]})"),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), some).map(lambda p: f"{p[0]}({', '.join(p[1])})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
        st.tuples(st.sampled_from(["not ", "-", "+"]), inner).map("".join),
        inner.map(lambda one: f"{one}.k"),
    )


bodies = st.one_of(
    st.text(max_size=8),
    expressions().map(lambda one: "{{ " + one + " }}"),
    st.tuples(expressions(2), expressions(1)).map(lambda p: f"{{% set v = {p[0]} %}}{{{{ v ~ {p[1]} }}}}"),
    st.tuples(expressions(1), expressions(2)).map(
        lambda p: f"{{% for x in {p[0]} %}}{{{{ {p[1]} }}}}{{% endfor %}}"
    ),
    st.tuples(expressions(2), expressions(1)).map(
        lambda p: f"{{% if {p[0]} %}}{{{{ {p[1]} }}}}{{% else %}}e{{% endif %}}"
    ),
    expressions(2).map(lambda one: "{% macro f(a) %}{{ " + one + " }}{% endmacro %}{{ f(2) }}"),
    expressions(2).map(lambda one: '{% block "b" %}{{ ' + one + " }}{% endblock %}{{ block('b') }}"),
    expressions(2).map(lambda one: "{% filter upper | trim %}{{ " + one + " }}{% endfilter %}"),
)
templates = st.lists(bodies, min_size=1, max_size=3).map("".join)
mutated = st.tuples(
    st.sampled_from([case["template"] for case in CASES]),
    st.integers(0, 60),
    st.text("{}%#|'\"()[]-~?.a1 ", max_size=4),
).map(lambda p: p[0][: p[1]] + p[2] + p[0][p[1] + len(p[2]) // 2 :])
anything = st.text("{}%#|'\"()[]-+~?:.,=ab1 \n", max_size=40)


def ambient() -> Ambient:
    """A clock that stands still and a source of randomness with a seed."""
    return Ambient(Ports(clock=lambda: datetime(2031, 7, 4, tzinfo=UTC), random=random.Random(7)))


def outcome(template: str, values: dict[str, object], around: Ambient) -> str:
    """The text of a template, or its error."""
    try:
        return render(template, values, around, limits=SMALL)
    except ExpressionError as error:
        if NET in error.message:
            raise AssertionError(f"an unforeseen {error.__cause__!r}") from error
        return f"error {error}"


many = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@many
@given(templates, variables)
def test_rendering_is_a_pure_function(template: str, values: dict[str, object]) -> None:
    """
    Twice is the same as once, a replay of the recorded values gives the same text, and no variable is changed.
    """
    before = copy.deepcopy(values)
    first = ambient()
    text = outcome(template, values, first)
    assert repr(values) == repr(before)
    assert outcome(template, values, ambient()) == text
    if not text.startswith("error"):
        record = json.loads(json.dumps(first.drawn))
        assert outcome(template, values, Ambient.replay(record)) == text


@many
@given(st.one_of(mutated, anything, templates), variables)
def test_only_our_errors_come_out(template: str, values: dict[str, object]) -> None:
    """
    Whatever the template is, the outcome is text or an ExpressionError, and `check` never raises.
    """
    problems = check(template)
    text = outcome(template, values, ambient())
    assert isinstance(text, str)
    if problems:
        assert text.startswith("error")


@many
@given(st.text(max_size=60))
def test_text_without_braces_is_itself(text: str) -> None:
    """
    A text without an opening brace is returned unchanged.
    """
    plain = text.replace("{", "")
    assert render(plain, {}) == plain


@many
@given(data)
def test_json_that_is_printed_can_be_read(value: object) -> None:
    """
    Printing as JSON and reading it gives what was there, but for null entries, NaN and infinity.
    """
    printed = Template("{{ x | toJson }}").render({"x": value}, limits=SMALL)
    again = Template("{{ fromJson(x) | toJson }}").render({"x": printed}, limits=SMALL)
    assert again == printed


@many
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_printed_exactly(value: float) -> None:
    """
    The digits of a double mean the same double again.
    """
    assert float(render("{{ x }}", {"x": value})) == value
