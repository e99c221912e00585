"""Task runs as they are shown: the states each went through, its attempts, its parent, its loop's value, its outputs.

All of it is derived from the flow and the events. Which runs there are and what they have come to is the planner's
word (`taskruns`); when they got there is what the events say. The states are Kestra's: `SUBMITTED` before what runs
itself, `FAILED, RETRYING, CREATED` between two attempts, `RESTARTED` where a restart goes on, `PAUSED` while a Pause
or the next round of a LoopUntil is waited for.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Any, Final

import msgspec

from hookledger.journal.events import (
    BranchTaken,
    ChildReturned,
    ChildStarted,
    ExecutionEvent,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    Failure,
    TaskReturned,
    TaskStarted,
    TimerFired,
    TimerSet,
)
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.state import FINISHED, State, around, reached
from hookledger.runtime.taskruns import TaskRun, cut_short, task_runs
from hookledger.runtime.tasks.flow.loops import LoopUntil
from hookledger.runtime.variables import outputs_by_path

Marks = tuple[tuple[str, int], ...]
"""States and when each was entered, microseconds."""

_UPDATING: Final = frozenset({"Labels", "Exit", "SetVariables", "UnsetVariables"})
"""Task types that change the execution itself: nobody submits them to a worker."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try; its end is its own, whatever the run made of it."""

    history: Marks

    @property
    def state(self) -> str:
        """The state it is in."""
        return self.history[-1][0]


class ShownRun(msgspec.Struct, frozen=True, kw_only=True):
    """A task run with everything that lists of task runs say of it."""

    path: str
    task: str
    history: Marks
    attempts: tuple[Attempt, ...]
    parent: str = ""
    """Path of the nearest flowable's run; empty at the top."""
    value: str | None = None
    """Of the loop it is a direct child of."""
    iteration: int | None = None
    outputs: Mapping[str, Any] = {}
    error: Failure | None = None

    @property
    def state(self) -> str:
        """The state it is in."""
        return self.history[-1][0]


def shown_runs(flow: Flow | None, state: State, events: Iterable[ExecutionEvent]) -> list[ShownRun]:
    """Task runs in the order of their creation, a block before what is inside it.

    Args:
        flow: At the execution's revision; without it only runs with events of their own are known.
        state: What the events fold to.
        events: All of them, a fork's behind what it keeps of its origin's.
    """
    trace = _Trace()
    for event in events:
        trace.follow(event)
    runs = task_runs(flow, state) if flow is not None else {}
    made = outputs_by_path(state)
    shown = [_shown(run, runs, state, trace, made) for path, run in runs.items() if path in trace.first]
    known = {run.path for run in shown}
    shown += [
        _unplanned(path, state, trace, made)
        for path in state.runs
        if path in trace.first and path not in known
    ]
    listed = {run.path for run in shown}
    for run in shown:  # grows while it is walked: a block may stand in another
        if run.parent and run.parent not in listed:
            listed.add(run.parent)
            shown.append(_unplanned_block(run.parent, state, trace))
    loops = frozenset(run.path for run in runs.values() if issubclass(run.task.kind, LoopUntil))
    return sorted(
        (run for run in shown if trace.newest(run.path, loops)),
        key=lambda run: (trace.first.get(run.path, (0, 0)), run.path.count("/")),
    )


def _shown(
    run: TaskRun,
    runs: Mapping[str, TaskRun],
    state: State,
    trace: "_Trace",
    made: Mapping[str, Mapping[str, Any]],
) -> ShownRun:
    frame = run.place.frames[-1] if run.place.frames else None
    history, attempts = trace.told(run.path, run.state, state)
    own = state.runs.get(run.path)
    taken = state.branches.get(run.path)
    return ShownRun(
        path=run.path,
        task=run.task.id,
        history=history,
        attempts=attempts,
        parent=_parent(run, runs),
        value=frame.value if frame is not None else None,
        iteration=frame.iteration if frame is not None else None,
        outputs=made.get(run.path, {}),
        error=own.error if own is not None else taken.error if taken is not None else None,
    )


def _parent(run: TaskRun, runs: Mapping[str, TaskRun]) -> str:
    """Path of the nearest flowable's run; what a Pause runs beside itself (`onPause`) has none, as in Kestra."""
    if not run.place.frames:
        return ""
    around = run.place.frames[-1].path
    return "" if around in runs and run.task in runs[around].task.block("onPause") else around


def _unplanned(path: str, state: State, trace: "_Trace", made: Mapping[str, Mapping[str, Any]]) -> ShownRun:
    """A run that the flow at hand does not explain: another revision made it, or the flow cannot be read."""
    run = state.runs[path]
    history, attempts = trace.told(path, run.state, state)
    above, _, _ = path.rpartition("/")
    parent, bracket, index = above.rpartition("[")
    return ShownRun(
        path=path,
        task=run.task,
        history=history,
        attempts=attempts,
        parent=parent if index.endswith("]") else above,
        value=run.values[-1] if run.values else None,
        iteration=int(index[:-1]) if bracket and index.endswith("]") else None,
        outputs=made.get(path, {}),
        error=run.error,
    )


def _unplanned_block(path: str, state: State, trace: "_Trace") -> ShownRun:
    """A block around such a run, or one that a failure beside it cut short."""
    history, attempts = trace.told(path, cut_short(state) if state.terminal is not None else "RUNNING", state)
    above, _, task = path.rpartition("/")
    parent, _, index = above.rpartition("[")
    return ShownRun(
        path=path,
        task=task,
        history=history,
        attempts=attempts,
        parent=parent if index.endswith("]") else above,
    )


class _Trace:
    """When what happened, by path, while the events come by."""

    def __init__(self) -> None:
        self.first: dict[str, tuple[int, int]] = {}
        """Number and time of the first event at or below each path."""
        self._count = 0
        self._spans: dict[str, list[tuple[int, int]]] = {}
        """By path, first and last time of each generation in which something happened at or below it."""
        self._generation: dict[str, int] = {}
        self._marks: dict[str, list[tuple[str, int]]] = {}
        self._attempts: dict[str, list[list[tuple[str, int]]]] = {}
        self._blocks: set[str] = set()
        """Paths with something inside them."""
        self._rounds: dict[str, int] = {}
        """The newest iteration inside each loop in which something has begun."""
        self._waiting: dict[str, int] = {}
        """Loops between two rounds, since when."""
        self._generations = 0
        self._restarted = 0

    def follow(self, event: ExecutionEvent) -> None:
        """Take in what happened next."""
        self._count += 1
        match event:
            case TaskStarted():
                self._seen(event.path, event)
                self._task_started(event)
            case TaskReturned():
                self._seen(event.path, event)
                self._task_returned(event)
            case BranchTaken():
                self._seen(event.path, event)
                self._branch_taken(event)
            case ChildStarted():
                self._seen(event.path, event)
                if event.attempt > 1:
                    self._mark(event.path, "RETRYING", event.at)
                self._begin(event.path, event.at, "CREATED", "RUNNING")
            case ChildReturned():
                self._seen(event.path, event)
                if event.state == "FAILED":
                    self._mark(event.path, "FAILED", event.at)
            case TimerSet(origin="sleep"):
                self._seen(event.path, event)
                self._begin(event.path, event.at, "CREATED", "SUBMITTED", "RUNNING")
            case TimerFired(origin="sleep"):
                self._seen(event.path, event)
            case ExecutionPaused() if event.path:
                self._seen(event.path, event)
                if event.path not in self._attempts:
                    self._begin(event.path, event.at, "CREATED", "RUNNING")
                self._mark(event.path, "PAUSED", event.at)
            case ExecutionResumed() if event.path:
                self._seen(event.path, event)
            case ExecutionRestarted():
                self._generations, self._restarted = event.generation, event.at
                self._waiting.clear()
            case _:
                return

    def _seen(self, path: str, event: ExecutionEvent) -> None:
        """Something happened here, and so in every block around."""
        for place in around(path):
            self.first.setdefault(place, (self._count, event.at))
            spans = self._spans.setdefault(place, [])
            if not spans or self._generation[place] != self._generations:
                spans.append((event.at, event.at))
                self._generation[place] = self._generations
            else:
                spans[-1] = (spans[-1][0], event.at)
            if place == path:
                continue
            self._blocks.add(place)
            if path[len(place)] == "[":
                number = int(path[len(place) + 1 :].partition("]")[0])
                self._rounds[place] = max(number, self._rounds.get(place, 0))
            if self._waiting.pop(place, None) is not None:
                self._mark(place, "RUNNING", event.at)

    def newest(self, path: str, loops: Container[str]) -> bool:
        """False inside an older round of one of the loops: only the newest is listed, the journal has all."""
        return all(
            place == path or place not in loops or path.startswith(f"{place}[{self._rounds.get(place, 0)}]")
            for place in around(path)
        )

    def _mark(self, path: str, state: str, at: int) -> None:
        marks = self._marks.setdefault(path, [])
        if not marks or marks[-1][0] != state:
            marks.append((state, at))

    def _begin(self, path: str, at: int, *states: str) -> None:
        """A run begins, or goes on where a restart found it."""
        marks = self._marks.setdefault(path, [])
        if marks and marks[-1][0] != "RETRYING":
            marks.append(("RESTARTED", self._restarted))
            states = states[1:]
        marks.extend((state, at) for state in states)

    def _task_started(self, event: TaskStarted) -> None:
        updating = event.task_type.rpartition(".")[2] in _UPDATING
        states = ["CREATED", "RUNNING"] if updating else ["CREATED", "SUBMITTED", "RUNNING"]
        if self._marks.get(event.path, [("", 0)])[-1][0] == "PAUSED":  # in doubt, and now done again
            self._marks[event.path].extend((state, event.at) for state in states[1:])
        else:
            self._begin(event.path, event.at, *states)
        self._attempts.setdefault(event.path, []).append([("CREATED", event.at), ("RUNNING", event.at)])

    def _task_returned(self, event: TaskReturned) -> None:
        marks, attempts = self._marks[event.path], self._attempts[event.path]
        if event.outcome in ("skipped", "not_started"):
            while marks[-1][0] in ("SUBMITTED", "RUNNING"):
                marks.pop()
            attempts.pop()
            if event.outcome == "skipped":
                attempts.append([("CREATED", event.at), ("SKIPPED", event.at)])
        else:
            attempts[-1].append((_attempt_state(event), event.at))
        if event.next == "retry":
            self._mark(event.path, "FAILED", event.at)
        self._mark(event.path, reached(event), event.at)

    def _branch_taken(self, event: BranchTaken) -> None:
        if event.path in self._waiting:
            del self._waiting[event.path]
            self._mark(event.path, "RUNNING", event.at)
        if event.chosen == "again" and event.not_before > event.at:
            self._waiting[event.path] = event.at
            self._mark(event.path, "PAUSED", event.at)

    def told(self, path: str, state: str, execution: State) -> tuple[Marks, tuple[Attempt, ...]]:
        """History and attempts of a run that has come to a state."""
        taken = execution.branches.get(path)
        if taken is not None and taken.skipped:
            return self._not_begun(path, state)
        marks = list(self._marks.get(path, ()))
        if path in self._attempts:
            run = execution.runs.get(path)
            if marks[-1][0] != state:
                marks.append((state, run.ended if run is not None else execution.at))
            return tuple(marks), tuple(Attempt(history=tuple(one)) for one in self._attempts[path])
        if not marks or marks[0][0] != "CREATED":
            marks = self._of_block(path, marks)
        elif marks[-1][0] == "PAUSED" and state not in FINISHED and path not in execution.pauses:
            marks.append(("RUNNING", self._spans[path][-1][1]))
        elif marks[-1][0] == "PAUSED" and path in execution.resumed and path in self._blocks:
            marks.append(("RUNNING", execution.resumed[path].at))
        if marks[-1][0] != state:
            marks.append((state, self._spans[path][-1][1]))
        *earlier, newest = _parted(marks)
        end = newest[-1:] if state in FINISHED else []
        tried = [Attempt(history=tuple(one)) for one in earlier]
        return tuple(marks), (*tried, Attempt(history=(*_beginning(newest), *end)))

    def _not_begun(self, path: str, state: str) -> tuple[Marks, tuple[Attempt, ...]]:
        at = self.first[path][1]
        marks = (("CREATED", at), (state, at))
        return marks, (Attempt(history=marks),) if state == "SKIPPED" else ()

    def _of_block(self, path: str, waits: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """A block runs from its first event to its last; a restart finds it failed."""
        marks = [("CREATED", self.first[path][1])]
        spans = self._spans[path]
        for number, (begin, end) in enumerate(spans):
            marks.append(("RUNNING", begin))
            marks += [wait for wait in waits if begin <= wait[1] <= end and wait != ("RUNNING", begin)]
            if number + 1 < len(spans):
                marks.append(("FAILED", end))
        return marks


def _parted(marks: list[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    """What a Subflow's retries part into attempts, each with its own child."""
    parts: list[list[tuple[str, int]]] = [[]]
    for mark in marks:
        if mark[0] == "RETRYING":
            parts.append([])
        else:
            parts[-1].append(mark)
    return parts


def _attempt_state(event: TaskReturned) -> str:
    """An attempt that failed has failed, also where the run takes that for a warning or tries again."""
    ends = {"killed": "KILLED", "ok": "SUCCESS"}
    return event.exit_state if event.next == "exit" else ends.get(event.outcome, "FAILED")


def _beginning(marks: list[tuple[str, int]]) -> Marks:
    """The first states of an attempt that lasts as long as its run."""
    begun = next((at for state, at in marks if state == "RUNNING"), marks[0][1])
    return (("CREATED", marks[0][1]), ("RUNNING", begun))
