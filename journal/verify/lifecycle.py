"""Life-cycle rules: what may follow what within one execution.

`Order` knows only the names of events, so it goes on when payloads are erased. `Life` needs the events
themselves; once one of an execution's payloads is gone it says nothing more about that execution.

LabelsSet is the one decision that may follow an end: an operator may label what is over, and a label changes
nothing of what the execution did.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, get_args

import msgspec

from hookledger.journal.events import (
    AnyEvent,
    ChildReturned,
    ChildStarted,
    Decision,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionForked,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    KillRequested,
    LabelsSet,
    OutputsResolved,
    ResultSettled,
    TaskReturned,
    TaskStarted,
    Terminal,
    TimerFired,
    TimerSet,
    TriggerReceived,
)
from hookledger.journal.verify.report import Finding

DECISIONS: Final = frozenset(kind.__name__ for kind in get_args(Decision))
TERMINALS: Final = frozenset(kind.__name__ for kind in get_args(Terminal))
_FIRST: Final = frozenset({TriggerReceived.__name__, ExecutionForked.__name__})
_RESTARTED: Final = ExecutionRestarted.__name__
_AFTER_END: Final = frozenset({_RESTARTED, LabelsSet.__name__})


class Order:
    """What the names of an execution's events say (L01, L02, L03, L09)."""

    __slots__ = ("_begun", "_killed", "ended")

    def __init__(self) -> None:
        self._begun = self._killed = self.ended = False

    def follow(self, name: str) -> Iterator[Finding]:
        """Check the next event and remember it."""
        if (name in _FIRST) == self._begun:
            yield Finding("L01", f"{name} again" if self._begun else f"begins with {name}")
        if self.ended and name in TERMINALS:
            yield Finding("L02", f"{name} after the execution had ended")
        elif self.ended and name in DECISIONS and name not in _AFTER_END:
            yield Finding("L03", f"{name} after the execution had ended")
        elif self._killed and name == TaskStarted.__name__:
            yield Finding("L09", f"{name} after KillRequested")
        self._remember(name)

    def lose(self) -> None:
        """An entry could not be read; whatever it was, the execution had begun."""
        self._begun = True

    def _remember(self, name: str) -> None:
        reopened = name == _RESTARTED
        self._begun = True
        settled = name in (_RESTARTED, ResultSettled.__name__)  # `afterExecution` follows a kill, too
        self._killed = not settled and (self._killed or name == KillRequested.__name__)
        self.ended = not reopened and (self.ended or name in TERMINALS)


class Attempt(msgspec.Struct):
    """The newest attempt of a task at a path."""

    task: str
    number: int
    open: bool = True
    next: str = ""
    retry_at: int = 0


class Life:
    """What the events of one execution say (L04 to L08, L10, L15, L16)."""

    def __init__(self) -> None:
        self.attempts: dict[str, Attempt] = {}
        self.earlier: dict[str, int] = {}
        """Attempts at what a restart forgot."""
        self.timers: dict[str, int] = {}
        self.deadlines: dict[str, int] = {}
        self.pauses: set[str] = set()
        self.children: dict[str, ChildStarted] = {}
        self.unawaited: dict[str, str] = {}
        """Children nobody waits for, by path."""
        self.generation = 0
        self.ended = self.killed = self.exiting = False

    def follow(self, event: AnyEvent) -> Iterator[Finding]:
        """Check the next event and remember it."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            for rule, message in handler(self, event):
                yield Finding(rule, message, event.sequence)

    def forget(self, paths: Iterable[str]) -> None:
        """Drop runs with everything below them, as a restart or a fork does."""
        gone = tuple(paths)
        self.attempts = {path: kept for path, kept in self.attempts.items() if not _below(path, gone)}
        self.timers = {path: kept for path, kept in self.timers.items() if not _below(path, gone)}
        self.children = {path: kept for path, kept in self.children.items() if not _below(path, gone)}
        self.pauses = {path for path in self.pauses if not _below(path, gone)}

    def fork(self, forget: Iterable[str]) -> None:
        """Become the beginning of another execution."""
        self.generation = 0
        self.earlier.clear()
        self._reopen(forget)

    def _reopen(self, forget: Iterable[str]) -> None:
        self.forget(forget)
        self.deadlines.clear()
        self.pauses.discard("")  # an operator's pause ended with the life it was in
        self.ended = self.killed = self.exiting = False

    def _task_started(self, event: TaskStarted) -> "Broken":
        before = self.attempts.get(event.path)
        yield from _numbered(event, before, self.earlier.get(event.path, 0))
        if before is not None and before.next == "retry" and event.at < before.retry_at:
            yield "L06", f"`{event.path}` begins {before.retry_at - event.at} µs before its time"
        if "" in self.pauses:
            yield "L08", f"`{event.path}` begins while the execution is paused"
        self.attempts[event.path] = Attempt(task=event.task, number=event.attempt)

    def _task_returned(self, event: TaskReturned) -> "Broken":
        attempt = self.attempts.get(event.path)
        if (
            attempt is None
            or not attempt.open
            or (attempt.task, attempt.number) != (event.task, event.attempt)
        ):
            yield "L04", f"attempt {event.attempt} of `{event.path}` is not open"
            return
        attempt.open, attempt.next, attempt.retry_at = False, event.next, event.retry_at
        self.exiting = self.exiting or event.next == "exit"

    def _ended(self, event: Terminal) -> "Broken":
        still_open = sorted(self._open())
        if still_open and not self.ended:
            yield "L07", f"still open at {type(event).__name__}: {', '.join(still_open)}"
        self.ended = True

    def _open(self) -> Iterator[str]:
        """What must not be open at an end.

        A kill or an Exit task makes timers and pauses void, they need no event of their own. Attempts are always
        closed, and a killed execution waits for its children.
        """
        yield from (f"attempt `{path}`" for path, attempt in self.attempts.items() if attempt.open)
        if not self.exiting:
            yield from (f"child `{path}`" for path in self.children)
        if not self.exiting and not self.killed:
            yield from (f"timer `{path}`" for path in self.timers)
            yield from (f"pause `{path}`" for path in self.pauses)

    def _kill_requested(self, event: KillRequested) -> "Broken":
        self.killed = True
        self.pauses.discard("")  # an operator's pause does not hold up the `afterExecution` that follows
        yield from ()

    def _paused(self, event: ExecutionPaused) -> "Broken":
        self.pauses.add(event.path)
        yield from ()

    def _resumed(self, event: ExecutionResumed) -> "Broken":
        if event.path not in self.pauses:
            yield "L15", f"resumed at `{event.path}`, where nothing was paused"
        self.pauses.discard(event.path)
        self.exiting = self.exiting or event.choice == "cancel"

    def _timer_set(self, event: TimerSet) -> "Broken":
        self._times(event)[event.path] = event.due
        yield from ()

    def _timer_fired(self, event: TimerFired) -> "Broken":
        if self._times(event).pop(event.path, None) != event.due:
            yield "L10", f"no timer of `{event.path}` is due at {event.due}"
        elif event.at < event.due:
            yield "L10", f"the timer of `{event.path}` fired {event.due - event.at} µs before its time"
        if event.origin == "timeout":
            gone = (event.path,)
            self.timers = {path: due for path, due in self.timers.items() if not _below(path, gone)}

    def _times(self, event: TimerSet | TimerFired) -> dict[str, int]:
        """A block's deadline is void once the block has ended, which needs no event; a sleep is waited for."""
        return self.deadlines if event.origin == "timeout" else self.timers

    def _child_started(self, event: ChildStarted) -> "Broken":
        if event.wait:
            self.children[event.path] = event
        else:
            self.unawaited[event.path] = event.child
        yield from ()

    def _child_returned(self, event: ChildReturned) -> "Broken":
        started = self.children.pop(event.path, None)
        if event.error is not None and self.unawaited.pop(event.path, "") == event.child:
            return  # it could not begin
        if started is None or started.child != event.child:
            yield "L15", f"`{event.path}` does not wait for {event.child}"

    def _restarted(self, event: ExecutionRestarted) -> "Broken":
        if not self.ended:
            yield "L16", "restarted although it had not ended"
        if event.generation != self.generation + 1:
            yield "L16", f"generation {event.generation} after {self.generation}"
        self.generation = event.generation
        failed = ((path, self.attempts.get(path)) for path in event.paths)
        self.earlier |= {
            path: one.number for path, one in failed if one is not None and one.next in ("fail", "retry")
        }
        self._reopen(event.paths)


Broken = Iterator[tuple[str, str]]
"""Rule and message."""


def _numbered(event: TaskStarted, before: Attempt | None, earlier: int) -> Broken:
    """Behind a restart attempts count on; journals of earlier versions begin again at 1 there."""
    expected = earlier + 1 if before is None else before.number + 1
    if event.attempt != expected and (before is not None or event.attempt != 1):
        yield "L05", f"attempt {event.attempt} of `{event.path}` where {expected} comes next"
    elif before is not None and before.open:
        yield "L05", f"attempt {event.attempt} of `{event.path}` while {before.number} is open"
    elif before is not None and before.next != "retry":
        yield "L05", f"attempt {event.attempt} of `{event.path}` after `{before.next}`"


def _below(path: str, gone: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith((f"{root}/", f"{root}[")) for root in gone)


_HANDLERS: Final[dict[type, Callable[[Life, Any], Broken]]] = {
    TaskStarted: Life._task_started,
    TaskReturned: Life._task_returned,
    OutputsResolved: Life._ended,
    ExecutionFailed: Life._ended,
    ExecutionKilled: Life._ended,
    ExecutionCancelled: Life._ended,
    KillRequested: Life._kill_requested,
    ExecutionPaused: Life._paused,
    ExecutionResumed: Life._resumed,
    TimerSet: Life._timer_set,
    TimerFired: Life._timer_fired,
    ChildStarted: Life._child_started,
    ChildReturned: Life._child_returned,
    ExecutionRestarted: Life._restarted,
}
