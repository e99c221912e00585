"""An execution as a timeline for a person at three in the morning: when, what, where, how it went, why it ended."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import click
import msgspec

from hookledger.journal.cli.text import aligned, body, brief, coloured, duration, moment, pairs, shorten
from hookledger.journal.entry import Entry
from hookledger.journal.events import (
    AccessRecorded,
    AnyEvent,
    BranchTaken,
    ChildReturned,
    ChildStarted,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionForked,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    Failure,
    FlowRegistered,
    OutputsResolved,
    TaskReturned,
    TaskStarted,
    TimerFired,
    TimerSet,
    TokenIssued,
    TokenRevoked,
    TriggerReceived,
    type_name,
)
from hookledger.journal.index import ExecutionRow

_COMMON: Final = {"type", "sequence", "at", "path", "task", "attempt"}


def place(event: AnyEvent) -> str:
    """The path of the task an event is about, with its attempt."""
    path = getattr(event, "path", "")
    if isinstance(event, TriggerReceived):
        return event.trigger
    attempt = getattr(event, "attempt", 0)
    return f"{path} #{attempt}" if attempt > 1 else path


def details(event: AnyEvent) -> str:
    """What a person wants to know of an event, in one line."""
    describe = _DETAILS.get(type(event), _generic)
    return describe(event)


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
            return f"ended      {type_name(event)}: {details(event)}"
        if isinstance(event, ExecutionPaused):
            return f"waits      {details(event)}"
        if isinstance(event, TaskReturned) and event.next == "retry":
            return f"waits      until {moment(event.retry_at)} UTC to try `{event.path}` again"
        if isinstance(event, TaskStarted):
            return f"waits      for attempt {event.attempt} of `{event.path}`"
    return ""


def _line(event: AnyEvent, start: int) -> tuple[str, ...]:
    offset = f"+{duration(event.at - start)}".rjust(9)
    return offset, f"{event.sequence:>3}", type_name(event), place(event), details(event)


def _erased(entry: Entry) -> list[tuple[str, ...]]:
    header = entry.header
    return [
        ("erased".rjust(9), f"{sequence:>3}", name, "", f"entry written {moment(header.ts)} UTC")
        for sequence, name in enumerate(header.types, header.seq)
    ]


def _failure(error: Failure | None) -> str:
    if error is None:
        return ""
    return f"{error.kind}{f' {error.code}' if error.code else ''}: {shorten(error.message, 200)}"


def _received(event: TriggerReceived) -> str:
    if not event.method:
        return _joined(_kind(event.trigger_type), pairs(event.variables.items()))
    query = f"?{event.query}" if event.query else ""
    return _joined(
        shorten(f"{event.method} {event.path}{query}"),
        f"from {event.remote}" if event.remote else "",
        f"body {body(event.body)}" if event.body else "",
        f"inputs {brief(event.inputs)}" if event.inputs else "",
        "wait" if event.wait else "",
    )


def _started(event: TaskStarted) -> str:
    return _joined(_kind(event.task_type), pairs(event.properties.items()))


def _returned(event: TaskReturned) -> str:
    after = {"next": "", "retry": f"retry at {moment(event.retry_at)} UTC"}.get(event.next, event.next)
    return _joined(
        click.style(event.outcome, fg="green" if event.outcome in ("ok", "skipped") else "red"),
        after,
        _failure(event.error),
        pairs(event.outputs.items()),
        f"took {duration(event.duration)}",
        f"{event.log.count} log lines" if event.log else "",
    )


def _resolved(event: OutputsResolved) -> str:
    return _joined(coloured(event.state), pairs(event.outputs.items()))


def _failed(event: ExecutionFailed) -> str:
    return _joined(f"task `{event.path}`" if event.path else "", _failure(event.error))


def _paused(event: ExecutionPaused) -> str:
    until = f"until {moment(event.until)} UTC" if event.until else ""
    return _joined(event.reason.replace("_", " "), f"by {event.by}" if event.by else "", until)


def _branch(event: BranchTaken) -> str:
    chosen = "skipped" if event.skipped else f"chose {', '.join(map(shorten, event.chosen)) or 'nothing'}"
    return _joined(chosen if event.error is None else "", _failure(event.error))


def _access(event: AccessRecorded) -> str:
    return _joined(
        shorten(event.by),
        event.action,
        shorten(event.resource),
        event.outcome if event.outcome == "ok" else f"refused: {shorten(event.outcome)}",
        f"from {event.remote}" if event.remote else "",
        f"and {event.suppressed} more" if event.suppressed else "",
    )


def _issued(event: TokenIssued) -> str:
    until = f"until {moment(event.expires)} UTC" if event.expires else ""
    return _joined(f"{event.id} {shorten(event.name)}", event.role, until, f"by {shorten(event.by)}")


def _generic(event: AnyEvent) -> str:
    plain: dict[str, Any] = msgspec.to_builtins(event)
    return pairs((name, value) for name, value in plain.items() if name not in _COMMON)


def _joined(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def _kind(task_type: str) -> str:
    return task_type.rpartition(".")[2]


_DETAILS: Final[dict[type, Callable[[Any], str]]] = {
    AccessRecorded: _access,
    TokenIssued: _issued,
    TokenRevoked: lambda event: f"{event.id}  by {shorten(event.by)}",
    TriggerReceived: _received,
    TaskStarted: _started,
    TaskReturned: _returned,
    OutputsResolved: _resolved,
    ExecutionFailed: _failed,
    ExecutionKilled: lambda event: _joined(f"by {event.by}", shorten(event.reason)),
    ExecutionCancelled: lambda event: shorten(event.reason),
    ExecutionPaused: _paused,
    ExecutionResumed: lambda event: _joined(f"by {event.by}", event.choice, pairs(event.inputs.items())),
    ExecutionRestarted: lambda event: _joined(
        f"by {event.by}", f"again: {', '.join(event.paths) or 'nothing'}"
    ),
    ExecutionForked: lambda event: _joined(
        f"by {event.by}", f"from {event.origin} at {event.origin_sequence}"
    ),
    TimerSet: lambda event: f"until {moment(event.due)} UTC",
    TimerFired: lambda event: f"due {moment(event.due)} UTC",
    BranchTaken: _branch,
    ChildStarted: lambda event: f"{event.namespace}/{event.flow} as {event.child}",
    ChildReturned: lambda event: _joined(f"{event.child} {event.state}", pairs(event.outputs.items())),
    FlowRegistered: lambda event: (
        f"{event.namespace}/{event.flow} revision {event.revision}  {shorten(event.file)}"
    ),
}
