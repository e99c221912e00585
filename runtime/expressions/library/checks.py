"""The tests: what may follow `is`."""

from hookledger.runtime.expressions.errors import ExpressionError, WrongValue
from hookledger.runtime.expressions.formats.jsontext import read_json
from hookledger.runtime.expressions.library.registry import TESTS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import MISSING, Value, entries, is_integer, is_list, is_map, kind

CONTROL_AND_SPACE = "".join(map(chr, range(33)))  # what Java's trim removes


@TESTS("empty")
def empty(_run: Run, value: Value) -> bool:
    """Null, blank text, an empty list or map; numbers and booleans never are."""
    if isinstance(value, str):
        return not value.strip(CONTROL_AND_SPACE)
    return value is None or (is_list(value) and not value) or (is_map(value) and not entries(value))


@TESTS("null")
def null(_run: Run, value: Value) -> bool:
    """Null."""
    return value is None


@TESTS("defined")
def defined(_run: Run, value: Value) -> bool:
    """Exists and is not null."""
    return value is not MISSING and value is not None


@TESTS("even")
def even(_run: Run, value: Value) -> bool:
    """A whole number that two divides."""
    return whole(value, "even") % 2 == 0


@TESTS("odd")
def odd(_run: Run, value: Value) -> bool:
    """A whole number that two does not divide."""
    return whole(value, "odd") % 2 == 1


def whole(value: Value, name: str) -> int:
    """Only whole numbers are even or odd."""
    if is_integer(value):
        return value
    raise WrongValue(f"`{name}` asks about whole numbers, not {kind(value)}")


@TESTS("map")
def map_(_run: Run, value: Value) -> bool:
    """A map."""
    return is_map(value)


@TESTS("iterable")
def iterable(_run: Run, value: Value) -> bool:
    """A list; maps and text are not."""
    return is_list(value)


@TESTS("json")
def json_(run: Run, value: Value) -> bool:
    """Text that holds JSON."""
    if not isinstance(value, str):
        raise WrongValue(f"`json` asks about text, not {kind(value)}")
    run.charge(value)
    try:
        read_json(value)
    except ExpressionError:
        return False
    return True
