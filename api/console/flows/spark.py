"""The last runs of a flow as a row of bars: a colour and a height per kind of state, and the same in words."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from hookledger.api.console.filters import clock, duration, state_class
from hookledger.journal.figures import Run

RUNS_MAX: Final = 20
WIDTH: Final = 8
"""Of a bar with its gap, in units of the picture."""
HEIGHT: Final = 24
_HEIGHTS: Final = {"failed": 24, "warning": 18, "success": 12, "waiting": 8, "running": 8, "quiet": 5}
"""So that a failure is seen without its colour too."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    x: int
    y: int
    height: int
    style: str
    text: str


class Spark(msgspec.Struct, frozen=True, kw_only=True):
    """A row of bars, the newest on the right."""

    bars: tuple[Bar, ...]
    text: str
    """The same for those who do not see it."""
    width: int = RUNS_MAX * WIDTH
    height: int = HEIGHT


def spark_of(newest_first: Sequence[Run]) -> Spark:
    """The picture of a flow's last runs."""
    rows = list(reversed(newest_first[:RUNS_MAX]))
    empty = RUNS_MAX - len(rows)
    return Spark(
        bars=tuple(_bar((empty + place) * WIDTH, row) for place, row in enumerate(rows)),
        text=_summary(row.state for row in rows),
    )


def _bar(x: int, row: Run) -> Bar:
    style = state_class(row.state)
    height = _HEIGHTS[style]
    took = f", {duration(row.ended - row.started)}" if row.ended else ""
    return Bar(
        x=x, y=HEIGHT - height, height=height, style=style, text=f"{row.state} {clock(row.started)}{took}"
    )


def _summary(states: Iterable[str]) -> str:
    counts = Counter(states)
    if not counts:
        return "no runs yet"
    total = counts.total()
    parts = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    return f"the last {total} runs: {parts}" if total > 1 else f"one run: {parts}"
