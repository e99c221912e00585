"""What happened to an execution, in one sentence for a person at three in the morning. Pure.

Names stand between backticks; pages show those as code.
"""

from collections.abc import Callable
from typing import Any, Final

from hookledger.api.console.filters import clock, duration
from hookledger.api.console.runs.waits import Wait, plain, waits
from hookledger.api.webhook.answers import finished
from hookledger.journal.events import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionKilled,
    OutputsResolved,
)
from hookledger.runtime.state import State

_DAY: Final = 86_400_000_000
_MORE_WAITS_MAX: Final = 3


def sentence(execution: str, state: State, now: int) -> str:
    """Say what became of an execution, or what it waits for.

    Args:
        now: Microseconds; only says how long something has been going on.
    """
    if state.received is None:
        return "Nothing of it can be read."
    said = _ended(execution, state) if state.terminal is not None else _open(state, now)
    return f"{said.rstrip('.')}. {_capital(begun_by(state))}."


def wait_words(wait: Wait, now: int) -> str:
    """A reason to wait, as half a sentence."""
    return _WAITS[wait.kind](wait, now)


def begun_by(state: State) -> str:
    """What started it."""
    received = state.received
    assert received is not None
    if received.parent:
        return f"started by task `{received.parent_path}` of execution `{received.parent}`"
    delivery = f" (delivery `{received.delivery}`)" if received.delivery else ""
    if received.trigger:
        kind = received.trigger_type.rpartition(".")[2].lower() or "trigger"
        return f"started by {kind} `{received.trigger}`{delivery}"
    source = received.labels.get("system.from", "")
    return _SOURCES.get(source, "started by hand") + delivery


def near(at: int, now: int) -> str:
    """A time of day, with its date unless that is today's."""
    text = clock(at)
    return text if at // _DAY != now // _DAY else text[11:]


def answer_status(execution: str, state: State) -> int:
    """Status of the answer to a caller who waits, 0 when nobody does or there is none yet."""
    received = state.received
    if received is None or not received.wait or (state.terminal is None and state.response is None):
        return 0
    return finished(execution, state).status


def person(by: str) -> str:
    """Somebody by name; what is no user keeps its kind (`token:...`, `engine:self`)."""
    return plain(by.removeprefix("user:"))


def _open(state: State, now: int) -> str:
    found = waits(state)
    words = [wait_words(wait, now) for wait in found[:_MORE_WAITS_MAX]]
    more = len(found) - len(words)
    text = "; ".join(words) + (f"; and {more} more" if more else "")
    if state.kill is not None:
        since = near(state.kill.at, now)
        text = f"is being killed by {person(state.kill.by)} since {since}; {text}"
    return _capital(text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ended(execution: str, state: State) -> str:
    terminal = state.terminal
    text = _ENDS[type(terminal)](state, terminal)
    status = answer_status(execution, state)
    if not status:
        return text
    return f"{text} and answered {status}" if state.status == "SUCCESS" else f"{text}. The answer is {status}"


def _resolved(state: State, event: OutputsResolved) -> str:
    if event.state == "SUCCESS":
        retried = [run for run in state.runs.values() if run.attempts > 1]
        again = f" after {_counted(retried[0].attempts, 'attempt')} at `{retried[0].path}`" if retried else ""
        return f"Succeeded in {_took(state)}{again}"
    warned = next(
        (run for run in state.runs.values() if run.error and run.state in ("WARNING", "FAILED")), None
    )
    text = f"Ended with a warning after {_took(state)}"
    if warned is None or warned.error is None:
        return text
    return f"{text}: task `{warned.path}` was allowed to fail: {plain(warned.error.message)}"


def _failed(state: State, event: ExecutionFailed) -> str:
    message = plain(event.error.message)
    run = state.runs.get(event.path)
    if not event.path:
        return f"Failed after {_took(state)}: {message}"
    if run is not None and run.attempts > 1:
        gave_up = f"task `{event.path}` gave up after {run.attempts} attempts"
    else:
        gave_up = f"task `{event.path}` failed"
    return f"Failed after {_took(state)}: {gave_up}: {message}"


def _killed(state: State, event: ExecutionKilled) -> str:
    return f"Killed by {person(event.by)} after {_took(state)}" + _because(event.reason)


def _cancelled(state: State, event: ExecutionCancelled) -> str:
    return f"Cancelled after {_took(state)}" + _because(event.reason)


def _because(reason: str) -> str:
    return f": {plain(reason)}" if reason else ""


def _took(state: State) -> str:
    """From its beginning, or from its newest restart, to its end."""
    began = state.restarted_at or state.history[0][1]
    return duration(state.at - began)


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"


def _person(wait: Wait, now: int) -> str:
    limit = f", {wait.text} by itself at {near(wait.until, now)}" if wait.until else ""
    return f"waits for a person at `{wait.path}` since {near(wait.since, now)}{limit}"


def _retry(wait: Wait, now: int) -> str:
    why = f": {wait.text}" if wait.text else ""
    return f"waits until {near(wait.until, now)} to try `{wait.path}` again (attempt {wait.number}){why}"


def _time(wait: Wait, now: int) -> str:
    where = f"`{wait.path}`" if wait.path else "it"
    return f"waits for its time: {where} {wait.text} at {near(wait.until, now)}"


def _attempt(wait: Wait, now: int) -> str:
    again = f", attempt {wait.number}" if wait.number > 1 else ""
    return f"runs `{wait.path}` for {duration(max(0, now - wait.since))}{again}"


_WAITS: Final[dict[str, Callable[[Wait, int], str]]] = {
    "person": _person,
    "operator": lambda wait, now: (
        f"paused by an operator since {near(wait.since, now)}; begins nothing new until somebody resumes it"
    ),
    "doubt": lambda wait, now: (
        f"waits for a decision since {near(wait.since, now)}: the server stopped while `{wait.path}` was under "
        "way, and nobody knows whether it took effect"
    ),
    "retry": _retry,
    "time": _time,
    "attempt": _attempt,
    "stop": lambda wait, now: f"waits for `{wait.path}` to stop",
    "child": lambda wait, now: (
        f"waits at `{wait.path}` for execution `{wait.child}` of `{wait.flow[0]}/{wait.flow[1]}`"
    ),
    "place": lambda wait, now: (
        f"waits for its turn since {near(wait.since, now)}: "
        f"the flow lets {_counted(wait.number, 'execution')} run at once"
    ),
    "engine": lambda wait, now: f"is on its way since {near(wait.since, now)}",
}
_ENDS: Final[dict[type, Callable[[State, Any], str]]] = {
    OutputsResolved: _resolved,
    ExecutionFailed: _failed,
    ExecutionKilled: _killed,
    ExecutionCancelled: _cancelled,
}
_SOURCES: Final = {
    "api": "started through the API",
    "engine": "started by the program that embeds the engine",
    "console": "started by hand",
}
