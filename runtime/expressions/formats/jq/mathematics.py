"""jq's functions on numbers and dates."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from hookledger.runtime.expressions.formats.jq.access import is_number
from hookledger.runtime.expressions.formats.jq.core import (
    Env,
    fail,
    is_array,
    number,
    one_argument,
    shown,
    type_of,
)
from hookledger.runtime.expressions.values import Value

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FORMAT_CHARS_MAX: Final = 200


def need_number(env: Env, value: Value) -> float:
    """Require a number."""
    if not is_number(value):
        raise fail(f"{type_of(value)} ({shown(env, value)}) number required")
    return float(value)


def of_one(function: Callable[[float], float]) -> Callable[..., Value]:
    """A function of the input, a decimal number; where it is not defined the result is not a number."""

    def run(env: Env, value: Value) -> Value:
        try:
            return float(function(need_number(env, value)))
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return run


def of_two(function: Callable[[float, float], float]) -> Callable[..., Value]:
    """A function of two arguments."""

    def run(env: Env, _value: Value, left: Value, right: Value) -> Value:
        try:
            return number(float(function(need_number(env, left), need_number(env, right))))
        except (ValueError, ZeroDivisionError):
            return math.nan
        except OverflowError:
            return math.inf

    return run


def logarithm(base: float) -> Callable[[float], float]:
    """A logarithm; of zero it is minus infinity."""
    return lambda value: (
        -math.inf if value == 0 else math.log(value) / math.log(base) if base != 10 else math.log10(value)
    )


def rounded(value: float) -> float:
    """Halves go away from zero."""
    return math.copysign(math.floor(abs(value) + 0.5), value) if math.isfinite(value) else value


def floored(value: float) -> float:
    return math.floor(value) if math.isfinite(value) else value


def raised(value: float) -> float:
    return math.ceil(value) if math.isfinite(value) else value


def moment(env: Env, value: Value) -> datetime:
    """The date that seconds since 1970, or broken-down time, stand for."""
    if is_array(value):
        return from_parts(value)
    try:
        return EPOCH + timedelta(seconds=need_number(env, value))
    except (OverflowError, ValueError) as error:
        raise fail("a date is out of range") from error


def from_parts(parts: list[Value]) -> datetime:
    """Year, month from 0, day, hours, minutes, seconds."""
    if len(parts) < 6 or not all(is_number(one) for one in parts[:6]):
        raise fail("a date needs six numbers")
    year, month, day, hours, minutes, seconds = parts[:6]
    try:
        start = datetime(int(year) + int(month) // 12, int(month) % 12 + 1, 1, tzinfo=UTC)
        return start + timedelta(days=day - 1, hours=hours, minutes=minutes, seconds=seconds)
    except (OverflowError, ValueError) as error:
        raise fail("a date is out of range") from error


def gmtime(env: Env, value: Value) -> Value:
    """Broken-down time, with the day of the week and of the year."""
    found = moment(env, value)
    seconds = number(found.second + found.microsecond / 1e6)
    day = found.timetuple()
    return [
        found.year,
        found.month - 1,
        found.day,
        found.hour,
        found.minute,
        seconds,
        (day.tm_wday + 1) % 7,
        day.tm_yday - 1,
    ]


def mktime(env: Env, value: Value) -> Value:
    """Seconds since 1970 of broken-down time."""
    if not is_array(value):
        raise fail("mktime requires array of 6 numbers")
    return math.floor((moment(env, value) - EPOCH).total_seconds())


def strftime(env: Env, value: Value, pattern: Value) -> str:
    """A date in a pattern of percent signs."""
    if not isinstance(pattern, str) or len(pattern) > FORMAT_CHARS_MAX:
        raise fail("strftime/1 requires a string format")
    try:
        return moment(env, value).strftime(pattern)
    except ValueError as error:
        raise fail("strftime/1: the format is not understood") from error


def strptime(env: Env, value: Value, pattern: Value) -> Value:
    """Broken-down time from text in a pattern."""
    if not isinstance(value, str) or not isinstance(pattern, str) or len(pattern) > FORMAT_CHARS_MAX:
        raise fail("strptime/1 requires string inputs and arguments")
    try:
        found = datetime.strptime(value, pattern)
    except ValueError as error:
        raise fail(f'date "{value[:40]}" does not match format "{pattern}"') from error
    return gmtime(env, (found.replace(tzinfo=found.tzinfo or UTC) - EPOCH).total_seconds())


def from_iso(env: Env, value: Value) -> Value:
    """Seconds since 1970 of an ISO date in UTC."""
    return mktime(env, strptime(env, value, "%Y-%m-%dT%H:%M:%SZ"))


def is_normal(env: Env, value: Value) -> bool:
    """Neither zero, infinite, nor too small for full precision."""
    return math.isfinite(need_number(env, value)) and abs(value) >= 2.2250738585072014e-308


def frexp(env: Env, value: Value) -> Value:
    mantissa, exponent = math.frexp(need_number(env, value))
    return [mantissa, exponent]


ONE: Final[Mapping[str, Callable[[float], float]]] = {
    "floor": floored,
    "ceil": raised,
    "round": rounded,
    "trunc": lambda value: float(math.trunc(value)) if math.isfinite(value) else value,
    "sqrt": math.sqrt,
    "cbrt": math.cbrt,
    "fabs": math.fabs,
    "abs": math.fabs,
    "exp": math.exp,
    "exp2": lambda value: 2.0**value,
    "exp10": lambda value: 10.0**value,
    "expm1": math.expm1,
    "log": logarithm(math.e),
    "log2": logarithm(2),
    "log10": logarithm(10),
    "log1p": math.log1p,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "asinh": math.asinh,
    "acosh": math.acosh,
    "atanh": math.atanh,
    "gamma": math.lgamma,
    "lgamma": math.lgamma,
    "tgamma": math.gamma,
    "significand": lambda value: math.frexp(value)[0] * 2 if value else 0.0,
    "logb": lambda value: float(math.frexp(value)[1] - 1) if value else -math.inf,
    "rint": lambda value: float(round(value)) if math.isfinite(value) else value,
    "nearbyint": lambda value: float(round(value)) if math.isfinite(value) else value,
}
TWO: Final[Mapping[str, Callable[[float, float], float]]] = {
    "pow": math.pow,
    "atan2": math.atan2,
    "fmod": math.fmod,
    "fmin": min,
    "fmax": max,
    "ldexp": lambda value, power: math.ldexp(value, int(power)),
    "scalb": lambda value, power: math.ldexp(value, int(power)),
    "copysign": math.copysign,
    "hypot": math.hypot,
}
PLAIN: Final[Mapping[str, Callable[..., Value]]] = {
    **{f"{name}/0": of_one(function) for name, function in ONE.items()},
    **{f"{name}/2": of_two(function) for name, function in TWO.items()},
    "infinite/0": one_argument(lambda _env, _value: math.inf),
    "nan/0": one_argument(lambda _env, _value: math.nan),
    "true/0": one_argument(lambda _env, _value: True),
    "false/0": one_argument(lambda _env, _value: False),
    "null/0": one_argument(lambda _env, _value: None),
    "isinfinite/0": one_argument(lambda env, value: math.isinf(need_number(env, value))),
    "isnan/0": one_argument(lambda env, value: math.isnan(need_number(env, value))),
    "isnormal/0": is_normal,
    "frexp/0": frexp,
    "gmtime/0": gmtime,
    "mktime/0": mktime,
    "strftime/1": strftime,
    "strptime/1": strptime,
    "fromdateiso8601/0": from_iso,
}
