"""What an execution is after its events: a pure fold.

No clock, no randomness, no I/O, no flow: the events alone say it. `fold` names every event it knows and refuses
the rest, because a silent default is how an unknown event erases state. The same fold serves recovery, the
command line, the API and the pages.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import reduce
from typing import Any, Final, assert_never

import msgspec
from msgspec.structs import replace

from hookledger.journal.errors import JournalGap
from hookledger.journal.events import (
    BranchTaken,
    ChildReturned,
    ChildStarted,
    DuplicateDelivery,
    ExecutionCancelled,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionForked,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionQueued,
    ExecutionRestarted,
    ExecutionResumed,
    Failure,
    KillRequested,
    LabelsSet,
    OperatorNote,
    OutputsResolved,
    Response,
    ResponseSent,
    ResultSettled,
    StaleResultDropped,
    TaskReturned,
    TaskStarted,
    Terminal,
    TimerFired,
    TimerSet,
    TriggerReceived,
    begins,
)

FINISHED: Final = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "SKIPPED", "RETRIED"})
"""States in which a task run changes no more."""

NOT_STARTED: Final = frozenset({"skipped", "not_started"})
"""Outcomes of an attempt that never ran: its `runIf` stood against it."""

_FAILED: Final = frozenset({"FAILED", "KILLED", "RETRIED"})
_STATE_BY_NEXT: Final = {
    "next": "SUCCESS",
    "continue": "WARNING",
    "fail": "FAILED",
    "retry": "RETRYING",
}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One task at one place of the plan. Times are microseconds."""

    path: str
    task: str
    state: str
    attempts: int = 0
    earlier: int = 0
    """How many of them were made before a restart; a retry does not count them."""
    started: int = 0
    ended: int = 0
    first_started: int = 0
    begun: TaskStarted | None = None
    """The newest attempt's first event."""
    outputs: Mapping[str, Any] = {}
    error: Failure | None = None
    retry_at: int = 0
    values: tuple[str, ...] = ()
    """Values of the loops around it, outermost first."""
    history: tuple[tuple[str, int], ...] = ()

    @property
    def open(self) -> bool:
        """True while an attempt is under way."""
        return self.state == "RUNNING"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """An execution as its journal tells it."""

    sequence: int = 0
    """Of the event that comes next."""
    at: int = 0
    received: TriggerReceived | None = None
    generation: int = 0
    revision: int = 0
    """Of the flow; a restart may move to a newer one."""
    runs: Mapping[str, Run] = {}
    branches: Mapping[str, BranchTaken] = {}
    timers: Mapping[str, int] = {}
    """Waits by path: when they are due."""
    fired: frozenset[str] = frozenset()
    deadlines: Mapping[str, int] = {}
    """Until when a block with a timeout has time, by path."""
    expired: Mapping[str, tuple[str, ...]] = {}
    """Blocks whose time was over before they were done, each with the paths of what was under way inside."""
    pauses: Mapping[str, ExecutionPaused] = {}
    resumed: Mapping[str, ExecutionResumed] = {}
    children: Mapping[str, ChildStarted] = {}
    returned: Mapping[str, ChildReturned] = {}
    labels: Mapping[str, str] = {}
    queued: int = 0
    """While it waits for a place and nothing of it has begun: how many may be open at once. 0 otherwise."""
    exit_state: str = ""
    """What a task that ended the execution early said; one in `afterExecution` ends only that list."""
    exits: tuple[str, ...] = ()
    """Paths of such tasks, in their order."""
    kill: KillRequested | None = None
    settled: ResultSettled | None = None
    """What it will end in, while `afterExecution` runs."""
    terminal: Terminal | None = None
    response: Response | None = None
    """What a task answered the caller; the first one wins."""
    history: tuple[tuple[str, int], ...] = ()
    restarted_at: int = 0
    """When it was last opened again, microseconds; 0 for never."""
    attempts_before: Mapping[str, int] = {}
    """Attempts at what a restart forgot, by path: the next one counts on."""

    @property
    def status(self) -> str:
        """The execution's state name; derived, never stored."""
        return self.history[-1][0] if self.history else "CREATED"

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Flow outputs; empty while there are none."""
        return getattr(self.terminal, "outputs", None) or {}

    @property
    def exit_path(self) -> str:
        """Of the task that ended the execution early; empty for none."""
        return self.exits[0] if self.exit_state else ""

    @property
    def stopping(self) -> bool:
        """True while a kill ends what runs; the `afterExecution` list that may follow it is not part of that."""
        kill, settled = self.kill, self.settled
        return kill is not None and (settled is None or kill.sequence > settled.sequence)

    def begun_paths(self) -> frozenset[str]:
        """Every place where something has happened, the blocks around it included."""
        known = (self.runs, self.branches, self.timers, self.fired, self.deadlines, self.expired, self.pauses)
        found: set[str] = set()
        for path in (path for paths in (*known, self.resumed, self.children) for path in paths):
            found.update(around(path))
        return frozenset(found)

    def open_runs(self) -> tuple[Run, ...]:
        """Runs with an attempt under way."""
        return tuple(run for run in self.runs.values() if run.open)


def fold(state: State, event: ExecutionEvent) -> State:
    """Return the state after `event`.

    Raises:
        JournalGap: It is not the event that comes next.
    """
    if event.sequence != state.sequence:
        raise JournalGap(expected=state.sequence, found=event.sequence)
    state = replace(state, sequence=event.sequence + 1)
    if event.observation:
        return state
    queued = 0 if begins(event) else state.queued
    return _decided(replace(state, at=event.at, queued=queued), event)


def fold_all(events: Iterable[ExecutionEvent], state: State | None = None) -> State:
    """Fold a whole history, or the rest of one."""
    return reduce(fold, events, state or State())


def _decided(state: State, event: ExecutionEvent) -> State:
    match event:
        case TriggerReceived():
            return _received(state, event, event.at)
        case TaskStarted():
            return _moved(_started(state, event), "RUNNING", event.at)
        case TaskReturned():
            return _returned(state, event)
        case ResultSettled():
            return replace(state, settled=event)
        case OutputsResolved():
            return _moved(replace(state, terminal=event), event.state, event.at)
        case ExecutionFailed():
            return _failed(replace(state, terminal=event), event)
        case ExecutionKilled():
            return _moved(replace(state, terminal=event), "KILLED", event.at)
        case ExecutionCancelled():
            return _moved(replace(state, terminal=event), "CANCELLED", event.at)
        case KillRequested():
            pauses = {path: pause for path, pause in state.pauses.items() if path}
            state = replace(_awake(state, event.at), kill=event, pauses=pauses)
            return _moved(_abandoned(state, "", event.at), "KILLING", event.at)
        case ExecutionQueued():
            return _moved(replace(state, queued=event.limit), "QUEUED", event.at)
        case ExecutionPaused():
            began = _begun(state, event.at) if event.path else state
            return _moved(_paused(began, event), "PAUSED", event.at)
        case ExecutionResumed():
            return _resumed(state, event)
        case TimerSet(origin="timeout"):
            return replace(state, deadlines={**state.deadlines, event.path: event.due})
        case TimerSet():
            return _begun(replace(state, timers={**state.timers, event.path: event.due}), event.at)
        case TimerFired(origin="timeout"):
            return _expired(state, event)
        case TimerFired():
            return replace(
                state, timers=_without(state.timers, {event.path}), fired=state.fired | {event.path}
            )
        case BranchTaken():
            branches = {**state.branches, event.path: event}
            waits = event.not_before > event.at  # a loop, for its next round
            return _moved(replace(state, branches=branches), "PAUSED" if waits else "RUNNING", event.at)
        case ChildStarted():
            children = {**state.children, event.path: event}
            returned = {path: old for path, old in state.returned.items() if path != event.path}
            if event.attempt > 1:
                state = _retrying(state, event.path, event.at)
            return _moved(replace(state, children=children, returned=returned), "RUNNING", event.at)
        case ChildReturned():
            return replace(state, returned={**state.returned, event.path: event})
        case LabelsSet():
            return replace(state, labels={**state.labels, **event.labels})
        case ExecutionRestarted():
            return _moved(_restarted(state, event), "RESTARTED", event.at)
        case ExecutionForked():  # behind `forked`, which needs the origin's events
            return _received(state, event.received, event.at)
        case DuplicateDelivery() | ResponseSent() | StaleResultDropped() | OperatorNote():
            return state
        case _:
            assert_never(event)


def _failed(state: State, event: ExecutionFailed) -> State:
    """One that another takes the place of is RETRIED, and so is its failed task."""
    nested = "/" in event.path
    if not (event.retry_at and nested):
        state = _moved(state, "FAILED", event.at)
    if not event.retry_at:
        return state
    run = state.runs.get(event.path)
    if run is not None:
        history = (*run.history, ("RETRIED", event.at))
        state = _with_run(state, replace(run, state="RETRIED", history=history))
    return _moved(state, "RETRIED", event.at)


def _received(state: State, received: TriggerReceived, at: int) -> State:
    return replace(
        state,
        received=received,
        revision=received.revision,
        labels=received.labels,
        history=(("CREATED", at),),
    )


def _started(state: State, event: TaskStarted) -> State:
    before = state.runs.get(event.path)
    resumed = {path: old for path, old in state.resumed.items() if path != event.path}
    state = replace(state, resumed=resumed)  # what was said of an earlier attempt does not hold for this one
    run = Run(
        path=event.path,
        task=event.task,
        state="RUNNING",
        attempts=event.attempt,
        earlier=before.earlier if before else event.attempt - 1,
        started=event.at,
        first_started=before.first_started if before else event.at,
        begun=event,
        values=loop_values(state.branches, event.path),
        history=(*(before.history if before else (("CREATED", event.at),)), ("RUNNING", event.at)),
    )
    return _with_run(state, run)


def _returned(state: State, event: TaskReturned) -> State:
    now = reached(event)
    before = state.runs[event.path]
    began = before.history if event.outcome not in NOT_STARTED else before.history[:-1]
    run = replace(
        before,
        state=now,
        ended=event.at,
        outputs=event.outputs,
        error=event.error,
        retry_at=event.retry_at,
        history=(*began, (now, event.at)),
    )
    if event.next == "retry":
        state = _retrying(state, event.path, event.at)
    if event.next == "exit":
        state = _exited(state, event.exit_state, event.path, event.at)
    if event.response is not None and state.response is None:
        state = replace(state, response=event.response)
    return _with_run(state, run)


def _retrying(state: State, path: str, at: int) -> State:
    """A task at the top takes the execution with it through FAILED; one in a block does not (Kestra 1.3 and 2.0).

    What runs in afterExecution changes nothing of the execution any more.
    """
    if state.status == "KILLING" or state.pauses or state.settled is not None:
        return state
    if "/" not in path:
        state = _moved(state, "FAILED", at)
    return _moved(state, "RETRYING", at)


def reached(event: TaskReturned) -> str:
    """The state of a run after an attempt has returned."""
    if event.next == "exit":
        return event.exit_state
    return {"killed": "KILLED", "skipped": "SKIPPED"}.get(event.outcome, _STATE_BY_NEXT[event.next])


def _exited(state: State, exit_state: str, path: str, at: int) -> State:
    """The execution ends here; once its result is settled, only the list that stands behind it."""
    if state.settled is None:
        state = replace(state, exit_state=exit_state)
    return _abandoned(replace(state, exits=(*state.exits, path)), "", at)


def _abandoned(state: State, root: str, at: int) -> State:
    """What waits for its next attempt at or below a path (empty: anywhere) will not get it."""
    gone = {
        path: replace(run, state="KILLED", ended=at, history=(*run.history, ("KILLED", at)))
        for path, run in state.runs.items()
        if run.state == "RETRYING" and (not root or below(path, root))
    }
    return replace(state, runs={**state.runs, **gone}) if gone else state


def _expired(state: State, event: TimerFired) -> State:
    """A block's time is over: so is the sleep inside it, and what waits to be tried again."""
    state = _abandoned(state, event.path, event.at)
    asleep = {path for path in state.timers if below(path, event.path)}
    under_way = (*(run.path for run in state.open_runs()), *(state.children.keys() - state.returned.keys()))
    inside = sorted(path for path in under_way if below(path, event.path))
    return replace(
        state,
        timers=_without(state.timers, asleep),
        deadlines=_without(state.deadlines, {event.path}),
        expired={**state.expired, event.path: tuple(inside)},
    )


def around(path: str) -> Iterator[str]:
    """The path itself and those of the flowables around it, outermost first."""
    segments = path.split("/")
    for count in range(len(segments)):
        yield "/".join((*segments[:count], segments[count].partition("[")[0]))


def top_task(path: str) -> str:
    """Id of the outermost task of a path."""
    return path.partition("/")[0].partition("[")[0]


def below(path: str, root: str) -> bool:
    """True for a place and everything inside it."""
    return path == root or path.startswith((f"{root}/", f"{root}["))


def _without(times: Mapping[str, int], gone: Container[str]) -> dict[str, int]:
    return {path: time for path, time in times.items() if path not in gone}


def _paused(state: State, event: ExecutionPaused) -> State:
    resumed = {path: old for path, old in state.resumed.items() if path != event.path}
    return replace(state, pauses={**state.pauses, event.path: event}, resumed=resumed)


def _resumed(state: State, event: ExecutionResumed) -> State:
    pauses = {path: pause for path, pause in state.pauses.items() if path != event.path}
    state = replace(state, pauses=pauses, resumed={**state.resumed, event.path: event})
    if event.choice == "cancel":
        return _exited(state, "CANCELLED", event.path, event.at)
    if pauses:
        return state
    return _moved(_awake(state, event.at), "QUEUED" if state.queued else "RUNNING", event.at)


def _awake(state: State, at: int) -> State:
    """A pause is over: Kestra calls that RESTARTED, whatever comes next."""
    return _moved(state, "RESTARTED", at) if state.status == "PAUSED" else state


def _restarted(state: State, event: ExecutionRestarted) -> State:
    """What is named is forgotten with everything below it; the rest stays done, and attempts are counted on."""
    failed = {
        path: run.attempts
        for path in event.paths
        if (run := state.runs.get(path)) and run.state in _FAILED and path not in state.exits
    }
    before = {**state.attempts_before, **failed}
    labels = {**state.labels, "system.restarted": "true"}
    state = without(state, event.paths, event.again)
    return replace(
        state,
        generation=event.generation,
        revision=event.revision,
        restarted_at=event.at,
        attempts_before=before,
        labels=labels,
    )


def forked(origin: State, event: ExecutionForked) -> State:
    """What a fork begins with: its origin as it stood where they part, without what is forgotten.

    The fork's own events count from 0 and are folded behind it.
    """
    return replace(
        without(origin, event.forget),
        sequence=0,
        generation=0,
        received=None,
        response=None,
        history=(),
        restarted_at=0,
        attempts_before={},
    )


def without(state: State, paths: Iterable[str], again: Container[str] = ()) -> State:
    """The state with these paths and all below them forgotten, and open again.

    Args:
        again: Loops whose last check failed, and blocks whose time was over: they go on, with what is inside them.
    """
    gone = tuple(paths)

    def kept(path: str) -> bool:
        return not any(below(path, root) for root in gone)

    return replace(
        state,
        runs={path: run for path, run in state.runs.items() if kept(path)},
        branches=dict(_choices_after(state, again, kept)),
        timers={path: due for path, due in state.timers.items() if kept(path)},
        fired=frozenset(path for path in state.fired if kept(path)),
        deadlines={},
        expired={path: at for path, at in state.expired.items() if kept(path) and path not in again},
        pauses={path: pause for path, pause in state.pauses.items() if path and kept(path)},
        resumed={path: resumed for path, resumed in state.resumed.items() if kept(path)},
        children={path: child for path, child in state.children.items() if kept(path)},
        returned={path: child for path, child in state.returned.items() if kept(path)},
        exit_state="",
        exits=(),
        kill=None,
        settled=None,
        terminal=None,
    )


def _choices_after(
    state: State, again: Container[str], kept: Callable[[str], bool]
) -> Iterator[tuple[str, BranchTaken]]:
    """A check that is made again stands where it stood behind the round before: in time, and without a result."""
    for path, taken in state.branches.items():
        if not kept(path):
            continue
        if path not in again or taken.error is None:
            yield path, taken
        else:
            count = {"iterationCount": taken.round}
            yield (
                path,
                replace(
                    taken, round=taken.round - 1, chosen="again", error=None, not_before=0, outputs=count
                ),
            )


def _begun(state: State, at: int) -> State:
    """A flow that begins with a nap or a pause runs already; a later one changes nothing."""
    return _moved(state, "RUNNING", at) if state.status in ("CREATED", "QUEUED", "RESTARTED") else state


def _moved(state: State, status: str, at: int) -> State:
    """Enter a status once; one that is being killed stays so until it ends, a paused one until nobody is waited for."""
    if status == state.status or (state.status == "KILLING" and status in ("RUNNING", "PAUSED", "QUEUED")):
        return state
    if status == "RUNNING" and state.pauses:
        return state
    return replace(state, history=(*state.history, (status, at)))


def _with_run(state: State, run: Run) -> State:
    return replace(state, runs={**state.runs, run.path: run})


def loop_values(branches: Mapping[str, BranchTaken], path: str) -> tuple[str, ...]:
    """Values of the value-carrying loops around a path, outermost first.

    A path is made of task ids joined by `/`; an id inside a loop's iteration carries `[i]`.
    """
    values: list[str] = []
    prefix = ""
    for segment in path.split("/")[:-1]:
        name, bracket, index = segment.partition("[")
        branch = branches.get(f"{prefix}{name}")
        if bracket and branch is not None and branch.values:
            values.append(branch.values[int(index[:-1])])
        prefix = f"{prefix}{segment}/"
    return tuple(values)
