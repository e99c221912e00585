"""How much plain data is, without writing it down to see."""

from typing import Any, Final

import msgspec

VALUE: Final = 8
"""What an element or an entry counts beside the characters of its texts."""


def weight(value: Any, enough: int) -> int:
    """Return about how many characters a value has as JSON, or at least `enough` as soon as that is reached."""
    total, waiting = 0, [value]
    while waiting and total < enough:
        one = waiting.pop()
        if isinstance(one, str | bytes):
            total += len(one)
        elif isinstance(one, dict):
            total += VALUE * len(one)
            if total < enough:
                waiting += one
                waiting += one.values()
        elif isinstance(one, list | tuple):
            total += VALUE * len(one)
            if total < enough:
                waiting += one
        elif isinstance(one, msgspec.Struct):
            waiting += msgspec.structs.astuple(one)
    return total
