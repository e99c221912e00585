"""How values become text.

Two forms exist. Printed at the top of a template, maps and lists are compact JSON; joined with `~`, put
into a text or printed inside a macro they are written like `{a=1, b=[x]}`. Numbers look the same in both:
whole numbers as digits, others in the form of Java's Double.toString.
"""

import json
import math
import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Float32, MapEntry, Value, entries, is_list, is_map, kind

json_encoded = json.JSONEncoder(ensure_ascii=False).encode
# Control characters without a short escape are written with capital digits, as Java does.
CONTROL: Final = {code: f"\\u{code:04X}" for code in range(32)} | {
    ord(mark): json_encoded(mark)[1:-1] for mark in '"\\\b\f\n\r\t'
}
INTEGER_DIGITS_MAX: Final = 4000  # Python refuses to print longer ones by default; say it in our words


def json_text(value: str) -> str:
    """Write a text as JSON."""
    encoded = json_encoded(value)
    return f'"{value.translate(CONTROL)}"' if "\\u00" in encoded else encoded


def text(run: Run, value: Value) -> str:
    """Write a value as `{{ }}` prints it."""
    writer = WRITERS.get(value.__class__)
    if writer is not None:
        return writer(value)
    if is_map(value) or is_list(value):
        return to_json(run, value)
    return string_of(run, value)


def java_text(run: Run, value: Value) -> str:
    """Write a value as `~`, `#{}` and macros do; null is empty."""
    return "" if value is None else string_of(run, value)


def string_of(run: Run, value: Value) -> str:
    """Write a value as `+` and `join` do; null is the text null."""
    if value is None:
        return "null"
    writer = WRITERS.get(value.__class__)
    if writer is not None:
        return writer(value)
    if is_map(value) or is_list(value) or isinstance(value, MapEntry):
        return JavaWriter(run).whole(value)
    return scalar_text(value)


def scalar_text(value: Value) -> str:
    """Write a value of a rare kind; foreign objects are refused, never shown."""
    for type_, writer in RARE_WRITERS:
        if isinstance(value, type_):
            return writer(value)
    raise WrongValue("a value which is not plain data cannot be printed")


def integer_text(value: int) -> str:
    """Write a whole number."""
    if value.bit_length() > INTEGER_DIGITS_MAX * 3:
        raise LimitExceeded(f"a number has more than about {INTEGER_DIGITS_MAX} digits")
    return int.__repr__(value)


def boolean_text(value: bool) -> str:
    """Write a truth value."""
    return "true" if value else "false"


def double_text(value: float) -> str:
    """Write a double: plain digits from 0.001 up to ten million, else with an exponent."""
    if value != value or value in (math.inf, -math.inf):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    return java_notation(float.__repr__(value))


def float32_text(value: Float32) -> str:
    """Write a single-precision number with the fewest digits that mean the same number."""
    if not math.isfinite(value):
        return double_text(float(value))
    exact = float(value)
    for digits in range(1, 10):
        candidate = f"{exact:.{digits}g}"
        if struct.pack("<f", float(candidate)) == struct.pack("<f", exact):
            return java_notation(float.__repr__(float(candidate)))
    return java_notation(float.__repr__(exact))


def java_notation(shortest: str) -> str:
    """Turn Python's shortest digits into Java's notation of them."""
    sign, digits, exponent = split_decimal(shortest)
    if digits == "0":
        return sign + "0.0"
    if -3 <= exponent < 7:
        return sign + plain_digits(digits, exponent)
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def split_decimal(shortest: str) -> tuple[str, str, int]:
    """Split `-12.5e-3` into sign, significant digits and the exponent of the first digit."""
    sign, shortest = ("-", shortest[1:]) if shortest[0] == "-" else ("", shortest)
    mantissa, _, power = shortest.partition("e")
    whole, _, fraction = mantissa.partition(".")
    exponent = int(power or 0) + len(whole) - 1
    digits = whole + fraction
    leading = len(digits) - len(digits.lstrip("0"))
    return sign, digits.strip("0") or "0", exponent - leading


def plain_digits(digits: str, exponent: int) -> str:
    """Write digits without an exponent, always with a fraction."""
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return f"{whole}.{digits[exponent + 1 :] or '0'}"


def decimal_text(value: Decimal) -> str:
    """Write an exact decimal without an exponent."""
    if abs(value.adjusted()) > INTEGER_DIGITS_MAX:
        raise LimitExceeded(f"a number has more than {INTEGER_DIGITS_MAX} digits")
    return format(value, "f")


def date_text(value: datetime) -> str:
    """Write a date and time as Java's ZonedDateTime does: seconds only when there are any."""
    head = value.strftime("%Y-%m-%dT%H:%M")
    if value.microsecond:
        head += f":{value.second:02}.{value.microsecond:06}".rstrip("0")
    elif value.second:
        head += f":{value.second:02}"
    return head + offset_text(value.utcoffset())


def offset_text(offset: timedelta | None) -> str:
    """Write an offset as `Z` or `+02:00`; nothing when there is none."""
    if offset is None:
        return ""
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "Z"


def null_text(_value: None) -> str:
    """Null prints nothing."""
    return ""


WRITERS: Final[Mapping[type, Callable[[Value], str]]] = {
    str: str,
    int: integer_text,
    bool: boolean_text,
    float: double_text,
    Float32: float32_text,
    Decimal: decimal_text,
    type(None): null_text,
}
RARE_WRITERS: Final[tuple[tuple[type, Callable[[Value], str]], ...]] = (
    (bool, boolean_text),
    (str, str.__str__),
    (int, integer_text),
    (float, double_text),
    (datetime, date_text),
)


def to_json(run: Run, value: Value) -> str:
    """Write compact JSON: null entries of maps are left out, null elements of lists are kept."""
    return JsonWriter(run).whole(value)


class TreeWriter:
    """Walks lists and maps, counting elements, depth and length, so that shared parts cannot explode."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.parts: list[str] = []
        self.depth = 0
        self.chars = 0

    def whole(self, value: Value) -> str:
        """Write one value and return its text."""
        self.write(value)
        return self.run.join(self.parts)

    def add(self, piece: str) -> None:
        """Append a piece that is as long as the data makes it."""
        self.parts.append(piece)
        self.chars += len(piece)
        if self.chars > self.run.limits.text_chars_max:
            raise self.run.too_long()

    def write(self, value: Value) -> None:
        """Append a value."""
        self.run.spend(1)
        kind = value.__class__
        if kind in WRITERS:  # most values by far; told apart without the slower questions
            self.add(self.scalar(value))
        elif kind is dict or is_map(value):
            self.run.spend(1 + len(value))
            self.nested(self.map, entries(value))
        elif isinstance(value, MapEntry):
            self.nested(self.entry, value)
        elif is_list(value):
            self.nested(self.list, value)
        else:
            self.add(self.scalar(value))

    def nested(self, write: Callable[[Value], None], value: Value) -> None:
        """Go one level deeper."""
        self.depth += 1
        if self.depth > self.run.limits.depth_max:
            raise LimitExceeded(f"lists and maps are nested deeper than {self.run.limits.depth_max}")
        write(value)
        self.depth -= 1

    def scalar(self, value: Value) -> str:
        raise NotImplementedError

    def map(self, value: Mapping[Value, Value]) -> None:
        raise NotImplementedError

    def entry(self, value: MapEntry) -> None:
        """An entry of a map stands as the map of that entry."""
        self.map(value.as_map())

    def list(self, value: "list[Value]") -> None:
        raise NotImplementedError


class JsonWriter(TreeWriter):
    """Compact JSON with Java's numbers."""

    def scalar(self, value: Value) -> str:
        if value is None:
            return "null"
        if isinstance(value, str):
            return json_text(value)
        if isinstance(value, float) and not math.isfinite(value):
            return f'"{double_text(value)}"'
        return f'"{scalar_text(value)}"' if isinstance(value, datetime) else text(self.run, value)

    def map(self, value: Mapping[Value, Value]) -> None:
        mark = "{"
        for key, item in value.items():
            if item is not None:
                self.add(mark + json_text(string_of(self.run, key)) + ":")
                self.write(item)
                mark = ","
        self.parts.append("}" if mark == "," else "{}")

    def list(self, value: "list[Value]") -> None:
        mark = "["
        for item in value:
            self.parts.append(mark)
            self.write(item)
            mark = ","
        self.parts.append("]" if mark == "," else "[]")


class JavaWriter(TreeWriter):
    """`{a=1, b=[x, null]}`."""

    def scalar(self, value: Value) -> str:
        return string_of(self.run, value)

    def map(self, value: Mapping[Value, Value]) -> None:
        mark = "{"
        for key, item in value.items():
            self.add(mark + string_of(self.run, key) + "=")
            self.write(item)
            mark = ", "
        self.parts.append("}" if value else "{}")

    def entry(self, value: MapEntry) -> None:
        self.add(string_of(self.run, value.key) + "=")
        self.write(value.value)

    def list(self, value: "list[Value]") -> None:
        mark = "["
        for item in value:
            self.parts.append(mark)
            self.write(item)
            mark = ", "
        self.parts.append("]" if value else "[]")


def need_text(value: Value, what: str) -> str:
    """Return a text, or say who wanted one."""
    if isinstance(value, str):
        return value
    raise WrongValue(f"{what} needs text, not {kind(value)}")
