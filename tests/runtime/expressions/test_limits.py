"""A template that does too much fails clearly and soon, whatever it does too much of."""

import time

import pytest

from hookledger.runtime.expressions import (
    ExpressionError,
    ExpressionSyntaxError,
    LimitExceeded,
    Limits,
    render,
)
from hookledger.runtime.expressions import run as run_module

SECONDS_MAX = 1.0  # of the processor; the second line of defence is 0.3 s, which one step may overrun
DOUBLED = "{% set a = ['x'] %}{% for i in 1..60 %}{% set a = [a, a] %}{% endfor %}"
DEEP = "{% set a = ['x'] %}{% for i in 1..50000 %}{% set a = [a] %}{% endfor %}"
SAME = "{% set other = long ~ '' %}"
LAUGHS = "a: &a0 [x, x]\n" + "".join(f"b{n}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(40))

TOO_MUCH = {
    "nested loops": "{% for i in 1..2000 %}{% for j in 1..2000 %}x{% endfor %}{% endfor %}",
    "three loops": "{% for i in 1..999 %}{% for j in 1..999 %}{% for k in 1..999 %}{{ k }}{% endfor %}{% endfor %}{% endfor %}",
    "a range": "{{ range(1, 100000000000) }}",
    "a range of everything": "{{ range(-9223372036854775807, 9223372036854775807) }}",
    "doubled text": "{% set a = 'x' %}{% for i in 1..60 %}{% set a = a ~ a %}{% endfor %}{{ a }}",
    "doubled text with plus": "{% set a = 'x' %}{% for i in 1..60 %}{% set a = a + a %}{% endfor %}{{ a }}",
    "doubled list": "{% set a = ['x'] %}{% for i in 1..60 %}{% set a = a + a %}{% endfor %}{{ a }}",
    "merged list": "{% set a = ['x'] %}{% for i in 1..60 %}{% set a = a | merge(a) %}{% endfor %}{{ a }}",
    "shared lists printed": DOUBLED + "{{ a }}",
    "shared lists joined": DOUBLED + "{{ a ~ '' }}",
    "shared lists as JSON": DOUBLED + "{{ a | toJson }}",
    "shared lists as YAML": DOUBLED + "{{ a | yaml }}",
    "shared lists as Ion": DOUBLED + "{{ a | toIon }}",
    "shared lists in jq": DOUBLED + "{{ a | jq('.') }}",
    "shared lists rendered": DOUBLED + "{{ render(a) }}",
    "shared lists replaced": DOUBLED + "{{ a | replace({'x': 'y'}) }}",
    "shared lists escaped": DOUBLED + "{{ a | escapeChar('single') }}",
    "shared lists compared": DOUBLED
    + "{% set b = ['x'] %}{% for i in 1..60 %}{% set b = [b, b] %}{% endfor %}{{ a == b }}",
    "shared maps": DOUBLED.replace("[a, a]", "{'k': a, 'l': a}") + "{{ a }}",
    "deep lists printed": DEEP + "{{ a }}",
    "deep lists compared": DEEP + "{{ [a] == a }}",
    "deep lists replaced": DEEP + "{{ a | replace({'x': 'y'}) }}",
    "deep lists in jq": DEEP + "{{ a | jq('.') }}",
    "a macro without end": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "two macros without end": "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a macro that branches": "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "render without end": "{{ render(self) }}",
    "a growing render": "{{ render(grow) }}",
    "indent": "{{ 'a\nb' | indent(1000000000) }}",
    "an indent of a long prefix": "{{ lines | indent(1000, '          ') }}",
    "replace": "{{ long | replace({'x': 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy'}) }}",
    "regexReplace": "{{ long | regexReplace('', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy') }}",
    "join": "{{ many | join(long) }}",
    "output of a loop": "{% for i in 1..5000 %}{{ long }}{% endfor %}",
    "a regular expression": "{{ evil | regexMatch('(x+x+)+y') }}",
    "regular expressions in a loop": "{% for i in 1..100000 %}{{ evil | regexMatch('(x+x+)+y' ~ i) }}{% endfor %}",
    "a huge number": "{{ huge }}",
    "digits in JSON": "{{ fromJson(digits) }}",
    "a huge exponent": "{{ '1e999999999' | number('BIGDECIMAL') }}",
    "deep JSON": "{{ fromJson(brackets) }}",
    "deep YAML": "{{ yaml(brackets) }}",
    "deep Ion": "{{ fromIon(brackets) }}",
    "YAML aliases": "{{ yaml(laughs) }}",
    "equal texts": SAME + "{% for i in 1..20000 %}{% set x = long == other %}{% endfor %}",
    "unequal texts": SAME + "{% for i in 1..20000 %}{% set x = long != other %}{% endfor %}",
    "ordered texts": SAME + "{% for i in 1..20000 %}{% set x = long < other %}{% endfor %}",
    "parts of texts": "{% for i in 1..20000 %}{% set x = long contains 'xxy' %}{% endfor %}",
    "upper case": "{% for i in 1..20000 %}{% set x = long.toUpperCase() %}{% endfor %}",
    "places in texts": "{% for i in 1..20000 %}{% set x = long.indexOf('xy') %}{% endfor %}",
    "beginnings of texts": SAME + "{% for i in 1..20000 %}{% set x = long.startsWith(other) %}{% endfor %}",
    "jq: a range": "{{ {} | jq('[range(1e18)]') }}",
    "jq: recursion": "{{ {} | jq('def f: f; f') }}",
    "jq: growing arguments": "{{ {} | jq('def f(x): f(x | x); f(.)') }}",
    "jq: until": "{{ {} | jq('until(false; .)') }}",
    "jq: repeat": "{{ {} | jq('[repeat(.)]') }}",
    "jq: while": "{{ 1 | toJson | jq('[while(true; . + 1)]') }}",
    "jq: text": "{{ {} | jq('\"x\" * 1e12') }}",
    "jq: doubled text": "{{ {} | jq('reduce range(99) as $i (\"a\"; . + .)') }}",
    "jq: doubled lists": "{{ {} | jq('reduce range(60) as $i ([1]; [., .])') }}",
    "jq: doubled lists as text": "{{ {} | jq('reduce range(60) as $i ([1]; [., .]) | tojson | length') }}",
    "jq: an index": "{{ {} | jq('.a[99999999] = 1') }}",
    "jq: combinations": "{{ {} | jq('[[range(9)] | combinations(9)] | length') }}",
    "jq: interpolation": "{{ {} | jq('[range(99)] as $r | \"\\($r[])\\($r[])\\($r[])\\($r[])\\($r[])\" | length') }}",
    "jq: a regular expression": "{{ evil | toJson | jq('test(\"(x+x+)+y\")') }}",
}
VARIABLES: dict[str, object] = {
    "self": "{{ render(self) }}",
    "grow": "{{ grow }}{{ grow }}",
    "lines": "x\n" * 10_000,
    "long": "x" * 1_000_000,
    "many": ["a"] * 100,
    "evil": "x" * 5000,
    "huge": 10**6000,
    "digits": "9" * 5000,
    "brackets": "[" * 100_000,
    "laughs": LAUGHS,
}


TIGHT = Limits(
    steps_max=100_000, text_chars_max=4_000_000, made_chars_max=16_000_000, regex_seconds_max=0.1
)  # a tenth of the defaults, so that all of this takes a tenth of the time


@pytest.mark.parametrize("what", TOO_MUCH)
def test_too_much_is_stopped(what: str) -> None:
    """
    Looping, growing and nesting end in an error that names a limit.
    """
    with pytest.raises(LimitExceeded, match="E005"):
        render(TOO_MUCH[what], VARIABLES, limits=TIGHT)


@pytest.mark.parametrize("what", TOO_MUCH)
def test_the_default_limits_stop_soon(what: str) -> None:
    """
    Without limits of the caller's own every kind of work ends within a bounded time of the processor, too.
    """
    started = time.thread_time()
    with pytest.raises(LimitExceeded, match="E005"):
        render(TOO_MUCH[what], VARIABLES)
    assert time.thread_time() - started < SECONDS_MAX


def test_the_clock_is_behind_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Work that the count takes for little ends at the clock of the processor.
    """
    now = iter(range(1_000_000))
    monkeypatch.setattr(run_module, "thread_time", lambda: next(now) * 0.01)
    with pytest.raises(LimitExceeded, match="of the processor"):
        render("{% for i in 1..20000 %}{{ i }}{% endfor %}", {})


NESTED = {
    "parentheses": "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
    "parentheses that never close": "{{ " + "(" * 100_000,
    "lists": "{{ " + "[" * 5000 + " }}",
    "signs": "{{ " + "-" * 5000 + "1 }}",
    "negations": "{{ " + "not " * 5000 + "true }}",
    "choices": "{{ " + "1 ? 1 : " * 500 + "1 }}",
    "keys": "{{ a" + ".b" * 5000 + " }}",
    "filters": "{{ a" + " | upper" * 5000 + " }}",
    "fallbacks": "{{ a" + " ?? b" * 5000 + " }}",
    "tags": "{% if 1 %}" * 500 + "{% endif %}" * 500,
    "loops": "{% for i in a %}" * 30 + "{% endfor %}" * 30,
    "interpolations": '{{ "#{ ' * 100 + "1" + ' }" }}' * 100,
    "a block in itself": '{% block "a" %}{{ block("a") }}{% endblock %}',
    "a whole number": "{{ 99999999999999999999 }}",
}


@pytest.mark.parametrize("what", NESTED)
def test_deep_nesting_is_a_syntax_error(what: str) -> None:
    """
    However deep a template nests, the parser answers with its own error.
    """
    with pytest.raises(ExpressionError) as caught:
        render(NESTED[what], {"a": "x"})
    assert isinstance(caught.value, ExpressionSyntaxError) or what == "a block in itself"


def test_long_rows_of_operators_are_no_nesting() -> None:
    """
    A row of a thousand operators is long, not deep, and works.
    """
    assert render("{{ " + " + ".join(["1"] * 1000) + " }}", {}) == "1000"
    assert render("{{ " + " ~ ".join(["1"] * 1000) + " }}", {}) == "1" * 1000
    assert render("{{ " + " and ".join(["true"] * 1000) + " }}", {}) == "true"


def test_a_long_template_is_refused() -> None:
    """
    A template has a length limit of its own.
    """
    with pytest.raises(LimitExceeded):
        render("{{ 1 }}" * 200_000, {})


def test_the_same_work_fails_the_same_way() -> None:
    """
    Work is counted, not timed: the limit is hit at the same place every time.
    """
    template = "{% for i in 1..50 %}{{ i }}{% endfor %}"
    assert render(template, {}, limits=Limits(steps_max=120)) == "".join(map(str, range(1, 51)))
    for _ in range(3):
        with pytest.raises(LimitExceeded):
            render(template, {}, limits=Limits(steps_max=40))


@pytest.mark.parametrize(
    ("template", "works"),
    [
        ("{{ " + "(" * 70 + "1" + ")" * 70 + " }}", False),
        ("{{ " + "not " * 70 + "true }}", False),
        ("{{ " + "ghost ?? " * 100 + "1 }}", False),
        ("{% if true %}" * 70 + "x" + "{% endif %}" * 70, False),
        ("{% for i in 1..1000000 %}x{% endfor %}", False),
        ("{% macro f(n) %}{{ n > 0 ? f(n - 1) : 'x' }}{% endmacro %}{{ f(110) }}", False),
        ("{{ " + "flag ? 1 : " * 65 + "2 }}", True),
        ("{% if flag %}0" + "{% elseif flag %}1" * 110 + "{% else %}2{% endif %}", True),
        ("{{ " + " ~ ".join(["'x'"] * 300) + " }}", True),
    ],
    ids=["brackets", "not", "??", "tags", "rounds", "macros", "ternary", "elseif", "~"],
)
def test_what_is_bounded_that_engines_take(template: str, works: bool) -> None:
    """
    Nesting, rounds and depth have bounds where the engines have none; rows and choices of an ordinary length do not.
    """
    if works:
        assert render(template, {"flag": False})
    else:
        with pytest.raises(ExpressionError):
            render(template, {"flag": False})


@pytest.mark.parametrize(
    "template",
    [
        "{{ text | title }}",
        "{{ text | slugify }}",
        "{{ text | urlencode }}",
        "{{ text | urldecode }}",
        "{{ text | toIon }}",
        "{{ [text] | yaml }}",
        "{{ fromJson(json) }}",
        "{{ json | jq('.') }}",
        "{{ fromIon(json) }}",
        "{{ yaml(json) }}",
    ],
)
def test_filters_that_look_at_every_letter_cost_more(template: str) -> None:
    """
    Twenty steps for a kilobyte, so that the count ends a loop of them long before the clock.
    """
    given = {"text": "some Words " * 10_000, "json": '"' + "x" * 110_000 + '"'}
    assert render(template, given, limits=Limits(steps_max=20_000))
    with pytest.raises(LimitExceeded, match="more than 2000 steps"):
        render(template, given, limits=Limits(steps_max=2_000))


def test_every_argument_is_counted() -> None:
    """
    A long text costs as much as an argument as it does as the value of a filter.
    """
    given = {"text": "x" * 1_000_000}
    for template in (
        "{{ 'x' | split(text) }}",
        "{{ 'x' | default(text) }}",
        "{{ max(text, text) }}",
    ):
        with pytest.raises(LimitExceeded):
            render(template, given, limits=Limits(steps_max=500))
