"""Every event in one line of words: where it happened and what a person wants to know of it.

The command line and the pages say the same.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from hookledger.journal.events import (
    AccessRecorded,
    AnyEvent,
    BranchTaken,
    ChildReturned,
    ChildStarted,
    ClockStepped,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionForked,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionQueued,
    ExecutionRestarted,
    ExecutionResumed,
    Failure,
    FlowRegistered,
    Metric,
    OutputsResolved,
    ResultSettled,
    TaskReturned,
    TaskStarted,
    TimerFired,
    TimerSet,
    TokenIssued,
    TokenRevoked,
    TriggerReceived,
)
from hookledger.journal.text import body, brief, duration, moment, pairs, shorten

Paint = Callable[[str], str]
"""Gives a state or an outcome its colour, where the reader has colours."""

_COMMON: Final = {"type", "sequence", "at", "path", "task", "attempt"}


def place(event: AnyEvent) -> str:
    """The path of the task an event is about, with its attempt."""
    path = getattr(event, "path", "")
    if isinstance(event, TriggerReceived):
        return event.trigger
    attempt = getattr(event, "attempt", 0)
    return f"{path} #{attempt}" if attempt > 1 else path


def details(event: AnyEvent, paint: Paint = str) -> str:
    """What a person wants to know of an event, in one line."""
    if isinstance(event, TaskReturned):
        return _returned(event, paint)
    if isinstance(event, OutputsResolved):
        return joined(paint(event.state), pairs(event.outputs.items()))
    return _DETAILS.get(type(event), _generic)(event)


def failure(error: Failure | None) -> str:
    """An error as `kind code: message`."""
    if error is None:
        return ""
    return f"{error.kind}{f' {error.code}' if error.code else ''}: {shorten(error.message, 200)}"


def _received(event: TriggerReceived) -> str:
    if not event.method:
        return joined(_kind(event.trigger_type), pairs(event.variables.items()))
    query = f"?{event.query}" if event.query else ""
    return joined(
        shorten(f"{event.method} {event.path}{query}"),
        f"from {event.remote}" if event.remote else "",
        f"body {body(event.body)}" if event.body else "",
        f"inputs {brief(event.inputs)}" if event.inputs else "",
        "wait" if event.wait else "",
    )


def _started(event: TaskStarted) -> str:
    return joined(_kind(event.task_type), pairs(event.properties.items()))


def _returned(event: TaskReturned, paint: Paint) -> str:
    after = {"next": "", "retry": f"retry at {moment(event.retry_at)} UTC"}.get(event.next, event.next)
    return joined(
        paint(event.outcome),
        after,
        failure(event.error),
        pairs(event.outputs.items()),
        f"took {duration(event.duration)}",
        f"{event.log.count} log lines" if event.log else "",
        *(_measured(metric) for metric in event.metrics),
    )


def _measured(metric: Metric) -> str:
    tags = "".join(f",{name}={value}" for name, value in metric.tags.items())
    value = duration(round(metric.value * 1e6)) if metric.kind == "timer" else f"{metric.value:.12g}"
    return f"{shorten(metric.name + tags)}={value}"


def _settled(event: ResultSettled) -> str:
    where = f"task `{event.path}`" if event.path else ""
    return joined(event.state, where, failure(event.error), pairs(event.outputs.items()))


def _failed(event: ExecutionFailed) -> str:
    return joined(f"task `{event.path}`" if event.path else "", failure(event.error))


def _paused(event: ExecutionPaused) -> str:
    until = f"until {moment(event.until)} UTC" if event.until else ""
    return joined(event.reason.replace("_", " "), f"by {event.by}" if event.by else "", until)


def _branch(event: BranchTaken) -> str:
    if event.error is not None:
        return failure(event.error)
    if event.skipped:
        return "skipped"
    if event.values is not None:
        return f"{len(event.values)} iteration{'s' * (len(event.values) != 1)}"
    return f"chose {shorten(event.chosen) or 'nothing'}"


def _access(event: AccessRecorded) -> str:
    return joined(
        shorten(event.by),
        event.action,
        shorten(event.resource),
        event.outcome if event.outcome == "ok" else f"refused: {shorten(event.outcome)}",
        f"from {event.remote}" if event.remote else "",
        f"and {event.suppressed} more" if event.suppressed else "",
    )


def _issued(event: TokenIssued) -> str:
    until = f"until {moment(event.expires)} UTC" if event.expires else ""
    return joined(f"{event.id} {shorten(event.name)}", event.role, until, f"by {shorten(event.by)}")


def _generic(event: AnyEvent) -> str:
    plain: dict[str, Any] = msgspec.to_builtins(event)
    return pairs((name, value) for name, value in plain.items() if name not in _COMMON)


def joined(*parts: str) -> str:
    """What is not empty, two spaces apart."""
    return "  ".join(part for part in parts if part)


def _kind(task_type: str) -> str:
    return task_type.rpartition(".")[2]


_DETAILS: Final[dict[type, Callable[[Any], str]]] = {
    AccessRecorded: _access,
    TokenIssued: _issued,
    TokenRevoked: lambda event: f"{event.id}  by {shorten(event.by)}",
    TriggerReceived: _received,
    TaskStarted: _started,
    ResultSettled: _settled,
    ExecutionFailed: _failed,
    ExecutionKilled: lambda event: joined(f"by {event.by}", shorten(event.reason)),
    ExecutionCancelled: lambda event: shorten(event.reason),
    ExecutionQueued: lambda event: f"for a place: {event.limit} may be open at once",
    ExecutionPaused: _paused,
    ExecutionResumed: lambda event: joined(
        f"by {event.by}", event.choice, pairs(event.inputs.items()), shorten(event.reason)
    ),
    ExecutionRestarted: lambda event: joined(
        f"by {event.by}", f"again: {', '.join(event.paths) or 'nothing'}", shorten(event.reason)
    ),
    ExecutionForked: lambda event: joined(
        f"by {event.by}", f"from {event.origin} at {event.origin_sequence}"
    ),
    TimerSet: lambda event: f"until {moment(event.due)} UTC",
    TimerFired: lambda event: f"due {moment(event.due)} UTC",
    BranchTaken: _branch,
    ChildStarted: lambda event: f"{event.namespace}/{event.flow} as {event.child}",
    ChildReturned: lambda event: joined(f"{event.child} {event.state}", pairs(event.outputs.items())),
    ClockStepped: lambda event: f"{'forward' if event.step > 0 else 'back'} by {duration(abs(event.step))}",
    FlowRegistered: lambda event: (
        f"{event.namespace}/{event.flow} revision {event.revision}  {shorten(event.file)}"
    ),
}
