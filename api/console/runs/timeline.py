"""An execution's journal as bars over time: what ran when, what waited for what. Pure.

One lane per place of the plan, in the order in which they began; a bar is an attempt, or a wait.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from hookledger.journal.events import (
    BranchTaken,
    ChildReturned,
    ChildStarted,
    ExecutionEvent,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    KillRequested,
    TaskReturned,
    TaskStarted,
    TimerFired,
    TimerSet,
)

WHOLE: Final = "the whole execution"
LANES_MAX: Final = 300
"""More are not drawn; the table beside the drawing says how many are missing."""

_RETURNED: Final = {"killed": "KILLED", "skipped": "SKIPPED", "not_started": "FAILED"}
_BY_NEXT: Final = {
    "next": "SUCCESS",
    "exit": "SUCCESS",
    "continue": "WARNING",
    "fail": "FAILED",
    "retry": "FAILED",
}


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Something that lasted. Times are microseconds; `end` is 0 while it lasts."""

    kind: str
    """attempt, child, group (everything inside a flowable), or a wait: retry, pause, sleep, loop."""
    state: str
    start: int
    end: int = 0
    number: int = 0
    """Of the attempt."""
    note: str = ""

    @property
    def waits(self) -> bool:
        """True for time in which nothing ran."""
        return self.kind in ("retry", "pause", "sleep", "loop")


class Lane(msgspec.Struct, kw_only=True):
    """One place of the plan."""

    path: str
    bars: list[Bar] = msgspec.field(default_factory=list)

    @property
    def depth(self) -> int:
        """How many flowables stand around it."""
        return self.path.count("/")

    @property
    def name(self) -> str:
        """The last part of the path, with the iteration around it."""
        parents, _, last = self.path.rpartition("/")
        iteration = f"[{parents.rpartition('[')[2]} " if parents.endswith("]") else ""
        return f"{iteration}{last}" or WHOLE

    @property
    def start(self) -> int:
        """When its first bar began."""
        return self.bars[0].start if self.bars else 0


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """All lanes, and the marks across them."""

    start: int
    end: int
    """Of the newest event, or of the execution."""
    open: bool
    lanes: tuple[Lane, ...]
    marks: tuple[tuple[int, str], ...] = ()
    missing: int = 0
    """Lanes that were left out."""


def timeline(events: Sequence[ExecutionEvent]) -> Timeline:
    """Draw up the lanes of a history; an empty one has none."""
    drawing = _Drawing()
    for event in events:
        drawing.take(event)
    return drawing.finished(events)


class _Drawing:
    """What is known while the events go by."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._marks: list[tuple[int, str]] = []
        self._ended = False

    def take(self, event: ExecutionEvent) -> None:
        draw = _DRAW.get(type(event))
        if draw is not None:
            draw(self, event)
        if event.terminal:
            self._close_all(event.at)
            self._ended = True

    def finished(self, events: Sequence[ExecutionEvent]) -> Timeline:
        lanes = [lane for lane in self._lanes.values() if lane.bars]
        _end_loops(lanes)
        lanes = list(_grouped(lanes))
        times = [event.at for event in events] or [0]
        return Timeline(
            start=times[0],
            end=times[-1],
            open=not self._ended,
            lanes=tuple(lanes[:LANES_MAX]),
            marks=tuple(self._marks),
            missing=max(0, len(lanes) - LANES_MAX),
        )

    def _begin(self, path: str, bar: Bar) -> None:
        self._end(path, bar.start)
        self._lanes.setdefault(path, Lane(path=path)).bars.append(bar)

    def _end(self, path: str, at: int, state: str = "", note: str = "") -> None:
        """Close the open bar of a place, if there is one."""
        lane = self._lanes.get(path)
        if lane is None or not lane.bars or lane.bars[-1].end:
            return
        bar = lane.bars[-1]
        lane.bars[-1] = msgspec.structs.replace(bar, end=at, state=state or bar.state, note=note or bar.note)

    def _close_all(self, at: int) -> None:
        for path in self._lanes:
            self._end(path, at)

    def started(self, event: TaskStarted) -> None:
        self._begin(event.path, Bar(kind="attempt", state="RUNNING", start=event.at, number=event.attempt))

    def returned(self, event: TaskReturned) -> None:
        state = _RETURNED.get(event.outcome, _BY_NEXT[event.next])
        note = event.error.message if event.error else ""
        self._end(event.path, event.at, state, note)
        if event.next == "retry":
            self._begin(event.path, Bar(kind="retry", state="RETRYING", start=event.at, note=note))

    def waited(self, event: ExecutionPaused) -> None:
        self._begin(event.path, Bar(kind="pause", state="PAUSED", start=event.at, note=_PAUSES[event.reason]))

    def resumed(self, event: ExecutionResumed) -> None:
        self._end(
            event.path, event.at, _RESUMED.get(event.choice, "SUCCESS"), f"{event.choice} by {event.by}"
        )

    def timed(self, event: TimerSet) -> None:
        self._begin(event.path, Bar(kind="sleep", state="PAUSED", start=event.at))

    def fired(self, event: TimerFired) -> None:
        self._end(event.path, event.at, "SUCCESS")

    def branched(self, event: BranchTaken) -> None:
        """A choice takes no time; a loop that will look again waits until its next round, as far as is known."""
        if event.error is not None:
            self._begin(
                event.path, Bar(kind="attempt", state="FAILED", start=event.at, note=event.error.message)
            )
            self._end(event.path, event.at)
        elif event.not_before > event.at:
            self._begin(
                event.path, Bar(kind="loop", state="PAUSED", start=event.at, note=f"round {event.round}")
            )
        else:
            self._end(event.path, event.at)

    def child(self, event: ChildStarted) -> None:
        note = f"{event.namespace}/{event.flow} as {event.child}"
        self._begin(event.path, Bar(kind="child", state="RUNNING", start=event.at, note=note))
        if not event.wait:
            self._end(event.path, event.at, "SUCCESS")

    def child_returned(self, event: ChildReturned) -> None:
        self._end(event.path, event.at, event.state)

    def killing(self, event: KillRequested) -> None:
        self._marks.append((event.at, f"kill asked for by {event.by}"))

    def restarted(self, event: ExecutionRestarted) -> None:
        self._ended = False
        self._marks.append((event.at, f"restarted by {event.by}"))


def _grouped(lanes: Sequence[Lane]) -> Iterator[Lane]:
    """Lanes with one more above each group: the flowable around them, from its first beginning to its last end."""
    known = {lane.path for lane in lanes}
    for lane in lanes:
        for parent in _parents(lane.path):
            if parent not in known:
                known.add(parent)
                yield Lane(path=parent, bars=[_group([one for one in lanes if _inside(one.path, parent)])])
        yield lane


def _parents(path: str) -> Iterator[str]:
    """Paths of the flowables around a place, outermost first, without iterations of their own."""
    parts = path.split("/")[:-1]
    for index, part in enumerate(parts):
        yield "/".join((*parts[:index], part.partition("[")[0]))


def _inside(path: str, parent: str) -> bool:
    return path.startswith((f"{parent}/", f"{parent}["))


def _group(lanes: Sequence[Lane]) -> Bar:
    bars = [bar for lane in lanes for bar in lane.bars]
    ends = [bar.end for bar in bars]
    return Bar(
        kind="group", state="", start=min(bar.start for bar in bars), end=0 if 0 in ends else max(ends)
    )


def _end_loops(lanes: Iterable[Lane]) -> None:
    """A loop's wait ends where its next round begins, which no event of the loop itself says."""
    by_path = {lane.path: lane for lane in lanes}
    for lane in by_path.values():
        for index, bar in enumerate(lane.bars):
            if bar.kind == "loop":
                begun = _next_begin(by_path, lane.path, bar.start)
                if begun:
                    lane.bars[index] = msgspec.structs.replace(bar, end=min(begun, bar.end or begun))


def _next_begin(lanes: dict[str, Lane], loop: str, after: int) -> int:
    inside = (lane for path, lane in lanes.items() if path.startswith(f"{loop}["))
    return min((lane.start for lane in inside if lane.start >= after), default=0)


_DRAW: Final[dict[type, Callable[[_Drawing, Any], None]]] = {
    TaskStarted: _Drawing.started,
    TaskReturned: _Drawing.returned,
    ExecutionPaused: _Drawing.waited,
    ExecutionResumed: _Drawing.resumed,
    TimerSet: _Drawing.timed,
    TimerFired: _Drawing.fired,
    BranchTaken: _Drawing.branched,
    ChildStarted: _Drawing.child,
    ChildReturned: _Drawing.child_returned,
    KillRequested: _Drawing.killing,
    ExecutionRestarted: _Drawing.restarted,
}
_PAUSES: Final = {"task": "waits for a person", "operator": "paused by an operator", "in_doubt": "in doubt"}
_RESUMED: Final = {"warn": "WARNING", "fail": "FAILED", "cancel": "CANCELLED"}
