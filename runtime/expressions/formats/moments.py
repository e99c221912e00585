"""A point in time with its zone, to the nanosecond, and the zones Java knows by name."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hookledger.runtime.expressions.errors import WrongValue

NANOS: Final = 1_000_000_000
OFFSET = re.compile(r"(UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?")
OFFSET_HOURS_MAX: Final = 18
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone under the name it prints."""

    name: str
    info: tzinfo
    region: bool  # named, rather than a bare offset


def fixed(name: str, offset: timedelta, *, region: bool = False) -> Zone:
    """A zone that never changes its offset."""
    return Zone(name, timezone(offset), region)


UTC_ZONE: Final = fixed("UTC", timedelta(), region=True)
FIXED: Final = {
    "Z": fixed("Z", timedelta()),
    **{name: fixed(name, timedelta(), region=True) for name in ("UTC", "GMT", "UT")},
}


@lru_cache(maxsize=1024)
def zone_of(name: str) -> Zone:
    """Find a zone by its name or offset."""
    if name in FIXED:
        return FIXED[name]
    if matched := OFFSET.fullmatch(name):
        return zone_at(matched)
    try:
        return Zone(name, ZoneInfo(name), True)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WrongValue(f"there is no time zone `{name[:60]}`") from error


def zone_at(matched: re.Match[str]) -> Zone:
    """A zone given by its offset."""
    hours, minutes, seconds = (int(matched[group] or 0) for group in (3, 4, 5))
    if hours > OFFSET_HOURS_MAX or minutes > 59 or seconds > 59:
        raise WrongValue(f"`{matched.group()}` is no offset")
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    offset = -offset if matched[2] == "-" else offset
    prefix = matched[1] or ""
    return fixed(prefix + offset_id(offset) if offset else prefix or "Z", offset, region=bool(prefix))


def offset_id(offset: timedelta) -> str:
    """`+02:00`, `Z` for none."""
    seconds = int(offset.total_seconds())
    if not seconds:
        return "Z"
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}"
    return text + (f":{seconds % 60:02}" if seconds % 60 else "")


@dataclass(frozen=True, slots=True)
class Moment:
    """A local date and time in a zone."""

    local: datetime  # without zone and without fractions of a second
    nano: int
    offset: timedelta
    zone: Zone

    @property
    def epoch_seconds(self) -> int:
        """Whole seconds since 1970."""
        since = self.local.replace(tzinfo=UTC) - self.offset - EPOCH
        return since.days * 86400 + since.seconds

    def within(self, zone: Zone) -> "Moment":
        """The same instant in another zone."""
        return at_instant(self.epoch_seconds, self.nano, zone)

    def plus_seconds(self, seconds: int, nanos: int = 0) -> "Moment":
        """Later on the line of time."""
        carried, nano = divmod(self.nano + nanos, NANOS)
        return at_instant(self.epoch_seconds + seconds + carried, nano, self.zone)

    def with_local(self, local: datetime) -> "Moment":
        """Another local time in the same zone; of two possible offsets the present one is kept."""
        return in_zone(local, self.nano, self.zone, preferred=self.offset)


def at_instant(seconds: int, nano: int, zone: Zone) -> Moment:
    """The moment at a number of seconds since 1970."""
    try:
        aware = (EPOCH + timedelta(seconds=seconds)).astimezone(zone.info)
    except OverflowError as error:
        raise WrongValue("a date is outside the years 1 to 9999") from error
    return Moment(aware.replace(tzinfo=None, fold=0), nano, aware.utcoffset() or timedelta(), zone)


def in_zone(local: datetime, nano: int, zone: Zone, *, preferred: timedelta | None = None) -> Moment:
    """A local time in a zone; a time that the clocks skip moves on by what they skip."""
    try:
        candidates = [local.replace(tzinfo=zone.info, fold=fold) for fold in (0, 1)]
        chosen = next((one for one in candidates if one.utcoffset() == preferred), candidates[0])
        real = chosen.astimezone(UTC).astimezone(zone.info)
    except OverflowError as error:
        raise WrongValue("a date is outside the years 1 to 9999") from error
    return Moment(real.replace(tzinfo=None, fold=0), nano, real.utcoffset() or timedelta(), zone)


def from_datetime(value: datetime, zone: Zone) -> Moment:
    """A Python date and time; one without a zone is read in `zone`."""
    nano, local = value.microsecond * 1000, value.replace(microsecond=0, tzinfo=None, fold=0)
    offset = value.utcoffset()
    if offset is None:
        return in_zone(local, nano, zone)
    return Moment(local, nano, offset, fixed(offset_id(offset), offset))


ISO = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[Tt](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{0,9}))?)?"
    r"(?P<offset>[Zz]|[+-]\d\d(?::\d\d(?::\d\d)?)?)?(?:\[(?P<zone>[^\]]+)\])?)?",
    re.ASCII,
)


def read_iso(text: str, zone: Zone) -> Moment:
    """Read an ISO date, with or without time, offset and zone."""
    matched = ISO.fullmatch(text)
    if matched is None or (matched["zone"] and not matched["offset"]):
        raise WrongValue(f"`{text[:60]}` is no date")
    local = local_time(
        *(int(matched[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second"))
    )
    nano = int((matched["fraction"] or "").ljust(9, "0"))
    if not matched["offset"]:
        return in_zone(local, nano, zone)
    offset = zone_of(matched["offset"].upper())
    if not matched["zone"]:
        return in_zone(local, nano, offset)
    return in_zone(local, nano, zone_of(matched["zone"]), preferred=offset.info.utcoffset(None))


def local_time(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """A local date and time that exists."""
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError as error:
        raise WrongValue(f"there is no such date or time: {error}") from error
