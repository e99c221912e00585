"""Writing dates in a pattern."""

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from hookledger.runtime.expressions.formats import localenames
from hookledger.runtime.expressions.formats.datepatterns import Field, Literal, Part, read_pattern
from hookledger.runtime.expressions.formats.moments import NANOS, Moment, offset_id

Writer = Callable[[Moment, int, str], str]


def write(moment: Moment, pattern: str, locale: str) -> str:
    """Write a moment in a pattern."""
    return written(moment, read_pattern(pattern), locale)


def written(moment: Moment, parts: tuple[Part, ...], locale: str) -> str:
    return "".join(one_part(moment, part, locale) for part in parts)


def one_part(moment: Moment, part: Part, locale: str) -> str:
    """Write one part; everything a pattern can name is known, so optional parts are always written."""
    if isinstance(part, Literal):
        return part.text
    if isinstance(part, Field):
        return WRITERS[part.letter](moment, part.count, locale).rjust(part.width)
    return written(moment, part.parts, locale)


def numeric(value: Callable[[Moment], int]) -> Writer:
    """A writer of a number with at least as many digits as letters."""
    return lambda moment, count, _locale: str(value(moment)).rjust(count, "0")


def year(moment: Moment, count: int, _locale: str) -> str:
    """Two letters are the last two digits."""
    return year_digits(moment.local.year, count)


def year_digits(value: int, count: int) -> str:
    return f"{value % 100:02}" if count == 2 else str(value).rjust(count, "0")


def name_or_number(table: str, value: Callable[[Moment], int], form: str) -> Writer:
    """One or two letters are a number, more are a name."""

    def write_it(moment: Moment, count: int, locale: str) -> str:
        number = value(moment)
        return (
            str(number).rjust(count, "0")
            if count < 3
            else localenames.named(table, form, count, number, locale)
        )

    return write_it


def month(moment: Moment) -> int:
    return moment.local.month


def quarter(moment: Moment) -> int:
    return (moment.local.month + 2) // 3


def day_name(form: str) -> Writer:
    """The day of the week by name."""
    return lambda moment, count, locale: localenames.named(
        "days", form, count, moment.local.weekday(), locale
    )


def local_day(form: str) -> Writer:
    """The day of the week by number, counted from the locale's first, or by name."""

    def write_it(moment: Moment, count: int, locale: str) -> str:
        if count >= 3:
            return day_name(form)(moment, count, locale)
        first, _ = localenames.week_rules(locale)
        return str((moment.local.weekday() - first) % 7 + 1).rjust(count, "0")

    return write_it


def week_start(day: date, first: int) -> date:
    return day - timedelta(days=(day.weekday() - first) % 7)


def first_week(year_: int, first: int, days_min: int) -> date:
    """The first day of the first week of a year."""
    start = date(year_, 1, 1)
    begin = week_start(start, first)
    return begin if 7 - (start - begin).days >= days_min else begin + timedelta(days=7)


def week_based(moment: Moment, locale: str) -> tuple[int, int]:
    """Week-based year and week."""
    first, days_min = localenames.week_rules(locale)
    day = moment.local.date()
    for candidate in (day.year + 1, day.year, day.year - 1):
        if 1 <= candidate <= 9999 and day >= (begin := first_week(candidate, first, days_min)):
            return candidate, (day - begin).days // 7 + 1
    return day.year, 1


def week_of_month(moment: Moment, _count: int, locale: str) -> str:
    first, days_min = localenames.week_rules(locale)
    start = moment.local.date().replace(day=1)
    begin = week_start(start, first)
    number = (moment.local.date() - begin).days // 7 + 1
    return str(number if 7 - (start - begin).days >= days_min else number - 1)


def week_year(moment: Moment, count: int, locale: str) -> str:
    return year_digits(week_based(moment, locale)[0], count)


def week(moment: Moment, count: int, locale: str) -> str:
    return str(week_based(moment, locale)[1]).rjust(count, "0")


def era(moment: Moment, count: int, locale: str) -> str:
    return localenames.era(moment.local.year, count, locale)


def half_of_day(moment: Moment, _count: int, locale: str) -> str:
    return localenames.half_of_day(moment.local.hour, locale)


def fraction(moment: Moment, count: int, _locale: str) -> str:
    return f"{moment.nano:09}"[:count]


def second_of_day(moment: Moment) -> int:
    return moment.local.hour * 3600 + moment.local.minute * 60 + moment.local.second


def zone_id(moment: Moment, _count: int, _locale: str) -> str:
    return moment.zone.name


def zone_name(moment: Moment, count: int, locale: str) -> str:
    return localenames.zone_name(moment, "long" if count == 4 else "short", locale)


def generic_zone_name(moment: Moment, count: int, locale: str) -> str:
    return localenames.zone_name(moment, "long" if count == 4 else "short", locale, generic=True)


def offset(moment: Moment, shape: str) -> str:
    """An offset in one of the shapes H, HM, H:M, HMS and H:M:S; H has minutes only if there are any."""
    seconds = int(moment.offset.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    colon = ":" if ":" in shape else ""
    text = f"{sign}{hours:02}"
    if shape != "H" or minutes:
        text += f"{colon}{minutes:02}"
    return text + (f"{colon}{rest:02}" if "S" in shape and rest else "")


SHAPES: Final = {1: "H", 2: "HM", 3: "H:M", 4: "HMS", 5: "H:M:S"}


def offset_or_z(moment: Moment, count: int, _locale: str) -> str:
    return offset(moment, SHAPES[count]) if moment.offset else "Z"


def plain_offset(moment: Moment, count: int, _locale: str) -> str:
    return offset(moment, SHAPES[count])


def localized_offset(moment: Moment, count: int, locale: str) -> str:
    """`GMT+2` or `GMT+02:00`, in French `UTC+2`."""
    whole = localenames.localized_offset(moment, locale)
    if count == 4 or not moment.offset:
        return whole
    text = offset(moment, "H:M:S")
    prefix, sign, _ = re.split(r"([+-])", whole, maxsplit=1)
    return prefix + sign + text[1:].removeprefix("0").removesuffix(":00")


def rfc_offset(moment: Moment, count: int, locale: str) -> str:
    """`+0200`, `GMT+02:00` or `+02:00`."""
    if count == 4:
        return localized_offset(moment, 4, locale)
    return offset_or_z(moment, 5, locale) if count == 5 else offset(moment, "HM")


WRITERS: Final[Mapping[str, Writer]] = {
    "G": era,
    "u": year,
    "y": year,
    "Y": week_year,
    "D": numeric(lambda moment: moment.local.timetuple().tm_yday),
    "M": name_or_number("months", month, "format"),
    "L": name_or_number("months", month, "stand-alone"),
    "d": numeric(lambda moment: moment.local.day),
    "Q": name_or_number("quarters", quarter, "format"),
    "q": name_or_number("quarters", quarter, "stand-alone"),
    "w": week,
    "W": week_of_month,
    "E": day_name("format"),
    "e": local_day("format"),
    "c": local_day("stand-alone"),
    "F": numeric(lambda moment: (moment.local.day - 1) % 7 + 1),
    "a": half_of_day,
    "B": localenames.period_of_day,
    "h": numeric(lambda moment: (moment.local.hour - 1) % 12 + 1),
    "K": numeric(lambda moment: moment.local.hour % 12),
    "k": numeric(lambda moment: (moment.local.hour - 1) % 24 + 1),
    "H": numeric(lambda moment: moment.local.hour),
    "m": numeric(lambda moment: moment.local.minute),
    "s": numeric(lambda moment: moment.local.second),
    "S": fraction,
    "A": numeric(lambda moment: second_of_day(moment) * 1000 + moment.nano // 1_000_000),
    "n": numeric(lambda moment: moment.nano),
    "N": numeric(lambda moment: second_of_day(moment) * NANOS + moment.nano),
    "V": zone_id,
    "v": generic_zone_name,
    "z": zone_name,
    "O": localized_offset,
    "X": offset_or_z,
    "x": plain_offset,
    "Z": rfc_offset,
}


def iso_time(moment: Moment) -> str:
    """Hours to seconds, and as much of the fraction as there is."""
    text = moment.local.strftime("%H:%M:%S")
    return text + (f".{moment.nano:09}".rstrip("0") if moment.nano else "")


def iso_date(moment: Moment) -> str:
    local = moment.local
    return f"{local.year:04}-{local.month:02}-{local.day:02}"


def zone_suffix(moment: Moment) -> str:
    return f"[{moment.zone.name}]" if moment.zone.region else ""


def instant(moment: Moment) -> str:
    """In UTC, with a fraction of three, six or nine digits."""
    from hookledger.runtime.expressions.formats.moments import UTC_ZONE

    utc = moment.within(UTC_ZONE)
    digits = f"{utc.nano:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{iso_date(utc)}T{utc.local:%H:%M:%S}{'.' if digits else ''}{digits}Z"


def week_date(moment: Moment) -> str:
    calendar = moment.local.isocalendar()
    return f"{calendar.year:04}-W{calendar.week:02}-{calendar.weekday}{offset_id(moment.offset)}"


def rfc_1123(moment: Moment) -> str:
    """English whatever the locale."""
    zone = offset(moment, "HM") if moment.offset else "GMT"
    return write(moment, "EEE, d MMM yyyy HH:mm:ss ", "en_US") + zone


NAMED_PATTERNS: Final[Mapping[str, str]] = {
    "iso": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "iso_sec": "yyyy-MM-dd'T'HH:mm:ssXXX",
    "iso_milli": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "sql": "yyyy-MM-dd HH:mm:ss.SSSSSS",
    "sql_milli": "yyyy-MM-dd HH:mm:ss.SSS",
    "sql_sec": "yyyy-MM-dd HH:mm:ss",
    "sql_seq": "yyyy-MM-dd HH:mm:ss",
}
NAMED: Final[Mapping[str, Callable[[Moment], str]]] = {
    "iso_date_time": lambda m: f"{iso_date(m)}T{iso_time(m)}{offset_id(m.offset)}{zone_suffix(m)}",
    "iso_zoned_date_time": lambda m: f"{iso_date(m)}T{iso_time(m)}{offset_id(m.offset)}{zone_suffix(m)}",
    "iso_date": lambda m: iso_date(m) + offset_id(m.offset),
    "iso_time": lambda m: iso_time(m) + offset_id(m.offset),
    "iso_offset_time": lambda m: iso_time(m) + offset_id(m.offset),
    "iso_local_date": iso_date,
    "iso_local_time": iso_time,
    "iso_local_date_time": lambda m: f"{iso_date(m)}T{iso_time(m)}",
    "iso_instant": instant,
    "iso_ordinal_date": lambda m: f"{m.local.year:04}-{m.local.timetuple().tm_yday:03}{offset_id(m.offset)}",
    "iso_week_date": week_date,
    "rfc_1123_date_time": rfc_1123,
}
STYLES: Final = frozenset({"full", "long", "medium", "short"})


def format_moment(moment: Moment, name: str, locale: str) -> str:
    """Write a moment in a named format, a style or a pattern."""
    if name in NAMED:
        return NAMED[name](moment)
    if name in STYLES:
        return write(moment, localenames.localized_pattern(name, locale), locale)
    return write(moment, NAMED_PATTERNS.get(name, name), locale)
