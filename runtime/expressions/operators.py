"""What the operators do.

Whole numbers are 64 bit and wrap around, division truncates, `and` and `or` give booleans, `+` appends to
lists, `==` compares numbers by value. An operation never changes its operands.
"""

import math
import re
import struct
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from typing import Final

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import double_text, string_of
from hookledger.runtime.expressions.values import (
    Float32,
    MapEntry,
    Value,
    entries,
    is_list,
    is_map,
    is_number,
    kind,
)

DECIMAL128: Final = Context(prec=34, rounding=ROUND_HALF_EVEN)
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1

Arithmetic = Callable[[Value, Value], Value]


def wrapped(value: int) -> int:
    """Bring a whole number into 64 bit as Java does."""
    if LONG_MIN <= value <= LONG_MAX:
        return value
    return (value + 2**63) % 2**64 - 2**63


def long_divide(left: int, right: int) -> int:
    """Divide, dropping the fraction."""
    if right == 0:
        raise WrongValue("division of a whole number by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def long_remainder(left: int, right: int) -> int:
    """The remainder, with the sign of the dividend."""
    return left - right * long_divide(left, right)


def double_divide(left: float, right: float) -> float:
    """Divide; by zero gives Infinity or NaN."""
    if right != 0:
        return left / right
    if left == 0 or left != left:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def double_remainder(left: float, right: float) -> float:
    """The remainder, with the sign of the dividend."""
    if right == 0 or math.isinf(left) or left != left or right != right:
        return math.nan
    return math.fmod(left, right)


def double_multiply(left: float, right: float) -> float:
    """Multiply."""
    return left * right


LONG: Final[Mapping[str, Arithmetic]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": long_divide,
    "%": long_remainder,
}
DOUBLE: Final[Mapping[str, Arithmetic]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": double_multiply,
    "/": double_divide,
    "%": double_remainder,
}
EXACT: Final[Mapping[str, Arithmetic]] = {
    "+": Context(prec=4000).add,
    "-": Context(prec=4000).subtract,
    "*": DECIMAL128.multiply,
    "/": DECIMAL128.divide,
    "%": DECIMAL128.remainder,
}


def arithmetic(operator: str, left: Value, right: Value) -> Value:
    """Compute with two numbers, or texts that are numbers; the wider kind of the two decides how."""
    if not is_number(left) or not is_number(right):
        return arithmetic(operator, *(operand(operator, one) for one in (left, right)))
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return exact(operator, left, right)
    if isinstance(left, float) or isinstance(right, float):
        return floating(operator, left, right)
    return wrapped(LONG[operator](wrapped(left), wrapped(right)))


LONG_TEXT: Final = re.compile(r"[+-]?\d+")  # digits of any script, as Java reads them
DOUBLE_TEXT: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NUMBER_CHARS_MAX: Final = 1000


def operand(operator: str, value: Value) -> int | float | Decimal:
    """A number, or the number that a text is: query parameters, headers and forms are always text."""
    if is_number(value):
        return value
    text = value if isinstance(value, str) and len(value) <= NUMBER_CHARS_MAX else ""
    if LONG_TEXT.fullmatch(text) and LONG_MIN <= (number := int(text)) <= LONG_MAX:
        return number
    if DOUBLE_TEXT.fullmatch(text) and not LONG_TEXT.fullmatch(text):
        return float(text)
    wrong = "this text is none" if isinstance(value, str) else f"not {kind(value)}"
    raise WrongValue(f"`{operator}` needs numbers, or text that is a number; {wrong}")


def floating(operator: str, left: float, right: float) -> float:
    """Compute with doubles, or with single precision when no double takes part."""
    result = DOUBLE[operator](as_double(left), as_double(right))
    single = all(isinstance(one, (Float32, int)) for one in (left, right))
    return Float32(result) if single else result


def exact(operator: str, left: Value, right: Value) -> Decimal:
    """Compute with exact decimals."""
    try:
        result: Decimal = EXACT[operator](as_decimal(left), as_decimal(right))
        return result
    except DecimalException as error:
        raise WrongValue(f"`{operator}` of these decimal numbers is not defined") from error


def as_double(value: Value) -> float:
    """A number as a double; too large ones become infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def as_decimal(value: Value) -> Decimal:
    """A number as an exact decimal, by way of its double."""
    double = as_double(value)
    if not math.isfinite(double):
        raise WrongValue(f"{double_text(double)} is no exact decimal")
    return Decimal(double_text(double))


def add(run: Run, left: Value, right: Value) -> Value:
    """`+`: text on either side joins, a list is extended, numbers are added."""
    if left.__class__ is int and right.__class__ is int:
        return wrapped(wrapped(left) + wrapped(right))
    if isinstance(left, str) or isinstance(right, str):
        return run.concat((string_of(run, left), string_of(run, right)))
    if is_list(left):
        return extended(run, left, right)
    return arithmetic("+", left, right)


def extended(run: Run, left: "list[Value] | tuple[Value, ...]", right: Value) -> list[Value]:
    """A new list with one element more, or with all of another list."""
    more = list(right) if is_list(right) else [right]
    run.room_for_items(len(left) + len(more))
    return [*left, *more]


def subtract(run: Run, left: Value, right: Value) -> Value:
    """`-`: numbers, or a list without an element (the first such) or without all of another list's."""
    if left.__class__ is int and right.__class__ is int:
        return wrapped(wrapped(left) - wrapped(right))
    if not is_list(left):
        return arithmetic("-", left, right)
    run.charge(left)
    if is_list(right):
        return [one for one in left if not contained(run, right, one)]
    position = next((i for i, one in enumerate(left) if equal(run, one, right)), len(left))
    return [*left[:position], *left[position + 1 :]]


def multiply(_run: Run, left: Value, right: Value) -> Value:
    """`*`."""
    return arithmetic("*", left, right)


def divide(_run: Run, left: Value, right: Value) -> Value:
    """`/`."""
    return arithmetic("/", left, right)


def remainder(_run: Run, left: Value, right: Value) -> Value:
    """`%`."""
    return arithmetic("%", left, right)


def negate(_run: Run, value: Value) -> Value:
    """Unary `-`."""
    return arithmetic("*", -1, value)


def affirm(_run: Run, value: Value) -> Value:
    """Unary `+`."""
    return arithmetic("*", 1, value)


def equal(run: Run, left: Value, right: Value) -> bool:
    """`==`: numbers by value, everything else by kind and content."""
    kind_left, kind_right = left.__class__, right.__class__
    if kind_left is kind_right and kind_left in SIMPLE:
        if kind_left is str and len(left) == len(right):
            run.charge(left)
        return bool(left == right)
    return equal_slowly(run, left, right, 0)


SIMPLE = frozenset({str, bool, type(None)})


def equal_slowly(run: Run, left: Value, right: Value, depth: int) -> bool:
    """Compare values of any kind, element by element, counting the work."""
    run.spend(2)
    if left is right:
        return bool(left == left)  # false for NaN alone
    if depth > run.limits.depth_max:
        raise LimitExceeded(f"lists and maps are nested deeper than {run.limits.depth_max}")
    if is_number(left):
        return is_number(right) and as_double(left) == as_double(right)
    if is_list(left):
        return is_list(right) and equal_lists(run, left, right, depth + 1)
    if is_map(left):
        return is_map(right) and equal_maps(run, entries(left), entries(right), depth + 1)
    if isinstance(left, MapEntry):
        same_key = isinstance(right, MapEntry) and equal_slowly(run, left.key, right.key, depth + 1)
        return same_key and equal_slowly(run, left.value, right.value, depth + 1)
    return same_scalar(left, right)


Elements = list[Value] | tuple[Value, ...]


def equal_lists(run: Run, left: Elements, right: Elements, depth: int) -> bool:
    """The same elements in the same order."""
    if len(left) != len(right):
        return False
    pairs = zip(left, right, strict=True)
    return all(equal_slowly(run, one, other, depth) for one, other in pairs)


def equal_maps(run: Run, left: Mapping[Value, Value], right: Mapping[Value, Value], depth: int) -> bool:
    """The same keys with the same values, in any order."""
    if len(left) != len(right):
        return False
    return all(key in right and equal_slowly(run, one, right[key], depth) for key, one in left.items())


def same_scalar(left: Value, right: Value) -> bool:
    """Compare two values that are neither numbers nor collections."""
    return kind(left) == kind(right) != "foreign object" and bool(left == right)


def unequal(run: Run, left: Value, right: Value) -> bool:
    """`!=`."""
    return not equal(run, left, right)


def compare(run: Run, operator: str, left: Value, right: Value) -> bool:
    """Order two numbers or two texts; with null nothing is before or after."""
    if left is None or right is None:
        return False
    if is_number(left) and is_number(right):
        return ORDER[operator](as_double(left), as_double(right))
    if isinstance(left, str) and isinstance(right, str):
        run.spend(sum(len(one) >> (10 if one.isascii() else 4) for one in (left, right)))
        return ORDER[operator](code_units(left), code_units(right))
    raise WrongValue(f"`{operator}` cannot order {kind(left)} and {kind(right)}")


ORDER: Final[Mapping[str, Callable[[Value, Value], bool]]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def code_units(value: str) -> Value:
    """A key that orders text by UTF-16 code units; only astral characters make a difference."""
    if value.isascii():
        return value.encode()
    raw = value.encode("utf-16-be", "surrogatepass")
    return bytes_of_units(raw)


def bytes_of_units(raw: bytes) -> bytes:
    """One byte for ASCII would not compare with two; bring both forms to code units."""
    units = struct.unpack(f">{len(raw) // 2}H", raw)
    return b"".join(
        unit.to_bytes(1, "big") if unit < 128 else b"\x80" + unit.to_bytes(2, "big") for unit in units
    )


def less(run: Run, left: Value, right: Value) -> bool:
    """`<`."""
    return compare(run, "<", left, right)


def less_or_equal(run: Run, left: Value, right: Value) -> bool:
    """`<=`."""
    return compare(run, "<=", left, right)


def greater(run: Run, left: Value, right: Value) -> bool:
    """`>`."""
    return compare(run, ">", left, right)


def greater_or_equal(run: Run, left: Value, right: Value) -> bool:
    """`>=`."""
    return compare(run, ">=", left, right)


def contained(run: Run, values: "list[Value] | tuple[Value, ...]", wanted: Value) -> bool:
    """Whether a list has an element equal to `wanted`."""
    run.charge(values)
    return any(equal(run, one, wanted) for one in values)


def contains(run: Run, left: Value, right: Value) -> bool:
    """`contains`: an element, all elements, a key, or a part of a text."""
    if left is None:
        return False
    if is_list(left):
        wanted = right if is_list(right) else [right]
        return all(contained(run, left, one) for one in wanted)
    if is_map(left):
        return isinstance(right, (str, int)) and right in entries(left)
    if isinstance(left, str):
        run.charge(left)
        return string_of(run, right) in left
    raise WrongValue(f"`contains` looks into lists, maps and text, not into {kind(left)}")


def is_in(run: Run, left: Value, right: Value) -> bool:
    """`isIn`: the same text as an element of a list, or as a key or value of a map."""
    if left is None or right is None:
        return False
    run.charge(right)
    wanted = string_of(run, left)
    if is_list(right):
        return any(string_of(run, one) == wanted for one in right)
    if is_map(right):
        return any(
            wanted in (string_of(run, key), string_of(run, one)) for key, one in entries(right).items()
        )
    return False


def truth(_run: Run, value: Value) -> bool:
    """What counts as true in `if`, `and`, `or` and `not`."""
    if isinstance(value, (bool, str)):
        return bool(value)
    if is_number(value):
        return value == value and value != 0
    raise WrongValue(f"{kind(value)} is neither true nor false")


def choice(run: Run, value: Value) -> bool:
    """What counts as true before `?`: as elsewhere, but null is false."""
    return value is not None and truth(run, value)
