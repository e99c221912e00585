"""Names of months, days and zones, and the order of a date, by language."""

import re
from functools import lru_cache
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.dates import get_timezone_name

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.formats.moments import Moment, Zone

DEFAULT: Final = "en_US"
SHAPE = re.compile(r"[a-z]{2,3}(?:_[A-Z]{2}|_[0-9]{3})?(?:_\w{1,20})?")
WIDTHS: Final = {1: "abbreviated", 2: "abbreviated", 3: "abbreviated", 4: "wide", 5: "narrow"}


@lru_cache(maxsize=64)
def locale_of(name: str) -> Any:
    """Find a locale such as `fr` or `pt_BR`."""
    if not SHAPE.fullmatch(name):
        raise WrongValue(f"`{name[:60]}` is no locale")
    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        return known_language(name)


def known_language(name: str) -> Any:
    """A locale by its language alone; an unknown language speaks English, as in Java."""
    try:
        return Locale.parse(name.partition("_")[0])
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en")


def named(table: str, form: str, count: int, index: int | str, locale: str) -> str:
    """A name from one of the locale's tables."""
    names = getattr(locale_of(locale), table)
    return str(names[form][WIDTHS[count]][index])


def era(year: int, count: int, locale: str) -> str:
    """The name of the era."""
    return str(locale_of(locale).eras[WIDTHS[count]][1 if year > 0 else 0])


def half_of_day(hour: int, locale: str) -> str:
    """AM or PM."""
    return named("day_periods", "format", 3, "am" if hour < 12 else "pm", locale)


def week_rules(locale: str) -> tuple[int, int]:
    """The first day of the week (Monday is 0) and the days a first week needs."""
    found = locale_of(locale)
    if found.territory is None and found.language == "en":
        return 6, 1  # a language alone follows its largest country
    return int(found.first_week_day), int(found.min_week_days)


def zone_name(moment: Moment, width: str, locale: str, *, generic: bool = False) -> str:
    """The name of a zone at a moment: `CEST` or `Central European Summer Time`."""
    zone = moment.zone
    if not zone.region:
        return zone.name
    if zone.name in ("UTC", "GMT", "UT") and width == "short":
        return "UTC" if zone.name == "UTC" else "GMT"
    return babel_name(moment, zone, width, locale, generic=generic)


def babel_name(moment: Moment, zone: Zone, width: str, locale: str, *, generic: bool) -> str:
    """The zone's name from the locale data; English has short names for zones everywhere."""
    aware = moment.local.replace(tzinfo=zone.info)
    if width == "short" and not generic:
        return aware.tzname() or zone.name
    variant = "generic" if generic else "daylight" if aware.dst() else "standard"
    try:
        found = get_timezone_name(
            aware if not generic else zone.info,
            width=width,
            locale=locale_of(locale),
            zone_variant=variant,  # type: ignore[arg-type]
        )
    except (LookupError, ValueError, AttributeError):
        return zone.name
    return str(found)


def localized_pattern(style: str, locale: str) -> str:
    """The pattern of one of the styles full, long, medium and short."""
    found = locale_of(locale)
    joiner = str(found.datetime_formats[style])
    if found.language == "en" and style in ("full", "long"):
        joiner = "{1} 'at' {0}"
    date, time = found.date_formats[style].pattern, found.time_formats[style].pattern
    return joiner.replace("{1}", date).replace("{0}", time).replace("\u202f", " ")
