"""Number patterns such as `#,##0.00`, `0.###E0`, `#%` and `0.00;(0.00)`.

A pattern has a prefix, digits and a suffix, and after `;` a prefix and a suffix for negative
numbers. Numbers are rounded half to even, from their exact binary value.
"""

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Final

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue

DIGITS = re.compile(r"[#0,.]+")
EXPONENT = re.compile(r"E(0+)")
AFFIX = re.compile(r"'([^']*)'|(\u00a4\u00a4|[^'#0,.;])|(')")
PATTERN_CHARS_MAX: Final = 200
DIGITS_MAX: Final = 1000
EXACT: Final = Context(prec=2000, rounding=ROUND_HALF_EVEN)
SCALES: Final = {"%": 2, "\u2030": 3}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A number pattern, taken apart."""

    prefix: str
    suffix: str
    negative: tuple[str, str]
    scale: int  # decimal places a percent or per mille sign moves the point
    whole_min: int
    whole_max: int  # matters with an exponent only
    fraction_min: int
    fraction_max: int
    group: int  # digits between two commas; 0 for none
    exponent_min: int  # digits of the exponent; 0 for no exponent
    point: bool  # shown even without a fraction


def affix(text: str, position: int) -> tuple[str, int, int]:
    """Read a prefix or suffix: literal text, its end, and the places it scales by."""
    parts: list[str] = []
    scale = 0
    while position < len(text) and (matched := AFFIX.match(text, position)):
        if matched[3]:
            raise WrongValue("a quote in a number pattern is never closed")
        parts.append(literal(matched))
        scale += SCALES.get(matched[2] or "", 0)
        position = matched.end()
    return "".join(parts), position, scale


def literal(matched: re.Match[str]) -> str:
    """The text one part of an affix stands for."""
    if matched[1] is not None:
        return matched[1] or "'"
    return {"\u00a4\u00a4": "XXX"}.get(matched[2], matched[2])  # no country is set, so no currency either


# What an empty pattern means: commas, and as many decimals as there are.
GENERAL: Final = Pattern("", "", ("-", ""), 0, 0, 0, 0, 340, 3, 0, False)


@lru_cache(maxsize=256)
def parse(text: str) -> Pattern:
    """Take a pattern apart."""
    if not text:
        return GENERAL
    if len(text) > PATTERN_CHARS_MAX:
        raise LimitExceeded(f"a number pattern has more than {PATTERN_CHARS_MAX} characters")
    prefix, position, before = affix(text, 0)
    digits = DIGITS.match(text, position)
    shape = digits.group() if digits else ""
    position = digits.end() if digits else position
    exponent = EXPONENT.match(text, position)
    position = exponent.end() if exponent else position
    suffix, position, after = affix(text, position)
    negative = negative_part(text, position, prefix, suffix)
    return shaped(shape, prefix, suffix, negative, before + after, len(exponent[1]) if exponent else 0)


def negative_part(text: str, position: int, prefix: str, suffix: str) -> tuple[str, str]:
    """Prefix and suffix of negative numbers; a minus sign unless the pattern says more."""
    if position >= len(text):
        return "-" + prefix, suffix
    if text[position] != ";" or position == 0:
        raise WrongValue(f"`{text[:60]}` is no number pattern")
    first, position, _ = affix(text, position + 1)
    digits = DIGITS.match(text, position)
    if digits is None:
        return (first, "") if first else ("-" + prefix, suffix)
    exponent = EXPONENT.match(text, digits.end())
    last, position, _ = affix(text, exponent.end() if exponent else digits.end())
    if position < len(text):
        raise WrongValue(f"`{text[:60]}` is no number pattern")
    return ("-" + prefix, suffix) if (first, last) == (prefix, suffix) else (first, last)


def shaped(
    shape: str, prefix: str, suffix: str, negative: tuple[str, str], scale: int, exponent_min: int
) -> Pattern:
    """Read the digits of a pattern."""
    whole, point, fraction = shape.partition(".")
    if not re.fullmatch(r"[#,]*[0,]*", whole) or not re.fullmatch(r"0*#*", fraction) or whole.endswith(","):
        raise WrongValue(f"`{shape[:60]}` is no number pattern")
    digits = whole.replace(",", "")
    whole_min, fraction_min = digits.count("0"), fraction.count("0")
    if point and not whole_min and not fraction_min:
        # Without any 0 the digit next to the point counts as one: before it, or after it in `.##`.
        whole_min, fraction_min = (1, 0) if digits else (0, 1)
    return Pattern(
        prefix=prefix,
        suffix=suffix,
        negative=negative,
        scale=scale,
        whole_min=whole_min,
        whole_max=len(digits),
        fraction_min=fraction_min,
        fraction_max=len(fraction),
        group=len(whole.rpartition(",")[2]) if "," in whole else 0,
        exponent_min=exponent_min,
        point=bool(point) and not fraction,
    )


def format_number(value: float | Decimal, text: str) -> str:
    """Write a number in a pattern."""
    pattern = parse(text)
    scaled = value * 10**pattern.scale if pattern.scale else value
    if scaled != scaled:
        return "NaN"
    if scaled in (math.inf, -math.inf):
        return affixed(pattern, "\u221e", negative=scaled < 0)
    exact = EXACT.create_decimal(scaled)
    if abs(exact.adjusted()) > DIGITS_MAX:
        raise LimitExceeded(f"a number has more than {DIGITS_MAX} digits")
    body = (scientific if pattern.exponent_min else plain)(abs(exact), abs(shortest(scaled)), pattern)
    return affixed(pattern, body, negative=exact.is_signed())


def shortest(value: float | Decimal) -> Decimal:
    """A number as it is written: the digits shown are never more than these."""
    return Decimal(float.__repr__(value)) if isinstance(value, float) else EXACT.create_decimal(value)


def affixed(pattern: Pattern, body: str, *, negative: bool) -> str:
    """Put prefix and suffix around digits."""
    prefix, suffix = pattern.negative if negative else (pattern.prefix, pattern.suffix)
    return prefix + body + suffix


def rounded(exact: Decimal, shown: Decimal, places: int) -> Decimal:
    """Round the exact value half to even; a value that needs no rounding is shown as it is written."""
    unit = Decimal(1).scaleb(-places)
    exponent = shown.as_tuple().exponent
    enough = isinstance(exponent, int) and -exponent <= places
    return EXACT.quantize(shown if enough else exact, unit)


def plain(exact: Decimal, shown: Decimal, pattern: Pattern) -> str:
    """Digits without an exponent."""
    whole, _, fraction = format(rounded(exact, shown, pattern.fraction_max), "f").partition(".")
    whole = whole.lstrip("0").rjust(pattern.whole_min, "0")
    fraction = fraction.rstrip("0").ljust(pattern.fraction_min, "0")
    if not whole and not fraction:
        whole = "0"
    return with_fraction(grouped(whole, pattern.group) if pattern.group else whole, fraction, pattern)


def with_fraction(whole: str, fraction: str, pattern: Pattern) -> str:
    return whole + ("." + fraction if fraction or pattern.point else "")


def grouped(whole: str, size: int) -> str:
    """Put commas between groups of digits."""
    head = len(whole) % size
    groups = [whole[:head]] if head else []
    groups += [whole[at : at + size] for at in range(head, len(whole), size)]
    return ",".join(groups)


def scientific(exact: Decimal, shown: Decimal, pattern: Pattern) -> str:
    """Digits with an exponent: as many in all as the pattern has places."""
    digits = max(1, pattern.whole_max + pattern.fraction_max)
    number = rounded(exact, shown, digits - 1 - exact.adjusted()) if exact else exact
    repeat = pattern.whole_max if pattern.whole_max > max(1, pattern.whole_min) else 0
    exponent = exponent_of(number, pattern, repeat) if number else 0
    whole, _, fraction = format(EXACT.scaleb(number, -exponent), "f").partition(".")
    whole = whole.lstrip("0").rjust(1 if repeat else pattern.whole_min, "0")
    fraction = fraction.rstrip("0").ljust(pattern.fraction_min, "0")
    sign, power = "-" if exponent < 0 else "", str(abs(exponent)).rjust(pattern.exponent_min, "0")
    return with_fraction(whole, fraction, pattern) + f"E{sign}{power}"


def exponent_of(number: Decimal, pattern: Pattern, repeat: int) -> int:
    """More places than needed make the exponent a multiple of them; else they are all used."""
    if repeat:
        return number.adjusted() // repeat * repeat
    used = pattern.whole_min if pattern.whole_min or pattern.fraction_min else 1
    return number.adjusted() + 1 - used
