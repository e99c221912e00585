"""Bounds for regular expressions of authors and strangers: how large they become, and how long they may match."""

import re
from typing import Final

PATTERN_CHARS_MAX: Final = 5_000
EXPANDED_MAX: Final = 20_000
"""Elements after every repeat is written out, which is what compiling one costs."""
SECONDS_MAX: Final = 0.1
"""Of one match, where nothing else bounds it."""
_REPEAT: Final = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_CLASS: Final = re.compile(r"\[\^?\]?(?:[^\[\]\\]|\\.|\[(?:[^\[\]\\]|\\.)*\])*+\]?", re.DOTALL)


class PatternTooLarge(ValueError):
    """The regular expression is too long, or its repeats multiply to too much."""


def check_size(pattern: str) -> None:
    """Refuse what would take long to compile, before it is.

    Raises:
        PatternTooLarge: It is too large.
    """
    if len(pattern) > PATTERN_CHARS_MAX:
        raise PatternTooLarge(f"a regular expression has more than {PATTERN_CHARS_MAX} characters")
    if _expanded(pattern) > EXPANDED_MAX:
        raise PatternTooLarge(
            f"the repeats of a regular expression come to more than {EXPANDED_MAX} elements"
        )


def _expanded(pattern: str) -> int:
    """How many elements there are when every repeat is written out."""
    sizes, last, at = [0], 0, 0
    while at < len(pattern):
        mark = pattern[at]
        if mark == "{" and (repeat := _REPEAT.match(pattern, at)):
            # Digits are cut: what has nine of them is too many anyway.
            times = max(int(repeat[1][:9]), int((repeat[2] or "0")[:9]), 1)
            sizes[-1] += last * (times - 1)
            last, at = last * times, repeat.end()
            continue
        if mark == "(":
            sizes.append(0)
            last = 0
        elif mark == ")" and len(sizes) > 1:
            last = sizes.pop() + 1
            sizes[-1] += last
        elif mark not in "*+?|":
            last = 1
            sizes[-1] += 1
        if min(sizes[-1], last) > EXPANDED_MAX:
            break
        at = _after(pattern, at)
    return max(*sizes, sum(sizes), last)


def _after(pattern: str, at: int) -> int:
    """Where the element at a place ends; a class of characters is one."""
    if pattern[at] == "\\":
        return at + 2
    found = _CLASS.match(pattern, at)
    return found.end() if found else at + 1
