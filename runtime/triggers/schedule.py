"""The Schedule trigger: cron expressions with a time zone, and what happens to times nobody was there for."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hookledger.runtime.durations import DurationInvalid, parse_duration
from hookledger.runtime.flow.fields import Collector
from hookledger.runtime.flow.problems import Path

MISSED_MAX = 1000
"""More missed times than this are not caught up one by one."""

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class ScheduleSource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an author may write for a schedule."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.trigger.Schedule",
        "io.kestra.core.models.triggers.types.Schedule",
    )

    cron: str
    timezone: str = "UTC"
    with_seconds: bool = False
    late_maximum_delay: str | None = None
    recover_missed_schedules: Literal["ALL", "LAST", "NONE"] = "ALL"


class ScheduleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A checked schedule."""

    cron: str
    timezone: str
    late_maximum_delay: int = 0
    """Microseconds; 0 for no limit."""
    recover: Literal["ALL", "LAST", "NONE"] = "ALL"

    def after(self, moment: int) -> Iterator[int]:
        """Yield the times after `moment`, microseconds since 1970-01-01 UTC."""
        from cronsim import CronSim

        start = datetime.fromtimestamp(moment / 1_000_000, ZoneInfo(self.timezone))
        for found in CronSim(self.cron, start):
            yield int(found.astimezone(UTC).timestamp()) * 1_000_000

    def next(self, moment: int) -> int | None:
        """The first time after `moment`; None when there is none within CronSim's fifty years."""
        return next(self.after(moment), None)

    def due(self, last: int, now: int) -> list[int]:
        """Times after `last` up to `now`, oldest first, without those that are too late to be of use."""
        times = takewhile(lambda time: time <= now, islice(self.after(last), MISSED_MAX))
        return [
            time for time in times if not self.late_maximum_delay or now - time <= self.late_maximum_delay
        ]

    def missed(self, last: int, now: int) -> list[int]:
        """Of the times nobody was there for, those that are to be caught up."""
        times = self.due(last, now)
        return {"ALL": times, "LAST": times[-1:], "NONE": []}[self.recover]

    def variables(self, time: int) -> dict[str, Any]:
        """What the flow sees as `trigger`: `date` and `next`."""
        zone = ZoneInfo(self.timezone)
        following = self.next(time)
        found = {"date": _iso(time, zone)}
        if following is not None:
            found["next"] = _iso(following, zone)
        return found


def read_schedule(data: dict[str, Any], path: Path, found: Collector) -> ScheduleSettings | None:
    """Check the cron expression, the zone and the delay."""
    from cronsim import CronSim, CronSimError

    before = len(found.problems)
    zone = str(data.get("timezone", "UTC"))
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        found.add((*path, "timezone"), f"unknown time zone `{zone}`; write one such as Europe/Paris")
        zone = "UTC"
    cron = NICKNAMES.get(str(data["cron"]).strip(), str(data["cron"]).strip())
    try:
        CronSim(cron, datetime.fromtimestamp(0, UTC))
    except CronSimError as error:
        message = f"`{cron}` is no cron expression ({error}); five fields are minute hour day month weekday"
        found.add((*path, "cron"), message)
    delay = _delay(data.get("lateMaximumDelay"), path, found)
    if len(found.problems) > before:
        return None
    return ScheduleSettings(
        cron=cron,
        timezone=zone,
        late_maximum_delay=delay,
        recover=data.get("recoverMissedSchedules", "ALL"),
    )


def _delay(value: object, path: Path, found: Collector) -> int:
    if value is None:
        return 0
    try:
        return parse_duration(str(value))
    except DurationInvalid as error:
        found.add((*path, "lateMaximumDelay"), str(error))
        return 0


def _iso(time: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(time / 1_000_000, zone).isoformat()
