"""Names of months, days and zones, and the order of a date, by language."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.formats.moments import Moment

DEFAULT: Final = "en_US"
SHAPE = re.compile(r"[a-z]{2,3}(?:_[A-Z]{2}|_[0-9]{3})?(?:_\w{1,20})?")
NOTHING: Final[Mapping[str, str]] = {}
# The locale data know these under older names.
RENAMED: Final = {
    "Asia/Kolkata": "Asia/Calcutta",
    "Asia/Ho_Chi_Minh": "Asia/Saigon",
    "Asia/Kathmandu": "Asia/Katmandu",
    "Asia/Yangon": "Asia/Rangoon",
    "America/Argentina/Buenos_Aires": "America/Buenos_Aires",
    "Europe/Kyiv": "Europe/Kiev",
}
Width: TypeAlias = Literal["long", "short"]
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
    return str(names[form][WIDTHS[count]][index]).replace("\u202f", "\u00a0")


def era(year: int, count: int, locale: str) -> str:
    """The name of the era."""
    return str(locale_of(locale).eras[WIDTHS[count]][1 if year > 0 else 0])


def half_of_day(hour: int, locale: str) -> str:
    """AM or PM."""
    return named("day_periods", "format", 3, "am" if hour < 12 else "pm", locale)


def week_rules(locale: str) -> tuple[int, int]:
    """The first day of the week (Monday is 0) and the days a first week needs."""
    found = locale_of(locale)
    if found.territory is None:
        return 6, 1  # a language alone says nothing about weeks; Java then begins on Sunday
    return int(found.first_week_day), int(found.min_week_days)


def zone_name(moment: Moment, width: Width, locale: str, *, generic: bool = False) -> str:
    """The name of a zone at a moment: `CEST` or `Central European Summer Time`."""
    zone = moment.zone
    if not zone.region:
        return zone.name
    if width == "short" and zone.name in ("UTC", "GMT", "UT"):
        return "UTC" if zone.name == "UTC" else "GMT"
    aware = moment.local.replace(tzinfo=zone.info)
    if width == "short":
        short = named_zone(zone.name, "short", "generic", locale) if generic else aware.tzname()
        return short or winter_name(aware) or zone.name
    variant = "generic" if generic else "daylight" if aware.dst() else "standard"
    return named_zone(zone.name, "long", variant, locale) or zone.name


def winter_name(aware: datetime) -> str:
    """The short name a zone has when no summer time is in force."""
    months = (aware.replace(month=month, day=1) for month in (1, 7))
    return next((one.tzname() or "" for one in months if not one.dst()), aware.tzname() or "")


def named_zone(zone: str, width: Width, variant: str, locale: str) -> str | None:
    """A zone's name; the zone's own, else that of the group of zones it belongs to."""
    canonical = RENAMED.get(zone) or get_global("zone_aliases").get(zone, zone)
    group = get_global("meta_zones").get(canonical, "")
    found = locale_of(locale)
    for names in (found.time_zones.get(canonical), found.meta_zones.get(group)):
        words: Mapping[str, str] = names[width] if names and width in names else NOTHING
        if name := words.get(variant) or (width == "long" and words.get("standard")):
            return str(name)
    return None


def localized_pattern(style: str, locale: str) -> str:
    """The pattern of one of the styles full, long, medium and short."""
    found = locale_of(locale)
    joiner = str(found.datetime_formats[style])
    if found.language == "en" and style in ("full", "long"):
        joiner = "{1} 'at' {0}"
    date, time = found.date_formats[style].pattern, found.time_formats[style].pattern
    return joiner.replace("{1}", date).replace("{0}", time).replace("\u202f", " ")
