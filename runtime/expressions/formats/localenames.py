"""Names of months, days and zones, and the order of a date, by language."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.formats.moments import Moment, offset_id

DEFAULT: Final = "en_US"
SHAPE = re.compile(
    r"(?P<language>[a-z]{2,3})(?:[_-](?:(?P<area>[A-Z]{2}|[0-9]{3})|(?P<empty>(?=[_-])))(?:[_-].+)?)?"
    r"|(?P<root>[A-Z]{2})|[_-](?P<country>[A-Z]{2})(?:[_-].+)?"
)
NOTHING: Final[Mapping[str, str]] = {}
# The locale data have these under another name, older or newer.
RENAMED: Final = {
    "Asia/Kolkata": "Asia/Calcutta",
    "Asia/Ho_Chi_Minh": "Asia/Saigon",
    "Asia/Kathmandu": "Asia/Katmandu",
    "Asia/Yangon": "Asia/Rangoon",
    "America/Argentina/Buenos_Aires": "America/Buenos_Aires",
    "Europe/Kyiv": "Europe/Kiev",
    "MET": "Europe/Brussels",
    "CET": "Europe/Brussels",
    "EET": "Europe/Athens",
    "WET": "Europe/Lisbon",
    "EST5EDT": "America/New_York",
    "CST6CDT": "America/Chicago",
    "MST7MDT": "America/Denver",
    "PST8PDT": "America/Los_Angeles",
}
Width: TypeAlias = Literal["long", "short"]
WIDTHS: Final = {1: "abbreviated", 2: "abbreviated", 3: "abbreviated", 4: "wide", 5: "narrow"}


@dataclass(frozen=True, slots=True)
class Language:
    """A locale: its names, and the country whose weeks it counts."""

    names: Any  # a babel.Locale
    country: str | None
    is_known: bool  # else only the short English names are used, as Java's root locale has them


@lru_cache(maxsize=64)
def language_of(name: str) -> Language:
    """Find a locale such as `fr`, `pt_BR` or `fr-FR`; an unknown or empty one is Java's root locale."""
    from babel import Locale, UnknownLocaleError

    matched = SHAPE.fullmatch(name)
    if matched is None and name:
        raise WrongValue(f"`{name[:60]}` is no locale")
    language, country = (
        (matched["language"], matched["area"] or matched["country"] or matched["root"])
        if matched
        else (None, None)
    )
    for candidate in (f"{language}_{country}" if country else language, language):
        try:
            if candidate and language:
                return Language(Locale.parse(candidate), country, True)
        except (UnknownLocaleError, ValueError):
            continue
    return Language(Locale.parse("en"), country, False)


def locale_of(name: str) -> Any:
    """The names of a locale."""
    return language_of(name).names


def width_of(count: int, locale: str) -> str:
    """How long a name of so many letters is; the root locale has no long ones."""
    return WIDTHS[3 if count == 4 and not language_of(locale).is_known else count]


def named(table: str, form: str, count: int, index: int | str, locale: str) -> str:
    """A name from one of the locale's tables."""
    names = getattr(locale_of(locale), table)
    return str(names[form][width_of(count, locale)][index]).replace("\u202f", "\u00a0")


def era(year: int, count: int, locale: str) -> str:
    """The name of the era."""
    if not language_of(locale).is_known:
        return "CE" if year > 0 else "BCE"
    return str(locale_of(locale).eras[WIDTHS[count]][1 if year > 0 else 0])


def half_of_day(hour: int, locale: str) -> str:
    """AM or PM."""
    return named("day_periods", "format", 3, "am" if hour < 12 else "pm", locale)


def week_rules(locale: str) -> tuple[int, int]:
    """The first day of the week (Monday is 0) and the days a first week needs."""
    found = language_of(locale)
    if found.country is None:
        return 6, 1  # a language alone says nothing about weeks; Java then begins on Sunday
    if found.names.territory == found.country:
        return int(found.names.first_week_day), int(found.names.min_week_days)
    return week_rules_of(found.country)


@lru_cache(maxsize=64)
def week_rules_of(country: str) -> tuple[int, int]:
    """The week of a country, by any of its languages; elsewhere weeks begin on Monday."""
    from babel import Locale, UnknownLocaleError
    from babel.core import get_global

    for language in get_global("territory_languages").get(country, ()):
        try:
            found = Locale.parse(f"{language}_{country}")
        except (UnknownLocaleError, ValueError):
            continue
        return int(found.first_week_day), int(found.min_week_days)
    return 0, 1


def period_of_day(moment: Moment, count: int, locale: str) -> str:
    """The part of the day: `in the morning`, `nachmittags`."""
    found = locale_of(locale)
    seconds = moment.local.hour * 3600 + moment.local.minute * 60
    names = found.day_periods["format"]
    chosen = "am" if seconds < 43200 else "pm"
    for name, rules in found.day_period_rules.get(None, {}).items():
        if any(rule.get("at") == seconds for rule in rules):
            chosen = name
            break
        if any("from" in rule and within(seconds, rule["from"], rule["before"]) for rule in rules):
            chosen = name
    widths = ("narrow", "abbreviated", "wide") if count == 5 else ("wide", "abbreviated")
    return next((str(names[one][chosen]) for one in widths if chosen in names[one]), chosen)


def within(seconds: int, start: int, end: int) -> bool:
    """Whether a time of day lies in a part of it, which may go past midnight."""
    return start <= seconds < end if start < end else seconds >= start or seconds < end


def localized_offset(moment: Moment, locale: str) -> str:
    """`GMT+02:00`, or as the locale has it; without an offset the prefix alone."""
    form = str(locale_of(locale).zone_formats["gmt"])
    return form.replace("%s", offset_id(moment.offset) if moment.offset else "")


def zone_name(moment: Moment, width: Width, locale: str, *, generic: bool = False) -> str:
    """The name of a zone at a moment: `CEST` or `Central European Summer Time`."""
    zone = moment.zone
    if not zone.region:
        return zone.name
    if width == "short" and zone.name in ("UTC", "GMT", "UT"):
        return "UTC" if zone.name == "UTC" else "GMT"
    if zone.name[3:4] in ("+", "-"):
        return zone.name if width == "short" else localized_offset(moment, locale)
    info = ZoneInfo(RENAMED[zone.name]) if zone.name in RENAMED else zone.info
    aware = moment.local.replace(tzinfo=info)
    variant = "generic" if generic else "daylight" if aware.dst() else "standard"
    named = named_zone(zone.name, width, variant, locale)
    if named is None and width == "short":
        named = winter_name(aware) if generic else aware.tzname()
    if (named or aware.tzname() or "+")[0] in "+-" or (width == "short" and not language_of(locale).is_known):
        return localized_offset(moment, locale)
    return named or zone.name


def winter_name(aware: datetime) -> str:
    """The short name a zone has when no summer time is in force."""
    months = (aware.replace(month=month, day=1) for month in (1, 7))
    return next((one.tzname() or "" for one in months if not one.dst()), aware.tzname() or "")


def named_zone(zone: str, width: Width, variant: str, locale: str) -> str | None:
    """A zone's name; the zone's own, else that of the group of zones it belongs to."""
    from babel.core import get_global

    aliases, groups = get_global("zone_aliases"), get_global("meta_zones")
    known = (zone, RENAMED.get(zone, zone), aliases.get(zone, zone))
    found = locale_of(locale)
    group = next((groups[one] for one in known if one in groups), "")
    for names in (*(found.time_zones.get(one) for one in known), found.meta_zones.get(group)):
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
