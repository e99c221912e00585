"""What other parts and embedding programs may rely on."""

from pathlib import Path

import pytest

from hookledger.runtime import expressions
from hookledger.runtime.expressions import (
    CaseInsensitive,
    ExpressionError,
    LimitExceeded,
    Limits,
    render,
    render_value,
    truthy,
)
from hookledger.runtime.expressions import compile as compile_template
from hookledger.runtime.expressions.errors import ADVICE

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_public_names_are_these() -> None:
    """
    A wider surface is a visible change of this list.
    """
    assert expressions.__all__ == [
        "Ambient",
        "AmbientUnavailable",
        "CaseInsensitive",
        "ExpressionError",
        "ExpressionSyntaxError",
        "LimitExceeded",
        "Limits",
        "MissingValue",
        "Ports",
        "Problem",
        "Randomness",
        "Review",
        "Template",
        "WrongValue",
        "check",
        "compile",
        "render",
        "render_value",
        "review",
        "truthy",
    ]


@pytest.mark.skipif(not DOCS.exists(), reason="the tests stand alone, without the documentation")
@pytest.mark.parametrize("code", sorted(ADVICE))
def test_every_error_code_has_its_page(code: str) -> None:
    """
    The page says what causes the error, how to confirm that, and how to fix it.
    """
    page = (DOCS / "errors" / f"{code}.md").read_text()
    assert page.startswith(f"# {code}: ")
    assert "## Cause" in page
    assert "## How to confirm" in page
    assert "## How to fix" in page


def test_a_template_is_compiled_once() -> None:
    """
    The same text gives the same compiled template.
    """
    assert compile_template("{{ once }}") is compile_template("{{ once }}")


def test_a_template_says_what_it_uses() -> None:
    """
    Names are those looked up among the variables; functions are those called; both without rendering.
    """
    template = compile_template("{% set n = now() %}{% for x in items %}{{ x.a ~ n ~ limit }}{% endfor %}")
    assert template.names == {"items", "limit"}
    assert template.functions == {"now"}
    assert not template.is_static
    assert template.source.startswith("{% set")


def test_what_a_macro_reads_are_its_arguments() -> None:
    """
    Names inside a macro are not looked up among the variables.
    """
    assert compile_template("{% macro f(p) %}{{ p }}{{ q }}{% endmacro %}{{ f(r) }}").names == {"r"}


@pytest.mark.parametrize("text", ["", "plain", "{ no tag }", "{% raw %}{{ x }}{% endraw %}", "a{# b #}"])
def test_a_template_without_expressions_is_static(text: str) -> None:
    """
    Static means: the same text whatever the variables are.
    """
    assert compile_template(text).is_static


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ n }}", 3),
        ("{{ l }}", [1, None]),
        ("{{ z }}", None),
        ("{{ n > 2 }}", True),
        ("{{ n }}a", "3a"),
        (" {{ n }}", " 3"),
        ("a{{ z }}b", "ab"),
        ("plain", "plain"),
    ],
)
def test_one_expression_alone_keeps_its_type(template: str, value: object) -> None:
    """
    A template that is exactly one expression evaluates to that value, any other to its text.
    """
    assert compile_template(template).evaluate({"n": 3, "l": [1, None], "z": None}) == value


def test_a_tree_is_rendered_to_its_leaves() -> None:
    """
    Keys and texts are rendered, other types stay, and of two keys that become the same the first wins.
    """
    tree = {"a{{ n }}": ["{{ n }}", 2, None, True], "{{ k }}": 1, "x": 2}
    assert render_value(tree, {"n": 1, "k": "x"}) == {"a1": ["1", 2, None, True], "x": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, False),
        ("", False),
        ("false", False),
        ("0", False),
        ("-0", False),
        ("true", True),
        (" ", False),
        ("false\n", False),
        ("0.0", True),
        ("\x1f\tfalse ", False),
        ("\u00a0", True),
    ],
)
def test_a_condition_of_a_task_is_judged_by_its_text(text: str | None, expected: bool) -> None:
    """
    False are null, the empty text, false, 0 and -0, whatever white space is around them; everything else is true.
    """
    assert truthy(text) is expected


def test_header_names_are_found_in_any_case() -> None:
    """
    Looking up ignores case; the name shown is the sender's; a missing one is missing.
    """
    variables = {"trigger": {"headers": CaseInsensitive({"Content-Type": ["a"], "X-Sig": ["b"]})}}
    assert render("{{ trigger.headers['content-type'][0] }}", variables) == "a"
    assert render("{{ trigger.headers['X-SIG'][0] }}", variables) == "b"
    assert render("{{ trigger.headers['x-none'] ?? 'd' }}", variables) == "d"
    assert render("{{ trigger.headers | keys }}", variables) == '["Content-Type","X-Sig"]'


def test_limits_can_be_chosen() -> None:
    """
    A caller may allow less, or more, than the default.
    """
    with pytest.raises(LimitExceeded):
        render("{{ range(1, 100) }}", {}, limits=Limits(items_max=10))
    assert render("{{ range(1, 3) }}", {}, limits=Limits(items_max=10)) == "[1,2,3]"


def test_an_error_can_be_told_where_its_template_stands() -> None:
    """
    The caller knows flow, file and line; `at` adds them and leaves the first error alone.
    """
    with pytest.raises(ExpressionError) as caught:
        render("{{ ghost }}", {})
    placed = caught.value.at("flow acme.orders, flows/orders.yaml line 12")
    assert "flows/orders.yaml line 12" in str(placed)
    assert type(placed) is type(caught.value)
    assert "orders.yaml" not in str(caught.value)
