"""Geometry of drawings: time scales and stacked bars. Pure; the templates only write the numbers down."""

from collections.abc import Sequence
from typing import Final

import msgspec

from hookledger.api.console.filters import clock, duration, state_class
from hookledger.api.console.runs.timeline import Bar, Lane, Timeline

LANE_HEIGHT: Final = 28
BAR_HEIGHT: Final = 16
AXIS_HEIGHT: Final = 26
LABEL_WIDTH: Final = 230
CHART_WIDTH: Final = 900
MARGIN: Final = 64
"""For the label of a mark at the very end."""
BAR_WIDTH_MIN: Final = 3.0
TICKS_MAX: Final = 6
_LABEL_CHARS_MAX: Final = 30
_SLACK: Final = 1.08
"""An execution that goes on is drawn with room to grow."""

_SECOND: Final = 1_000_000
_STEPS: Final = (1, 2, 5)
_LONG_STEPS: Final = tuple(
    seconds * _SECOND
    for seconds in (
        10,
        15,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
        3600,
        7200,
        10800,
        21600,
        43200,
        86400,
        172800,
        604800,
    )
)


class Tick(msgspec.Struct, frozen=True):
    """A mark of the time axis."""

    x: float
    label: str


class DrawnBar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar as a rectangle."""

    x: float
    width: float
    style: str
    """Class names: of its state, and `wait` when nothing ran."""
    start: int
    """Microseconds since the drawing's start."""
    open: bool
    title: str
    kind: str


class DrawnLane(msgspec.Struct, frozen=True, kw_only=True):
    """A lane as a row."""

    y: int
    path: str
    label: str
    indent: int
    bars: tuple[DrawnBar, ...]


class Gantt(msgspec.Struct, frozen=True, kw_only=True):
    """The whole drawing."""

    width: int
    height: int
    span: int
    """Microseconds from the left edge to the right one."""
    origin: int
    ticks: tuple[Tick, ...]
    lanes: tuple[DrawnLane, ...]
    marks: tuple[Tick, ...]
    open: bool


def gantt(drawn: Timeline, now: int) -> Gantt:
    """Lay a timeline out. What still lasts reaches to `now` (microseconds)."""
    end = max(drawn.end, now) if drawn.open else drawn.end
    span = max(1, int((end - drawn.start) * (_SLACK if drawn.open else 1)))
    scale = CHART_WIDTH / span

    def x(at: int) -> float:
        return round(LABEL_WIDTH + (at - drawn.start) * scale, 1)

    return Gantt(
        width=LABEL_WIDTH + CHART_WIDTH + MARGIN,
        height=AXIS_HEIGHT + LANE_HEIGHT * len(drawn.lanes) + 8,
        span=span,
        origin=drawn.start,
        ticks=tuple(Tick(x(drawn.start + at), duration(at) if at else "0") for at in ticks(span)),
        lanes=tuple(_lane(lane, row, drawn.start, end, scale) for row, lane in enumerate(drawn.lanes)),
        marks=tuple(Tick(x(at), text) for at, text in drawn.marks),
        open=drawn.open,
    )


def ticks(span: int) -> list[int]:
    """Round distances (microseconds) from 0 that divide a span into at most `TICKS_MAX` parts."""
    step = _step(span / TICKS_MAX)
    return list(range(0, span + 1, step))


def _step(least: float) -> int:
    """The roundest step that is not smaller."""
    power = 1
    while power < 10 * _SECOND:
        for digit in _STEPS:
            if digit * power >= least:
                return digit * power
        power *= 10
    return next((step for step in _LONG_STEPS if step >= least), int(least) + 1)


def _lane(lane: Lane, row: int, start: int, end: int, scale: float) -> DrawnLane:
    label = lane.name
    if len(label) > _LABEL_CHARS_MAX - 2 * min(lane.depth, 6):
        label = f"{label[: _LABEL_CHARS_MAX - 1 - 2 * min(lane.depth, 6)]}…"
    return DrawnLane(
        y=AXIS_HEIGHT + row * LANE_HEIGHT,
        path=lane.path,
        label=label,
        indent=min(lane.depth, 6) * 12,
        bars=tuple(_bar(bar, lane, start, end, scale) for bar in lane.bars),
    )


def _bar(bar: Bar, lane: Lane, start: int, end: int, scale: float) -> DrawnBar:
    until = bar.end or end
    return DrawnBar(
        x=round(LABEL_WIDTH + (bar.start - start) * scale, 1),
        width=round(max(BAR_WIDTH_MIN, (until - bar.start) * scale), 1),
        style=" ".join(filter(None, (state_class(bar.state), "wait" if bar.waits else "", bar.kind))),
        start=bar.start - start,
        open=not bar.end,
        title=bar_title(bar, lane.path, until),
        kind=bar.kind,
    )


def bar_title(bar: Bar, path: str, until: int) -> str:
    """What a bar shows, in words."""
    what = f"attempt {bar.number}" if bar.number else KINDS[bar.kind]
    lasted = f"{'so far ' if not bar.end else ''}{duration(until - bar.start)}"
    note = f": {bar.note}" if bar.note else ""
    state = f", {bar.state}" if bar.state else ""
    return f"{path or 'execution'}, {what}{state}, from {clock(bar.start)} UTC, {lasted}{note}"


KINDS: Final = {
    "attempt": "attempt",
    "retry": "wait before the next attempt",
    "pause": "pause",
    "sleep": "sleep",
    "loop": "wait before the next round",
    "child": "other execution",
    "group": "everything inside",
}


class Segment(msgspec.Struct, frozen=True):
    """A part of a stacked bar."""

    y: float
    height: float
    style: str


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of a stacked chart."""

    x: float
    width: float
    title: str
    segments: tuple[Segment, ...]


class Stacked(msgspec.Struct, frozen=True, kw_only=True):
    """A chart of stacked bars."""

    width: int
    height: int
    columns: tuple[Column, ...]
    most: int
    """What the full height stands for."""


def stacked(
    counts: Sequence[tuple[str, Sequence[tuple[str, int]]]], *, width: int = 1200, height: int = 130
) -> Stacked:
    """Stack counts by state.

    Args:
        counts: Per bar its label, and states with their counts from the bottom up.
    """
    most = max((sum(number for _, number in parts) for _, parts in counts), default=0)
    step = width / max(1, len(counts))
    columns = tuple(
        Column(
            x=round(index * step, 2),
            width=round(step * 0.8, 2),
            title=_column_title(label, parts),
            segments=_segments(parts, height, most),
        )
        for index, (label, parts) in enumerate(counts)
    )
    return Stacked(width=width, height=height, columns=columns, most=most)


def _segments(parts: Sequence[tuple[str, int]], height: int, most: int) -> tuple[Segment, ...]:
    found: list[Segment] = []
    y = float(height)
    for state, number in parts:
        tall = number / most * height if number else 0.0
        y -= tall
        if number:
            found.append(Segment(round(y, 2), round(tall, 2), state_class(state)))
    return tuple(found)


def _column_title(label: str, parts: Sequence[tuple[str, int]]) -> str:
    said = ", ".join(f"{number} {state}" for state, number in parts if number)
    return f"{label}: {said or 'none'}"
