"""`range`, `..`, `max` and `min`."""

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.library.arguments import truncated
from hookledger.runtime.expressions.library.registry import FUNCTIONS
from hookledger.runtime.expressions.operators import compare
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Value, is_number, kind


@FUNCTIONS("range", "start", "end", "increment?")
def span(run: Run, start: Value, end: Value, increment: Value = None) -> list[Value]:
    """Whole numbers or characters from start to end, both included."""
    step = 1 if increment is None else truncated(increment, "the increment of `range`")
    if step == 0:
        raise WrongValue("the increment of `range` is 0, it would never end")
    if is_number(start) and is_number(end):
        return steps(run, truncated(start, "`range`"), truncated(end, "`range`"), step)
    first, last = character(start), character(end)
    return [chr(one) for one in steps(run, first, last, step)]


def steps(run: Run, first: int, last: int, step: int) -> list[Value]:
    """The numbers, refused before they are made if there are too many."""
    numbers = range(first, last + (1 if step > 0 else -1), step)
    run.room_for_items(min(max(0, (last - first) // step + 1), 2**62))
    return list(numbers)


def character(value: Value) -> int:
    """The code of a single character."""
    if isinstance(value, str) and len(value) == 1:
        return ord(value)
    raise WrongValue(f"`range` goes over two numbers or two single characters, not {kind(value)}")


@FUNCTIONS("max", "*")
def largest(run: Run, *values: Value) -> Value:
    """The largest of some numbers; nulls are skipped."""
    return extreme(run, ">", values)


@FUNCTIONS("min", "*")
def smallest(run: Run, *values: Value) -> Value:
    """The smallest of some numbers; nulls are skipped."""
    return extreme(run, "<", values)


def extreme(run: Run, operator: str, values: tuple[Value, ...]) -> Value:
    """The value that is before or after all others."""
    found: Value = None
    for value in values:
        if found is None:
            found = value
        elif value is not None and not (is_number(value) and is_number(found)):
            raise WrongValue(f"`max` and `min` compare numbers, not {kind(value)} and {kind(found)}")
        elif compare(run, operator, value, found):
            found = value
    return found
