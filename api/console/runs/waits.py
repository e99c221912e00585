"""Why an execution that has not ended does not go on by itself right now. Pure functions of its state."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from hookledger.journal.events import ExecutionPaused
from hookledger.journal.text import shorten
from hookledger.runtime.state import State

MESSAGE_CHARS_MAX: Final = 240


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """One thing an execution waits for. Times are microseconds, 0 where there is none."""

    kind: str
    """person, doubt, operator, retry, time, attempt, child, place, engine or stop."""
    path: str = ""
    since: int = 0
    until: int = 0
    text: str = ""
    """What happens at `until`, or what went wrong before."""
    number: int = 0
    """Of the attempt."""
    child: str = ""
    """The execution it waits for."""
    flow: tuple[str, str] = ("", "")
    """Namespace and id of that one's flow."""


def waits(state: State) -> tuple[Wait, ...]:
    """Everything an open execution waits for: what needs a person first, what goes on by itself last."""
    if state.terminal is not None or state.received is None:
        return ()
    found = tuple(wait for look in _LOOKS for wait in look(state))
    return found or (_nothing_begun(state),)


def _persons(state: State) -> Iterator[Wait]:
    for path, pause in state.pauses.items():
        kind = _PAUSE_KINDS[pause.reason]
        yield Wait(kind=kind, path=path, since=pause.at, until=pause.until, text=_expiry(pause))


def _expiry(pause: ExecutionPaused) -> str:
    return _EXPIRIES[pause.expiry] if pause.until else ""


def _retries(state: State) -> Iterator[Wait]:
    for run in state.runs.values():
        if run.state == "RETRYING":
            yield Wait(
                kind="retry",
                path=run.path,
                since=run.ended,
                until=run.retry_at,
                number=run.attempts + 1,
                text=plain(run.error.message) if run.error else "",
            )


def _times(state: State) -> Iterator[Wait]:
    if state.received is not None and state.received.not_before > state.at:
        yield Wait(kind="time", since=state.at, until=state.received.not_before, text="begins")
    for path, due in state.timers.items():
        yield Wait(kind="time", path=path, until=due, text="goes on")
    for path, taken in state.branches.items():
        if taken.chosen == "again" and taken.not_before > state.at and not _inside(state, path, taken.round):
            yield Wait(kind="time", path=path, since=taken.at, until=taken.not_before, text="looks again")


def _inside(state: State, path: str, round_: int) -> bool:
    """True once the next round of a loop has begun."""
    return any(run.startswith(f"{path}[{round_}]/") for run in state.runs)


def _attempts(state: State) -> Iterator[Wait]:
    for run in state.open_runs():
        if run.path not in state.pauses:
            kind = "stop" if state.kill else "attempt"
            yield Wait(kind=kind, path=run.path, since=run.started, number=run.attempts)


def _children(state: State) -> Iterator[Wait]:
    for path, child in state.children.items():
        if child.wait and path not in state.returned:
            flow = child.namespace, child.flow
            yield Wait(kind="child", path=path, since=child.at, child=child.child, flow=flow)


def _nothing_begun(state: State) -> Wait:
    """What is queued waits for a place, anything else for the engine."""
    if state.queued:
        return Wait(kind="place", since=state.history[-1][1], number=state.queued)
    return Wait(kind="engine", since=state.at)


def plain(text: str) -> str:
    """Words of others inside a sentence of ours: one line, and no backticks, which are our marks for names."""
    return shorten(text, MESSAGE_CHARS_MAX).replace("`", "'")


_LOOKS: Final[tuple[Callable[[State], Iterator[Wait]], ...]] = (
    _persons,
    _retries,
    _times,
    _children,
    _attempts,
)
_PAUSE_KINDS: Final = {"task": "person", "operator": "operator", "in_doubt": "doubt"}
_EXPIRIES: Final = {
    "resume": "goes on",
    "warn": "goes on with a warning",
    "fail": "fails",
    "cancel": "is cancelled",
}
