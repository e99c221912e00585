"""A regular expression is refused before it becomes large."""

import pytest

from hookledger.runtime.expressions import LimitExceeded, render
from hookledger.runtime.flow.inputs import StringInput, ValueRejected
from hookledger.runtime.regexes import EXPANDED_MAX, PATTERN_CHARS_MAX, PatternTooLarge, check_size

TOO_LARGE = (
    "(?:(?:x{100}){1000}){1000}", "(x{200}){200}", "x{30000}", "(?:ab?[c]{2,}){20000}", "((a|b){100}c){300}",
    "x{1,99999999999999999999}", "[x]{30000}", r"\d{30000}", "(?i:(?:x{10}){10}){1000}", "x" * (PATTERN_CHARS_MAX + 1),
    "(" * 300 + "x" + "){2}" * 300,
)  # fmt: skip
FINE = (
    "", "a*b+c?", "[a-z]{1,255}", r"\d{4}-\d{2}", "(?:[0-9a-f]{2}){32}", "x{10000}", r"\{99999\}", "[{}]{3}", "a{",
    "a{,3}", "[]{99999}]", r"[\]{99999}]", "(a|b|c){0,1000}", "){3}",
)  # fmt: skip


@pytest.mark.parametrize("pattern", TOO_LARGE)
def test_repeats_do_not_multiply(pattern: str) -> None:
    """
    What would be large with every repeat written out is refused, in schemas, expressions, jq and inputs alike.
    """
    with pytest.raises(PatternTooLarge):
        check_size(pattern)
    for template in (
        "{{ 'x' | regexMatch(p) }}",
        "{{ 'x' | split(p) }}",
        "{{ {'p': p} | jq('.p as $p | \"x\" | test($p)') }}",
    ):
        with pytest.raises(LimitExceeded):
            render(template, {"p": pattern})
    assert [at for at, _ in StringInput(id="a", validator=pattern).mistakes()] == [("validator",)]


@pytest.mark.parametrize("pattern", FINE)
def test_ordinary_patterns_are_small(pattern: str) -> None:
    """
    Braces that are no repeats, and repeats of ordinary size, pass.
    """
    check_size(pattern)


def test_the_bound_itself() -> None:
    """
    Exactly so many elements are allowed.
    """
    check_size(f"x{{{EXPANDED_MAX}}}")
    with pytest.raises(PatternTooLarge):
        check_size(f"x{{{EXPANDED_MAX + 1}}}")


def test_a_validator_is_matched_by_the_clock() -> None:
    """
    A validator that tries everything rejects the value with a reason; Java's notation is its own.
    """
    with pytest.raises(ValueRejected, match="longer than"):
        StringInput(id="a", validator="(x+x+)+y").accept("x" * 5_000)
    assert StringInput(id="a", validator=r"\p{Upper}[a-z]++").accept("Berlin") == "Berlin"
    with pytest.raises(ValueRejected, match="the whole text must match"):
        StringInput(id="a", validator=r"\d+").accept("١٢")


def test_a_pattern_that_nests_deeply_is_an_error() -> None:
    """
    A thousand parentheses are no regular expression, and no crash.
    """
    assert list(StringInput(id="a", validator="(" * 1000 + "a" + ")" * 1000).mistakes())
