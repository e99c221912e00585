"""Filters and functions on dates."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Final

from hookledger.runtime.expressions.errors import ExpressionError, WrongValue
from hookledger.runtime.expressions.formats.dateformat import format_moment
from hookledger.runtime.expressions.formats.dateparse import parse_moment
from hookledger.runtime.expressions.formats.localenames import DEFAULT
from hookledger.runtime.expressions.formats.moments import (
    NANOS,
    UTC_ZONE,
    Moment,
    Zone,
    at_instant,
    from_datetime,
    read_iso,
    zone_of,
)
from hookledger.runtime.expressions.library.arguments import text_of, truncated
from hookledger.runtime.expressions.library.registry import FILTERS, FUNCTIONS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Value, is_integer, kind

# What a whole number counts, by its digits: 13 are milliseconds and 19 nanoseconds, all others are seconds.
FRACTIONS: Final = {13: 1000, 19: NANOS}
AMOUNT = re.compile(r"[+-]?[0-9]{1,18}")


def moment_of(value: Value, zone: Zone, existing: Value) -> Moment:
    """The moment a value stands for: a date, seconds or milliseconds since 1970, or text."""
    if isinstance(value, datetime):
        return from_datetime(value, zone)
    if is_integer(value):
        fraction = FRACTIONS.get(len(str(abs(value))), 1) if -(2**63) <= value < 2**63 else 1
        return at_instant(value // fraction, value % fraction * (NANOS // fraction), zone)
    if not isinstance(value, str):
        raise WrongValue(f"{kind(value)} is no date")
    if existing is None:
        return read_iso(value, zone)
    return parse_moment(value, text_of(existing, "`existingFormat`"), zone)


def zone_named(value: Value) -> Zone:
    """The zone of an argument; UTC when it is left out."""
    return UTC_ZONE if value is None else zone_of(text_of(value, "`timeZone`"))


def shown(moment: Moment, pattern: Value, zone: Value, locale: Value) -> str:
    """Write a moment in a zone."""
    return format_moment(
        moment.within(zone_named(zone)),
        "iso" if pattern is None else text_of(pattern, "the format of a date"),
        DEFAULT if locale is None else text_of(locale, "`locale`"),
    )


@FILTERS("date", "format?", "timeZone?", "existingFormat?", "locale?")
def date_(
    _run: Run,
    value: Value,
    pattern: Value = None,
    zone: Value = None,
    existing: Value = None,
    locale: Value = None,
) -> Value:
    """A date in another form or zone."""
    if value is None:
        return None
    return shown(moment_of(value, zone_named(zone), existing), pattern, zone, locale)


@FILTERS("dateAdd", "amount", "unit", "format?", "timeZone?", "existingFormat?", "locale?")
def date_add(
    _run: Run,
    value: Value,
    amount: Value,
    unit: Value,
    pattern: Value = None,
    zone: Value = None,
    existing: Value = None,
    locale: Value = None,
) -> Value:
    """A later or earlier date."""
    if value is None:
        return None
    name = text_of(unit, "the unit of `dateAdd`")
    if name not in UNITS:
        raise WrongValue(f"`{name[:60]}` is no unit of time; write one such as DAYS or HOURS")
    moment = moment_of(value, zone_named(zone), existing)
    try:
        later = UNITS[name](moment, amount_of(amount))
    except (OverflowError, ValueError) as error:
        raise WrongValue("a date is outside the years 1 to 9999") from error
    return shown(later, pattern, zone, locale)


def amount_of(value: Value) -> int:
    """How many units: a number without its fraction, or text that is a whole number."""
    if isinstance(value, str) and AMOUNT.fullmatch(value):
        return int(value)
    return truncated(value, "the amount of `dateAdd`")


def by_time(nanos: int) -> Callable[[Moment, int], Moment]:
    """Adds units of fixed length."""
    return lambda moment, amount: moment.plus_seconds(*divmod(amount * nanos, NANOS))


def by_days(days: int) -> Callable[[Moment, int], Moment]:
    """Adds days of the calendar: the time of day stays."""
    return lambda moment, amount: moment.with_local(moment.local + timedelta(days=amount * days))


def by_months(months: int) -> Callable[[Moment, int], Moment]:
    """Adds months: a day that does not exist becomes the last of its month."""

    def add(moment: Moment, amount: int) -> Moment:
        year, month = divmod(moment.local.year * 12 + moment.local.month - 1 + amount * months, 12)
        last = (date(year + month // 11, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
        day = min(moment.local.day, last)
        return moment.with_local(moment.local.replace(year=year, month=month + 1, day=day))

    return add


UNITS: Final[Mapping[str, Callable[[Moment, int], Moment]]] = {
    "NANOS": by_time(1),
    "MICROS": by_time(1000),
    "MILLIS": by_time(1_000_000),
    "SECONDS": by_time(NANOS),
    "MINUTES": by_time(60 * NANOS),
    "HOURS": by_time(3600 * NANOS),
    "HALF_DAYS": by_time(12 * 3600 * NANOS),
    "DAYS": by_days(1),
    "WEEKS": by_days(7),
    "MONTHS": by_months(1),
    "YEARS": by_months(12),
    "DECADES": by_months(120),
    "CENTURIES": by_months(1200),
    "MILLENNIA": by_months(12000),
}


@FILTERS("timestamp", "timeZone?", "existingFormat?")
def timestamp(_run: Run, value: Value, zone: Value = None, existing: Value = None) -> Value:
    """Seconds since 1970."""
    return None if value is None else moment_of(value, zone_named(zone), existing).epoch_seconds


MILLISECOND: Final = 1_000_000  # in nanoseconds


def fine_timestamp(unit: int) -> Callable[..., Value]:
    """A filter for smaller units since 1970; milliseconds are a number, the others text."""

    def apply(_run: Run, value: Value, zone: Value = None, existing: Value = None) -> Value:
        if value is None:
            return None
        moment = moment_of(value, zone_named(zone), existing)
        count = (moment.epoch_seconds * NANOS + moment.nano) // unit
        return count if unit == MILLISECOND else str(count)

    return apply


for name_, unit_ in (("timestampMilli", MILLISECOND), ("timestampMicro", 1000), ("timestampNano", 1)):
    FILTERS(name_, "timeZone?", "existingFormat?")(fine_timestamp(unit_))


def day_of(value: Value) -> date:
    """The calendar day of a date, in the date's own zone."""
    if value is None:
        raise WrongValue("a date is needed, not null")
    return moment_of(value, UTC_ZONE, None).local.date()


WEEKDAYS: Final = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


@FUNCTIONS("dayOfWeek", "date")
def day_of_week(_run: Run, value: Value) -> str:
    """The day of the week by its English name in capitals."""
    return WEEKDAYS[day_of(value).weekday()]


@FUNCTIONS("dayOfMonth", "date")
def day_of_month(_run: Run, value: Value) -> int:
    """The day of the month."""
    return day_of(value).day


@FUNCTIONS("monthOfYear", "date")
def month_of_year(_run: Run, value: Value) -> int:
    """The month by its number."""
    return day_of(value).month


@FUNCTIONS("hourOfDay", "date")
def hour_of_day(_run: Run, value: Value) -> int:
    """The hour, in the date's own zone."""
    day_of(value)
    return moment_of(value, UTC_ZONE, None).local.hour


@FUNCTIONS("isWeekend", "date")
def is_weekend(_run: Run, value: Value) -> bool:
    """Saturday or Sunday."""
    return day_of(value).weekday() >= 5


POSITIONS: Final = {"FIRST": 0, "SECOND": 1, "THIRD": 2, "FOURTH": 3}


@FUNCTIONS("isDayWeekInMonth", "date", "dayOfWeek", "position")
def is_day_week_in_month(_run: Run, value: Value, weekday: Value, position: Value) -> bool:
    """Whether a date is the first, second, third, fourth or last such weekday of its month."""
    day = day_of(value)
    wanted, place = (text_of(one, "`isDayWeekInMonth`").upper() for one in (weekday, position))
    if wanted not in WEEKDAYS or place not in (*POSITIONS, "LAST"):
        raise WrongValue("`isDayWeekInMonth` takes a weekday such as MONDAY, and FIRST to FOURTH or LAST")
    if WEEKDAYS[day.weekday()] != wanted:
        return False
    last = (day + timedelta(days=7)).month != day.month
    return last if place == "LAST" else (day.day - 1) // 7 == POSITIONS[place]


def instant_of(value: Value) -> tuple[int, int]:
    """A date as a place on the line of time; it must say its offset."""
    if isinstance(value, str) and value[10:11].upper() == "T":
        plain, zoned = (in_zone_or_none(value, one) for one in (UTC_ZONE, zone_of("+01:00")))
        if plain == zoned and plain is not None:
            return plain
    elif isinstance(value, datetime) and value.tzinfo is not None:
        moment = from_datetime(value, UTC_ZONE)
        return moment.epoch_seconds, moment.nano
    raise WrongValue("a date and time with an offset is needed, such as 2031-07-04T09:00:00Z")


def in_zone_or_none(value: str, zone: Zone) -> tuple[int, int] | None:
    """The instant of a text read in a zone."""
    try:
        moment = read_iso(value, zone)
    except ExpressionError:
        return None
    return moment.epoch_seconds, moment.nano


@FUNCTIONS("isDateAfter", "date", "after")
def is_date_after(_run: Run, value: Value, after: Value) -> bool:
    """Whether a date is later than another."""
    return instant_of(value) > instant_of(after)


@FUNCTIONS("isDateBefore", "date", "before")
def is_date_before(_run: Run, value: Value, before: Value) -> bool:
    """Whether a date is earlier than another."""
    return instant_of(value) < instant_of(before)


@FUNCTIONS("isDateBetween", "date", "after", "before")
def is_date_between(_run: Run, value: Value, after: Value, before: Value) -> bool:
    """Whether a date lies between two others."""
    return instant_of(after) < instant_of(value) < instant_of(before)
