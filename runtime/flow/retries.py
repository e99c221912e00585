"""Reads a `retry`: of a task, of a flowable for its children, or of the whole flow."""

from collections.abc import Callable, Mapping
from typing import Final

from hookledger.runtime.durations import DurationInvalid, bounded_duration, parse_duration
from hookledger.runtime.flow.fields import Collector, read_struct
from hookledger.runtime.flow.model import Retry
from hookledger.runtime.flow.problems import Path
from hookledger.runtime.flow.sources import RetrySource

_DURATIONS: Final = ("maxDuration", "interval", "maxInterval", "minInterval")
_IN_ORDER: Final = (
    ("minInterval", "maxInterval"),
    ("interval", "maxInterval"),
    ("interval", "maxDuration"),
    ("minInterval", "maxDuration"),
)
"""The first may not be longer than the second."""
_NEEDED: Final = {
    "constant": ("interval",),
    "exponential": ("interval", "maxInterval"),
    "random": ("minInterval", "maxInterval"),
}


def read_retry(data: object, path: Path, found: Collector) -> Retry | None:
    """Read a `retry`; None when there is none or it has problems."""
    if data is None:
        return None
    source = read_struct(RetrySource, data, path, found)
    if not isinstance(data, Mapping):
        return None
    durations = {
        name: duration(data.get(name), (*path, name), found, bounded_duration) for name in _DURATIONS
    }
    if source is None:
        return None
    for name in _NEEDED[source.type]:
        if data.get(name) is None:
            found.add((*path, name), f"a retry of type {source.type} needs `{name}`, such as `{name}: PT5S`")
    for shorter, longer in _IN_ORDER:
        if durations[shorter] > durations[longer] > 0:
            found.add((*path, shorter), f"`{shorter}` is longer than `{longer}`")
    return Retry(
        type=source.type,
        max_attempts=source.max_attempts or source.max_attempt or 0,
        max_duration=durations["maxDuration"],
        interval=durations["interval"],
        max_interval=durations["maxInterval"],
        min_interval=durations["minInterval"],
        delay_factor=source.delay_factor,
        warning_on_retry=source.warning_on_retry,
        behavior=source.behavior,
    )


def duration(value: object, path: Path, found: Collector, read: Callable[[str], int] = parse_duration) -> int:
    """Microseconds of an ISO 8601 duration; 0 when there is none."""
    if not isinstance(value, str | int | float):
        return 0
    try:
        return read(str(value))
    except DurationInvalid as error:
        found.add(path, str(error))
        return 0
