"""Colours and columns for a terminal."""

from collections.abc import Sequence
from typing import Final

import click

_COLOURS: Final = {
    "SUCCESS": "green",
    "WARNING": "yellow",
    "FAILED": "red",
    "KILLED": "red",
    "PAUSED": "yellow",
    "ok": "green",
    "skipped": "green",
    "error": "red",
    "timeout": "red",
    "killed": "red",
}


def coloured(state: str) -> str:
    """A state or an outcome in its colour; click takes colours out again where nobody looks at a terminal."""
    colour = _COLOURS.get(state.strip())
    return click.style(state, fg=colour) if colour else state


def aligned(rows: Sequence[Sequence[str]], *, paint: int | None = None) -> list[str]:
    """Lines with columns aligned.

    Args:
        rows: Cells; all rows equally long.
        paint: Index of a column whose cells are states.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[-1] = row[-1]
        if paint is not None:
            cells[paint] = coloured(cells[paint])
        lines.append("  ".join(cells).rstrip())
    return lines
