"""Lines, colours and columns for a terminal: all the command line prints passes through `say`."""

import secrets
import sys
import time
from collections.abc import Sequence
from typing import Final

import click

from hookledger.journal.text import escaped

_OURS: Final = f"<{secrets.token_hex(8)}>"
"""Stands for the escape character of our own colours until a line is printed; nobody else can know it."""
PROGRESS_SECONDS: Final = 0.2
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
    return in_colour(state, colour) if colour else state


def in_colour(text: str, colour: str) -> str:
    """Text of ours in a colour, to be printed by `say`."""
    return click.style(text, fg=colour).replace("\x1b", _OURS)


def say(text: str = "", *, err: bool = False, lines: bool = False) -> None:
    """Print a line in which nothing but our own colours steers the terminal, whoever wrote it.

    Args:
        err: To the standard error.
        lines: Whether the text may have several lines.
    """
    click.echo(escaped(text, lines=lines).replace(_OURS, "\x1b"), err=err)


class ProgressLine:
    """How far something is, on a line of a terminal that is written over; nothing where nobody looks at one."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = sys.stderr.isatty()
        self._last = 0.0
        self._width = 0

    def __call__(self, done: int, total: int) -> None:
        """Show it, a few times a second."""
        if self._shown and time.monotonic() - self._last > PROGRESS_SECONDS:
            self._last = time.monotonic()
            share = f" ({done * 100 // total} %)" if total else ""
            self._write(f"{done:,} of {total:,} {self._what}{share}")

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            self._write("")
            self._width = 0

    def _write(self, text: str) -> None:
        click.echo(f"\r{text.ljust(self._width)}\r{text}", nl=False, err=True)
        self._width = len(text)


def aligned(rows: Sequence[Sequence[str]], *, paint: int | None = None) -> list[str]:
    """Lines with columns aligned.

    Args:
        rows: Cells; all rows equally long.
        paint: Index of a column whose cells are states.
    """
    rows = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[-1] = row[-1]
        if paint is not None:
            cells[paint] = coloured(cells[paint])
        lines.append("  ".join(cells).rstrip())
    return lines
