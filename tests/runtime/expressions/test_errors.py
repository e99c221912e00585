"""Errors say what is wrong, where, and what was probably meant."""

import copy
import pickle
from collections.abc import Callable

import pytest

from hookledger.runtime.expressions import (
    Ambient,
    ExpressionError,
    ExpressionSyntaxError,
    MissingValue,
    Ports,
    WrongValue,
    check,
    render,
)

VARIABLES: dict[str, object] = {"order": {"total": 3, "lines": [1]}, "name": "Ada", "n": 1}


@pytest.mark.parametrize(
    ("template", "name", "nearest"),
    [
        ("{{ ordr.total }}", "ordr", "order"),
        ("{{ order.totl }}", "totl", "total"),
        ("{{ Name }}", "Name", "name"),
        ("{{ name | uper }}", "uper", "upper"),
        ("{{ name | numberformat('0') }}", "numberformat", "numberFormat"),
        ("{{ name is emty }}", "emty", "empty"),
        ("{{ fromJsn('1') }}", "fromJsn", "fromJson"),
        ("{% fro x in y %}", "fro", "for"),
        ("{% if n %}{% elif n %}{% endif %}", "elif", "elseif"),
        ("{{ name | indent(amont=2) }}", "amont", "amount"),
        ("{% macro line(a) %}{% endmacro %}{{ lime(1) }}", "lime", "line"),
        ("{{ name.lenght() }}", "lenght", "length"),
    ],
)
def test_the_nearest_name_is_offered(template: str, name: str, nearest: str) -> None:
    """
    Whatever can be named can be misspelt: the error has both the name and the nearest known one.
    """
    with pytest.raises(ExpressionError) as caught:
        render(template, VARIABLES)
    assert (caught.value.name, caught.value.nearest) == (name, nearest)
    assert f"did you mean `{nearest}`?" in str(caught.value)


@pytest.mark.parametrize(
    ("template", "line", "column"),
    [
        ("{{ ghost }}", 1, 4),
        ("a\nbc {{ ghost }}", 2, 7),
        ("{{ name ~ ghost }}", 1, 11),
        ("{{ n + (name - 1) }}", 1, 14),
        ("a\n{% if n %}\n  {{ name | date }}\n{% endif %}", 3, 13),
        ("{% for x in n %}{% endfor %}", 1, 13),
        ("{{ order.lines[7] }}", 1, 15),
        ("{% set a = 1 %}{% set b = name * 2 %}", 1, 32),
        ("{% macro f(a) %}\n{{ a - 'x' }}{% endmacro %}{{ f(1) }}", 2, 6),
        ("{{ (n + 1) }}{{ name | join }}", 1, 24),
        ("{{ 1 + }}", 1, 8),
        ("{{ (1 + 2 }}", 1, 4),
        ("x\n{% if n %}y", 2, 4),
        ("{{ 'abc }}", 1, 4),
    ],
)
def test_the_place_is_that_of_the_operation(template: str, line: int, column: int) -> None:
    """
    Line and column point at the operation or the name that failed, not at the start of the template.
    """
    with pytest.raises(ExpressionError) as caught:
        render(template, VARIABLES)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.template == template


def test_all_mistakes_are_found_at_once() -> None:
    """
    One look at a template finds every syntax error and unknown name in it, in order.
    """
    template = (
        "{{ a | nope }}\n{{ 1 + }}\n{% if %}{{ b is what }}{% endif %}\n{{ gone() }}{% include 'x' %}{{ ok }}"
    )
    problems = check(template)
    assert [(one.code, one.line) for one in problems] == [
        ("E002", 1),
        ("E001", 2),
        ("E001", 3),
        ("E002", 3),
        ("E002", 4),
        ("E002", 4),
    ]
    with pytest.raises(ExpressionSyntaxError) as caught:
        render(template, {})
    assert caught.value.problems == problems
    assert "and 5 more" in str(caught.value)


@pytest.mark.parametrize("template", ["", "text", "{{ a }}", "{% for x in y %}{{ loop.index }}{% endfor %}"])
def test_a_sound_template_has_no_problems(template: str) -> None:
    """
    Missing variables are no problem of the template: nothing is known about them before it runs.
    """
    assert check(template) == ()


def test_a_broken_tag_does_not_hide_its_content() -> None:
    """
    After a mistake in the head of a tag its content and its end are still looked at.
    """
    problems = check("{% for a, b in c %}{{ x | nope }}{% endfor %}{% macro %}{{ y | nada }}{% endmacro %}")
    assert [one.name for one in problems if one.code == "E002"] == ["nope", "nada"]
    assert len(problems) == 4


def test_the_kinds_of_error_can_be_told_apart() -> None:
    """
    Missing values and unfit values are different errors with different codes.
    """
    with pytest.raises(MissingValue, match="E003"):
        render("{{ ghost }}", {})
    with pytest.raises(WrongValue, match="E004"):
        render("{{ 'a' - 1 }}", {})


def test_an_error_in_a_nested_rendering_shows_the_nested_template() -> None:
    """
    `render()` renders a text from a variable; when that fails the error shows that text.
    """
    with pytest.raises(ExpressionError) as caught:
        render("{{ render(a) }}", {"a": "hi {{ ghost }}"})
    assert caught.value.template == "hi {{ ghost }}"
    assert (caught.value.line, caught.value.column) == (1, 7)


def test_an_error_never_shows_a_foreign_object() -> None:
    """
    Messages name kinds of plain data; an object that got in by mistake is not described.
    """
    for template in (
        "{{ x }}",
        "{{ x + 1 }}",
        "{{ x | upper }}",
        "{{ x.a }}",
        "{{ [x] }}",
        "{{ x ~ '' }}",
        "{{ x == 1 }}",
    ):
        try:
            text = render(template, {"x": object()})
        except ExpressionError as error:
            text = str(error)
        assert "object at" not in text
        assert "0x" not in text


@pytest.mark.parametrize(
    "template",
    [
        "{{ oops() }}",
        "{{ ghost }}",
        "{{ 1 | nosuch }}",
        "{% if %}",
        "{{ 'a' * 2 }}",
        "{{ 1..9999999 }}",
        "{{ uuid() }}",
    ],
)
@pytest.mark.parametrize("twin", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_every_error_can_be_copied(template: str, twin: Callable[[ExpressionError], ExpressionError]) -> None:
    """
    An error is told where its template stands by a copy: each kind of it can be copied, with all it knows.
    """
    with pytest.raises(ExpressionError) as caught:
        render(template, VARIABLES)
    assert vars(twin(caught.value)) == vars(caught.value)
    assert str(caught.value.at("orders.yaml:7:3")).count("(orders.yaml:7:3)") == 1


def test_no_problem_tells_a_secret() -> None:
    """
    A secret with a syntax mistake in it, rendered: neither message, template nor list of problems shows it.
    """
    ambient = Ambient(Ports(secret=lambda _name, _namespace: "{{ hush9() }}"))
    with pytest.raises(ExpressionSyntaxError) as caught:
        render("{{ render(secret('S')) }}", {}, ambient)
    caught.value.hide(["hush9"])
    assert "hush9" not in str(caught.value) + repr(caught.value.problems) + repr(caught.value)
