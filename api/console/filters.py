"""How values look on pages. Plain functions; the templates call them by these names."""

from collections.abc import Callable
from typing import Any, Final

from hookledger.journal.text import duration as readable
from hookledger.runtime.durations import format_duration
from hookledger.runtime.variables import iso_time

_CLASSES: Final = {
    "SUCCESS": "success",
    "WARNING": "warning",
    "FAILED": "failed",
    "RUNNING": "running",
    "RESTARTED": "running",
    "KILLING": "running",
    "RETRYING": "waiting",
    "PAUSED": "waiting",
    "QUEUED": "waiting",
}


def state_class(state: str) -> str:
    """The style of a state; `quiet` for those that need nobody's eye."""
    return _CLASSES.get(state, "quiet")


def clock(at: int) -> str:
    """Microseconds as date and time of day in UTC, to the second."""
    return iso_time(at)[:19].replace("T", " ")


def duration(length: int | None) -> str:
    """Microseconds as everywhere: `340 µs`, `3.4 s`, `2 min 5 s`, `7 d`; a dash for none."""
    return "–" if length is None else readable(length)


def size(count: int) -> str:
    """Bytes for a person: `120 B`, `3.4 KiB`, `1.2 MiB`."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count} B" if unit == "B" else f"{value:.3g} {unit}"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "state_class": state_class,
    "clock": clock,
    "duration": duration,
    "iso": iso_time,
    "iso_duration": format_duration,
    "size": size,
}
"""By the names templates know them under."""
