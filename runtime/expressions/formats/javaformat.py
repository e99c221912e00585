"""Format strings as Java's Formatter takes them: `%5.2f`, `%-10s|`, `%2$s %1$s`.

Decimals are rounded half up, from the digits a number is written with. Conversions that depend on Java's
objects (`%h`, `%c`, `%t`, `%a`) are not known; there are other filters for dates.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import double_text, string_of
from hookledger.runtime.expressions.values import Value, is_integer, kind

SPECIFIER = re.compile(r"%(?:(\d+)\$|(<))?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?(.)?", re.DOTALL)
WIDTH_DIGITS_MAX: Final = 9
PLACES_MAX: Final = 1000
EXACT: Final = Context(prec=4000, rounding=ROUND_HALF_UP)
# The flags each conversion may carry.
FLAGS: Final = {"d": "-+ 0,(", "o": "-#0", "x": "-#0", "e": "-#+ 0(", "f": "-#+ 0,(", "g": "-+ 0,("}


@dataclass(frozen=True, slots=True)
class Specifier:
    """One `%` and what belongs to it."""

    conversion: str  # in lower case
    flags: str
    width: int
    precision: int | None

    def padded(self, text: str) -> str:
        """Fill with spaces up to the width."""
        return text.ljust(self.width) if "-" in self.flags else text.rjust(self.width)

    def signed(self, digits: str, *, negative: bool, zeros: bool = True) -> str:
        """Put a sign before digits, or parentheses around them, and fill up to the width."""
        closed = negative and "(" in self.flags
        plus = "+" if "+" in self.flags else " " if " " in self.flags else ""
        before, after = ("(", ")") if closed else ("-" if negative else plus, "")
        if zeros and "0" in self.flags:
            digits = digits.rjust(self.width - len(before) - len(after), "0")
        return self.padded(before + digits + after)


def format_text(run: Run, template: str, values: Sequence[Value]) -> str:
    """Fill values into a format string."""
    pieces: list[str] = []
    end, following, last = 0, 0, -1
    for matched in SPECIFIER.finditer(template):
        run.spend(1)
        pieces.append(template[end : matched.start()])
        end, upper = matched.end(), (matched[6] or "").isupper()
        specifier = read(matched)
        run.room_for(specifier.width)
        if specifier.conversion in LITERALS:
            pieces.append(specifier.padded(LITERALS[specifier.conversion]))
            continue
        if matched[2]:
            index = last
        elif matched[1]:
            index = number_of(matched[1]) - 1
        else:
            index, following = following, following + 1
        if not 0 <= index < len(values):
            raise WrongValue(f"`{matched.group()[:60]}` in a format has no value")
        last = index
        shown = CONVERSIONS[specifier.conversion](run, specifier, values[index])
        pieces.append(shown.upper() if upper else shown)
    text = "".join([*pieces, template[end:]])
    run.room_for(len(text))
    return text


LITERALS: Final = {"%": "%", "n": "\n"}


def number_of(digits: str) -> int:
    """A width, a precision or a position."""
    if len(digits) > WIDTH_DIGITS_MAX:
        raise WrongValue("a number in a format is too large")
    return int(digits)


def read(matched: re.Match[str]) -> Specifier:
    """Take a specifier apart; what Java refuses is refused."""
    letter = matched[6] or ""
    conversion = letter.lower() if letter in "BSXEG" else letter
    flags, width = matched[3], number_of(matched[4] or "0")
    precision = None if matched[5] is None else number_of(matched[5])
    allowed = FLAGS.get(conversion, "-")
    wrong = (
        (conversion not in CONVERSIONS and conversion not in LITERALS)
        or any(flag not in allowed or flags.count(flag) > 1 for flag in flags)
        or (not width and ("-" in flags or "0" in flags))
        or {"-", "0"} <= set(flags)
        or {"+", " "} <= set(flags)
        or (precision is not None and conversion not in "bsefg")
        or (conversion == "n" and (width or flags))
    )
    if wrong:
        raise WrongValue(f"`{matched.group()[:60]}` is no conversion of a format")
    if precision is not None and precision > PLACES_MAX and conversion not in "bs":
        raise WrongValue(f"a format asks for more than {PLACES_MAX} places")
    return Specifier(conversion, flags, width, precision)


def as_text(run: Run, specifier: Specifier, value: Value) -> str:
    return specifier.padded(string_of(run, value)[: specifier.precision])


def as_boolean(run: Run, specifier: Specifier, value: Value) -> str:
    """Null is false, and everything else that is no boolean is true."""
    return as_text(run, specifier, value if isinstance(value, bool) else value is not None)


def whole_number(run: Run, specifier: Specifier, value: Value) -> str:
    if value is None:
        return as_text(run, specifier, value)
    if not is_integer(value):
        raise WrongValue(f"`%{specifier.conversion}` needs a whole number, not {kind(value)}")
    if specifier.conversion == "d":
        shown = f"{abs(value):,}" if "," in specifier.flags else str(abs(value))
        return specifier.signed(shown, negative=value < 0)
    prefix, form = {"x": ("0x", "x"), "o": ("0", "o")}[specifier.conversion]
    digits = format(value % 2**64 if -(2**63) <= value < 0 else value, form)
    return specifier.signed((prefix if "#" in specifier.flags else "") + digits, negative=False)


def decimal_number(run: Run, specifier: Specifier, value: Value) -> str:
    if value is None:
        return as_text(run, specifier, value)
    if not isinstance(value, (float, Decimal)):
        raise WrongValue(f"`%{specifier.conversion}` needs a decimal number, not {kind(value)}")
    if not math.isfinite(value):
        shown = double_text(abs(value)) if isinstance(value, float) else "NaN"
        return specifier.signed(shown, negative=value < 0, zeros=False)
    exact = Decimal(double_text(value)) if isinstance(value, float) else value
    places = 6 if specifier.precision is None else specifier.precision
    if abs(exact.adjusted()) > PLACES_MAX:
        raise WrongValue("a number is too large for a format")
    digits = WRITERS[specifier.conversion](exact.copy_abs(), places, "," in specifier.flags)
    point = "." if "#" in specifier.flags and "." not in digits else ""
    return specifier.signed(digits + point, negative=exact.is_signed())


def plain(value: Decimal, places: int, grouped: bool) -> str:
    rounded = EXACT.quantize(value, Decimal(1).scaleb(-places))
    return format(rounded, ",f" if grouped else "f")


def scientific(value: Decimal, places: int, _grouped: bool) -> str:
    if not value:
        return plain(value, places, False) + "e+00"
    rounded = EXACT.quantize(value, Decimal(1).scaleb(value.adjusted() - places))
    exponent = rounded.adjusted()
    return f"{plain(EXACT.scaleb(rounded, -exponent), places, False)}e{exponent:+03d}"


def general(value: Decimal, places: int, grouped: bool) -> str:
    """Without an exponent from 0.0001 up to the precision."""
    digits = max(1, places)
    rounded = EXACT.quantize(value, Decimal(1).scaleb(value.adjusted() - digits + 1)) if value else value
    if not rounded or -4 <= rounded.adjusted() < digits:
        return plain(rounded, digits - 1 - (rounded.adjusted() if rounded else 0), grouped)
    return scientific(rounded, digits - 1, grouped)


WRITERS: Final[Mapping[str, Callable[[Decimal, int, bool], str]]] = {
    "f": plain,
    "e": scientific,
    "g": general,
}
CONVERSIONS: Final[Mapping[str, Callable[[Run, Specifier, Value], str]]] = {
    "s": as_text,
    "b": as_boolean,
    **dict.fromkeys("dox", whole_number),
    **dict.fromkeys("efg", decimal_number),
}
