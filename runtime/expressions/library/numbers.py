"""Filters on numbers, and from text to numbers."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.formats.decimalformat import format_number
from hookledger.runtime.expressions.library.arguments import text_of
from hookledger.runtime.expressions.library.registry import FILTERS
from hookledger.runtime.expressions.operators import LONG_MAX, LONG_MIN, wrapped
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import double_text, float32_text
from hookledger.runtime.expressions.values import (
    Float32,
    MapEntry,
    Value,
    is_integer,
    is_list,
    is_map,
    is_number,
    kind,
)

INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|#[0-9a-fA-F]+|[0-9]+)")
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NOT_FINITE = re.compile(r"[+-]?(?:NaN|Infinity)")
INT_MAX: Final = 2**31 - 1
NUMBER_CHARS_MAX: Final = 1000
DEFAULT_PATTERN: Final = "#,##0.###"


@FILTERS("abs")
def absolute(_run: Run, value: Value) -> Value:
    """Without the sign."""
    if not is_number(value):
        raise WrongValue(f"`abs` needs a number, not {kind(value)}")
    if isinstance(value, Float32):
        return Float32(abs(value))
    return wrapped(abs(value)) if is_integer(value) and LONG_MIN <= value <= LONG_MAX else abs(value)


@FILTERS("numberFormat", "format?")
def number_format(_run: Run, value: Value, pattern: Value = None) -> Value:
    """Written in a pattern; by default with commas and up to three decimals."""
    if value is None:
        return None
    if not is_number(value):
        raise WrongValue(f"`numberFormat` needs a number, not {kind(value)}")
    shape = DEFAULT_PATTERN if pattern is None else text_of(pattern, "the format of `numberFormat`")
    return format_number(value, shape)


@FILTERS("number", "type?")
def number(_run: Run, value: Value, type_: Value = None) -> Value:
    """The number that a text is."""
    if value is None:
        return None
    text = text_of(value, "`number`")
    if len(text) > NUMBER_CHARS_MAX:
        raise LimitExceeded(f"a number has more than {NUMBER_CHARS_MAX} characters")
    name = "" if type_ is None else text_of(type_, "the type of `number`")
    return READERS.get(name, read_any)(text)


def not_a_number(text: str, what: str) -> WrongValue:
    """The error for text that is no such number."""
    return WrongValue(f"`{text[:60]}` is no {what}")


def read_integer(text: str) -> int:
    """Read decimal, hexadecimal (0x, #) or octal (leading 0) digits."""
    if not INTEGER.fullmatch(text):
        raise not_a_number(text, "whole number")
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    lowered = digits.lower()
    if lowered.startswith(("0x", "#")):
        return sign * int(lowered.removeprefix("0x").removeprefix("#"), 16)
    try:
        return sign * (int(digits, 8) if len(digits) > 1 and digits[0] == "0" else int(digits))
    except ValueError as error:
        raise not_a_number(text, "whole number") from error


def bounded(bits: int) -> Callable[[str], int]:
    """A reader of whole numbers of that many bits."""

    def read(text: str) -> int:
        value = read_integer(text)
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise not_a_number(text, f"whole number of {bits} bit")
        return value

    return read


def read_double(text: str) -> float:
    """Read a double."""
    stripped = text.strip().removesuffix("d").removesuffix("D").removesuffix("f").removesuffix("F")
    if not DECIMAL.fullmatch(stripped) and not NOT_FINITE.fullmatch(text.strip()):
        raise not_a_number(text, "number")
    return float(stripped)


def read_float(text: str) -> Float32:
    """Read a number of single precision."""
    return Float32(read_double(text))


def read_decimal(text: str) -> Decimal:
    """Read an exact decimal."""
    if not DECIMAL.fullmatch(text):
        raise not_a_number(text, "decimal number")
    value = Decimal(text)
    if abs(value.adjusted()) > NUMBER_CHARS_MAX:
        raise LimitExceeded("the exponent of a number is too large")
    return value


def read_any(text: str) -> Value:
    """Read a number of the narrowest kind that holds it."""
    if not text.strip():
        raise not_a_number(text, "number")
    text = text.removeprefix("+") or text
    suffix = SUFFIXES.get(text[-1])
    if suffix is not None and not text.lower().startswith(("0x", "-0x", "#", "-#")):
        return suffix(text[:-1])
    if INTEGER.fullmatch(text):
        return read_integer(text)
    return narrowest(read_decimal(text), text)


def narrowest(exact: Decimal, text: str) -> Value:
    """Single precision where that loses nothing of what was written, else double, else exact."""
    digits = re.split("[eE]", text)[0].partition(".")[2]
    single = Float32(float(exact))
    if len(digits) <= 7 and Decimal(float32_text(single).replace("Infinity", "NaN")) == exact:
        return single
    double = float(exact)
    if len(digits) <= 16 and double_text(double) not in ("Infinity", "-Infinity"):
        return double
    return exact


def read_long_suffix(text: str) -> int:
    """`12L`."""
    return bounded(64)(text)


SUFFIXES: Final[Mapping[str, Callable[[str], Value]]] = {
    "l": read_long_suffix,
    "L": read_long_suffix,
    "f": read_float,
    "F": read_float,
    "d": read_double,
    "D": read_double,
}
READERS: Final[Mapping[str, Callable[[str], Value]]] = {
    "INT": bounded(32),
    "LONG": bounded(64),
    "FLOAT": read_float,
    "DOUBLE": read_double,
    "BIGDECIMAL": read_decimal,
    "BIGINTEGER": read_integer,
}


@FILTERS("className")
def class_name(_run: Run, value: Value) -> Value:
    """The Java class that stands for the kind of a value."""
    return None if value is None else next(name for test, name in CLASSES if test(value))


CLASSES: Final[tuple[tuple[Callable[[Value], bool], str], ...]] = (
    (lambda value: isinstance(value, bool), "java.lang.Boolean"),
    (lambda value: isinstance(value, str), "java.lang.String"),
    (lambda value: isinstance(value, int) and -INT_MAX - 1 <= value <= INT_MAX, "java.lang.Integer"),
    (lambda value: isinstance(value, int) and LONG_MIN <= value <= LONG_MAX, "java.lang.Long"),
    (lambda value: isinstance(value, int), "java.math.BigInteger"),
    (lambda value: isinstance(value, Float32), "java.lang.Float"),
    (lambda value: isinstance(value, float), "java.lang.Double"),
    (lambda value: isinstance(value, Decimal), "java.math.BigDecimal"),
    (is_map, "java.util.LinkedHashMap"),
    (lambda value: isinstance(value, MapEntry), "java.util.LinkedHashMap$Entry"),
    (is_list, "java.util.ArrayList"),
    (lambda _value: True, "java.lang.Object"),
)
