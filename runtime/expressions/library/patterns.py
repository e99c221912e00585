"""Filters that take a regular expression."""

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.formats.javaregex import compiled, find, replace_all
from hookledger.runtime.expressions.formats.javaregex import split as split_at
from hookledger.runtime.expressions.library.arguments import text_of, truncated
from hookledger.runtime.expressions.library.registry import FILTERS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import string_of
from hookledger.runtime.expressions.values import Value


@FILTERS("split", "delimiter", "limit?")
def split(run: Run, value: Value, delimiter: Value, limit: Value = None) -> Value:
    """The parts between matches of a regular expression."""
    if value is None:
        return None
    count = 0 if limit is None else truncated(limit, "the limit of `split`")
    return split_at(run, text_of(delimiter, "`split`"), text_of(value, "`split`"), count)


def as_pattern(run: Run, value: Value, name: str) -> str:
    """A regular expression or replacement; anything but null is written as text first."""
    if value is None:
        raise WrongValue(f"`{name}` cannot look for null")
    return string_of(run, value)


@FILTERS("regexMatch", "regex")
def regex_match(run: Run, value: Value, pattern: Value) -> bool:
    """Whether a regular expression matches anywhere."""
    return (
        value is not None
        and find(run, as_pattern(run, pattern, "regexMatch"), string_of(run, value)) is not None
    )


@FILTERS("regexReplace", "regex", "replacement")
def regex_replace(run: Run, value: Value, pattern: Value, replacement: Value) -> Value:
    """Replace every match; `$1` is the first group."""
    if value is None:
        return None
    new = as_pattern(run, replacement, "regexReplace")
    return replace_all(run, as_pattern(run, pattern, "regexReplace"), new, string_of(run, value))


@FILTERS("regexExtract", "regex", "group?")
def regex_extract(run: Run, value: Value, pattern: Value, group: Value = None) -> Value:
    """The first match, or one of its groups; null when there is none."""
    if value is None:
        return None
    expression = as_pattern(run, pattern, "regexExtract")
    number = 0 if group is None else truncated(group, "the group of `regexExtract`")
    matched = find(run, expression, string_of(run, value))
    if matched is None:
        return None
    if not 0 <= number <= compiled(expression).groups:
        raise WrongValue(f"the regular expression has no group {number}")
    return matched[number]
