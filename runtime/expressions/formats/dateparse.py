"""Reading dates in a pattern.

The pattern becomes a regular expression with one group per field; the groups are then put together as Java's
"smart" way does: a day past the end of a month becomes its last.
"""

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.formats import localenames
from hookledger.runtime.expressions.formats.dateformat import NAMED, NAMED_PATTERNS, STYLES
from hookledger.runtime.expressions.formats.datepatterns import Field, Literal, Part, read_pattern
from hookledger.runtime.expressions.formats.moments import (
    NANOS,
    Moment,
    Zone,
    in_zone,
    local_time,
    read_iso,
    zone_of,
)

OFFSETS: Final = r"Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?"
TEXT_CHARS_MAX: Final = 200
DIGITS: Final[Mapping[str, str]] = {
    **dict.fromkeys("dhHkKms", r"\d{1,2}"),
    "D": r"\d{1,3}",
    "e": r"\d",
    "c": r"\d",
    **dict.fromkeys("wWF", r"\d{1,2}"),
    **dict.fromkeys("AnN", r"\d{1,19}"),
}
OTHERS: Final[Mapping[str, str]] = {
    **dict.fromkeys("Xx", OFFSETS),
    "Z": rf"{OFFSETS}|GMT(?:{OFFSETS})?",
    "O": r"(?:GMT|UTC|UT)(?:[+-]\d{1,2}(?::\d\d){0,2})?",
    **dict.fromkeys("Vzv", r"[A-Za-z][\w/+:\-]*(?: [A-Z]\w*)*|[+-]\d\d:\d\d|Z"),
    "B": r"[a-z ]+",
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pattern ready for reading."""

    pattern: re.Pattern[str]
    fields: tuple[tuple[str, Field], ...]  # group and field
    names: Mapping[str, Mapping[str, int]]  # group to names and what they mean


class Compiler:
    """Turns a pattern into a regular expression."""

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self.fields: list[tuple[str, Field]] = []
        self.names: dict[str, dict[str, int]] = {}

    def source(self, parts: tuple[Part, ...]) -> str:
        return "".join(self.part(one) for one in parts)

    def part(self, part: Part) -> str:
        if isinstance(part, Literal):
            return re.escape(part.text)
        if isinstance(part, Field):
            group = f"g{len(self.fields)}"
            self.fields.append((group, part))
            return (
                f" *(?P<{group}>{self.field(part, group)})"
                if part.width
                else f"(?P<{group}>{self.field(part, group)})"
            )
        return f"(?:{self.source(part.parts)})?"

    def field(self, field: Field, group: str) -> str:
        """What one field may look like."""
        letter, count = field.letter, field.count
        if letter in "yuY":
            return r"\d{2}" if count == 2 else rf"[+-]?\d{{{count},9}}" if count < 9 else r"\d{9,19}"
        if letter == "S":
            return rf"\d{{{count}}}"
        if tables := name_tables(letter, count):
            return self.alternatives(tables, count, group)
        if letter in "MLQq":
            return r"\d{2}" if count == 2 else r"\d{1,2}"
        if letter in DIGITS:
            return rf"\d{{{count}}}" if count > 1 and letter not in "AnN" else DIGITS[letter]
        return OTHERS[letter]

    def alternatives(self, table: tuple[str, str], count: int, group: str) -> str:
        """Any of the locale's names."""
        names = names_of(table, count, self.locale)
        self.names[group] = names
        return "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True))


def name_tables(letter: str, count: int) -> tuple[str, str] | None:
    """The table of names a field is read from, if it is a name."""
    if letter in "aG":
        return ("day_periods" if letter == "a" else "eras", "format")
    if letter == "E" or (letter in "ec" and count >= 3):
        return ("days", "stand-alone" if letter == "c" else "format")
    if letter in "MLQq" and count >= 3:
        return ("months" if letter in "ML" else "quarters", "stand-alone" if letter in "Lq" else "format")
    return None


def names_of(table: tuple[str, str], count: int, locale: str) -> dict[str, int]:
    """Names and what they mean."""
    name, form = table
    found = localenames.locale_of(locale)
    if name == "eras":
        return {str(one): key for key, one in found.eras[localenames.WIDTHS[count]].items()}
    if name == "day_periods":
        periods = found.day_periods["format"]["abbreviated"]
        return {str(periods["am"]): 0, str(periods["pm"]): 1}
    return {str(one): key for key, one in getattr(found, name)[form][localenames.WIDTHS[count]].items()}


@lru_cache(maxsize=256)
def compiled(pattern: str, locale: str) -> Compiled:
    """Compile a pattern for reading."""
    compiler = Compiler(locale)
    source = compiler.source(read_pattern(pattern))
    return Compiled(re.compile(source, re.ASCII), tuple(compiler.fields), compiler.names)


def parse_moment(text: str, name: str, zone: Zone) -> Moment:
    """Read a date in a named format, a style or a pattern; without an own zone it is in `zone`."""
    if len(text) > TEXT_CHARS_MAX:
        raise WrongValue("this text is too long for a date")
    if name == "rfc_1123_date_time":
        return parse_pattern(text, "[EEE, ]d MMM yyyy HH:mm[:ss] z", zone)
    if name in NAMED:
        return read_iso_named(text, name, zone)
    if name in STYLES:
        return parse_pattern(text, localenames.localized_pattern(name, localenames.DEFAULT), zone)
    return parse_pattern(text, NAMED_PATTERNS.get(name, name), zone)


ISO_DATE: Final = r"\d{4}-\d\d-\d\d"
ISO_TIME: Final = r"[Tt]\d\d:\d\d(?::\d\d(?:\.\d{0,9})?)?"
ISO_OFFSET: Final = r"(?:[Zz]|[+-]\d\d(?::\d\d){0,2})"
ISO_ZONED: Final = rf"{ISO_OFFSET}(?:\[[^\]]+\])?"
# The shapes each of Java's ISO formats takes; those of a time alone name no day.
ISO_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "iso_date_time": re.compile(rf"{ISO_DATE}{ISO_TIME}(?:{ISO_ZONED})?"),
    "iso_zoned_date_time": re.compile(rf"{ISO_DATE}{ISO_TIME}{ISO_ZONED}"),
    "iso_local_date_time": re.compile(rf"{ISO_DATE}{ISO_TIME}"),
    "iso_instant": re.compile(rf"{ISO_DATE}{ISO_TIME}{ISO_OFFSET}"),
    "iso_date": re.compile(rf"({ISO_DATE}){ISO_OFFSET}?"),
    "iso_local_date": re.compile(rf"({ISO_DATE})"),
}
ISO_PATTERNS: Final = {"iso_ordinal_date": "yyyy-DDD[XXX]", "iso_week_date": "YYYY-'W'ww-e[XXX]"}


def read_iso_named(text: str, name: str, zone: Zone) -> Moment:
    """Read the form that a name of an ISO format stands for, and no other; of a date alone the offset says nothing."""
    if name in ISO_PATTERNS:
        return parse_pattern(text, ISO_PATTERNS[name], zone, locale="en_GB")  # whose weeks are those of ISO
    matched = ISO_SHAPES[name].fullmatch(text) if name in ISO_SHAPES else None
    if matched is None:
        raise WrongValue(f"`{text[:60]}` is no date in the form `{name}`")
    return read_iso(matched[1] if matched.re.groups else text, zone)


def parse_pattern(text: str, pattern: str, zone: Zone, *, locale: str = localenames.DEFAULT) -> Moment:
    """Read a date in a pattern."""
    reader = compiled(pattern, locale)
    matched = reader.pattern.fullmatch(text)
    if matched is None:
        raise WrongValue(f"`{text[:60]}` is no date in the form `{pattern[:60]}`")
    values: dict[str, int] = {}
    own_zone: Zone | None = None
    for group, field in reader.fields:
        if matched[group] is None:
            continue
        if field.letter in "XxZOVzv":
            own_zone = zone_from(matched[group])
        elif field.letter != "B":
            values[key_of(field)] = value_of(matched[group], field, reader.names.get(group))
    return together(values, own_zone or zone, locale)


def zone_from(text: str) -> Zone:
    """A zone as a pattern may write it."""
    return zone_of({"GMT": "GMT", "UT": "UT"}.get(text, text))


def key_of(field: Field) -> str:
    """Letters that mean the same share a key."""
    return {"u": "y", "L": "M", "q": "Q", "c": "e"}.get(field.letter, field.letter)


def value_of(text: str, field: Field, names: Mapping[str, int] | None) -> int:
    """The number a field stands for."""
    if names is not None:
        return names[text]
    if field.letter == "S":
        return int(text.ljust(9, "0"))
    number = int(text)
    return number + 2000 if field.letter in "yuY" and field.count == 2 else number


def together(values: Mapping[str, int], zone: Zone, locale: str) -> Moment:
    """Put the fields together."""
    day = day_from(values, locale)
    if values.get("E", day.weekday()) != day.weekday():
        raise WrongValue("a date is not on the day of the week that it names")
    hour = hour_from(values)
    if hour is None:
        values, hour = dict[str, int](), 0
    elif hour == 24 and not values.get("m") and not values.get("s"):
        day, hour = day + timedelta(days=1), 0
    nano = values.get("S", values.get("n", 0))
    if not 0 <= nano < NANOS:
        raise WrongValue("a fraction of a second is out of range")
    seconds = values.get("A", 0) // 1000 if "A" in values else values.get("N", 0) // NANOS
    minute, second = values.get("m", 0), values.get("s", 0)
    local = local_time(day.year, day.month, day.day, hour, minute, second) + timedelta(
        seconds=min(seconds, 86399)
    )
    extra = values.get("A", 0) % 1000 * 1_000_000 if "A" in values else values.get("N", 0) % NANOS
    return in_zone(local, nano or extra, zone)


def day_from(values: Mapping[str, int], locale: str) -> date:
    """The date, from whichever fields name one."""
    try:
        for fields, build in DATES:
            if fields <= values.keys():
                return build(values, locale)
    except (ValueError, OverflowError) as error:
        raise WrongValue(f"there is no such date: {error}") from error
    raise WrongValue("the form of a date needs a year, a month and a day")


def from_month(values: Mapping[str, int], _locale: str) -> date:
    year, month, day = values["y"], values["M"], values["d"]
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        raise ValueError("month or day out of range")
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def from_day_of_year(values: Mapping[str, int], _locale: str) -> date:
    found = date(values["y"], 1, 1) + timedelta(days=values["D"] - 1)
    if found.year != values["y"]:
        raise ValueError("day of the year out of range")
    return found


def from_week(values: Mapping[str, int], locale: str) -> date:
    from hookledger.runtime.expressions.formats.dateformat import first_week

    first, days_min = localenames.week_rules(locale)
    day = values["e"] - 1 if "e" in values else (values["E"] - first) % 7
    return first_week(values["Y"], first, days_min) + timedelta(days=7 * (values["w"] - 1) + day)


DATES: Final[tuple[tuple[frozenset[str], Callable[[Mapping[str, int], str], date]], ...]] = (
    (frozenset("yMd"), from_month),
    (frozenset("yD"), from_day_of_year),
    (frozenset("Ywe"), from_week),
    (frozenset("YwE"), from_week),
)


def hour_from(values: Mapping[str, int]) -> int | None:
    """The hour of the day, from whichever field names one; None when no time is given."""
    if "H" in values:
        return values["H"]
    if "k" in values:
        return values["k"] % 24
    if "a" in values and ("h" in values or "K" in values):
        return (values["h"] % 12 if "h" in values else values["K"]) + 12 * values["a"]
    return 0 if "A" in values or "N" in values else None
