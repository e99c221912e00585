"""An execution as a timeline for a person at three in the morning: when, what, where, how it went, why it ended."""

from collections.abc import Sequence

from hookledger.journal.cli.text import aligned, coloured
from hookledger.journal.entry import Entry
from hookledger.journal.events import (
    AnyEvent,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionQueued,
    OutputsResolved,
    TaskReturned,
    TaskStarted,
    type_name,
)
from hookledger.journal.index import ExecutionRow
from hookledger.journal.text import duration, moment, pairs
from hookledger.journal.words import details, place


def heading(execution: str, row: ExecutionRow | None, entries: Sequence[Entry]) -> list[str]:
    """What stands above a timeline."""
    first = entries[0].header.ts
    if row is None:
        return [f"execution  {execution}", f"started    {moment(first)} UTC"]
    spent = f"  took {duration(row.ended - row.started)}" if row.ended else "  still open"
    lines = [
        f"execution  {execution}  {coloured(row.state)}",
        f"flow       {row.namespace}/{row.flow} revision {row.revision}",
        f"started    {moment(row.started)} UTC{spent}",
    ]
    if row.labels:
        lines.append(f"labels     {pairs(row.labels.items())}")
    return lines


def timeline(entries: Sequence[Entry]) -> list[str]:
    """One line per event; an erased entry shows the types its header still names."""
    lines: list[tuple[str, ...]] = []
    start: int | None = None
    for entry in entries:
        if entry.payload is None:
            lines.extend(_erased(entry))
        for event in entry.events():
            start = event.at if start is None else start
            lines.append(_line(event, start))
    return aligned(lines) if lines else []


def why(events: Sequence[AnyEvent]) -> str:
    """Why it ended, or what it waits for; empty when the newest events do not say."""
    for event in reversed(events):
        if isinstance(event, OutputsResolved | ExecutionFailed | ExecutionKilled | ExecutionCancelled):
            return f"ended      {type_name(event)}: {details(event, coloured)}"
        if isinstance(event, ExecutionPaused | ExecutionQueued):
            return f"waits      {details(event, coloured)}"
        if isinstance(event, TaskReturned) and event.next == "retry":
            return f"waits      until {moment(event.retry_at)} UTC to try `{event.path}` again"
        if isinstance(event, TaskStarted):
            return f"waits      for attempt {event.attempt} of `{event.path}`"
    return ""


def _line(event: AnyEvent, start: int) -> tuple[str, ...]:
    offset = f"+{duration(event.at - start)}".rjust(9)
    return offset, f"{event.sequence:>3}", type_name(event), place(event), details(event, coloured)


def _erased(entry: Entry) -> list[tuple[str, ...]]:
    header = entry.header
    return [
        ("erased".rjust(9), f"{sequence:>3}", name, "", f"entry written {moment(header.ts)} UTC")
        for sequence, name in enumerate(header.types, header.seq)
    ]
