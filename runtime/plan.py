"""The plan: which task may begin now, given what has happened. Pure walking over a flow's tree.

`Planner.progress` looks at one task at one place and says either how it ended or what should happen next.
Flowable task types (If, ForEach, Parallel, ...) answer for their children through the same planner; they never
run anything themselves.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

import msgspec

from hookledger.journal.events import BranchTaken
from hookledger.runtime.flow.model import Task
from hookledger.runtime.state import FINISHED, State, below
from hookledger.runtime.tasks.base import TaskKind

if TYPE_CHECKING:
    from hookledger.runtime.tasks.base import Outputs, TaskContext


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One flowable around a task: what `parent`, `parents` and `taskrun.value` are made of."""

    task: str
    path: str
    value: str | None = None
    iteration: int | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the plan: the prefix of its children's paths and the flowables around it."""

    prefix: str = ""
    frames: tuple[Frame, ...] = ()

    def path(self, task: Task) -> str:
        """The path of a task that stands here."""
        return f"{self.prefix}{task.id}"

    def inside(self, task: Task, *, value: str | None = None, iteration: int | None = None) -> "Place":
        """The place of a flowable's children, in one iteration if it iterates."""
        path = self.path(task)
        mark = "" if iteration is None else f"[{iteration}]"
        frame = Frame(task=task.id, path=path, value=value, iteration=iteration)
        return Place(prefix=f"{path}{mark}/", frames=(*self.frames, frame))


# --- what decide may ask for ------------------------------------------------------------------------------


class StartAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """Begin an attempt."""

    task: Task
    place: Place
    attempt: int


class TakeBranch(msgspec.Struct, frozen=True, kw_only=True):
    """Render a flowable's expression and record what it chose."""

    task: Task
    place: Place
    round: int = 0


class StartChild(msgspec.Struct, frozen=True, kw_only=True):
    """Start the execution a Subflow task asks for; `since` is when the first attempt was made, 0 for this one."""

    task: Task
    place: Place
    attempt: int = 1
    since: int = 0


class BeginWait(msgspec.Struct, frozen=True, kw_only=True):
    """Record a pause or a timer, as the task's type says."""

    task: Task
    place: Place


class BeginDeadline(msgspec.Struct, frozen=True, kw_only=True):
    """Render a block's `timeout` and record until when it has time."""

    task: Task
    place: Place


class FireTimer(msgspec.Struct, frozen=True, kw_only=True):
    """The time of a recorded timer has come; of a deadline, if `late`."""

    path: str
    due: int
    late: bool = False


class EndWait(msgspec.Struct, frozen=True, kw_only=True):
    """A pause has outlived its own limit."""

    path: str


class AwaitTime(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to do here before `due` (microseconds)."""

    path: str
    due: int
    reason: str


class AwaitEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to do here until something else happens: an attempt, an operator, a child."""

    path: str
    reason: str


class EndAttempts(msgspec.Struct, frozen=True, kw_only=True):
    """Stop these attempts: their results are no longer wanted."""

    paths: tuple[str, ...]


class KillChildren(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the executions this one waits for to stop."""

    children: tuple[str, ...]


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """Resolve the outputs and record what the execution ends in; `afterExecution` follows."""

    state: str
    path: str = ""


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """Resolve the outputs, unless that was done before `afterExecution`, and end."""

    state: str
    path: str = ""


class FinishKilled(msgspec.Struct, frozen=True, kw_only=True):
    """Everything is closed: record that it was killed."""


Command: TypeAlias = (
    StartAttempt
    | TakeBranch
    | StartChild
    | BeginWait
    | BeginDeadline
    | FireTimer
    | EndWait
    | AwaitTime
    | AwaitEvent
    | EndAttempts
    | KillChildren
    | Settle
    | Finish
    | FinishKilled
)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far something is: what should happen next, and its state once it has ended."""

    commands: tuple[Command, ...] = ()
    state: str | None = None
    failures: tuple[str, ...] = ()
    """Paths of what failed and was not tolerated, in the plan's order; also while something beside is unfinished."""

    @property
    def failed_path(self) -> str:
        """Of the first failure; empty when there is none."""
        return self.failures[0] if self.failures else ""

    @property
    def failed(self) -> bool:
        """True when it ended in a way that stops what comes behind it."""
        return self.state in ("FAILED", "KILLED")


_WEIGHT: Final = {"KILLED": 4, "FAILED": 3, "WARNING": 2, "SUCCESS": 1, "SKIPPED": 0}


def worst(states: Iterable[str]) -> str:
    """The state of a group: killed, else failed, else warning, else success."""
    heaviest = max(states, key=lambda state: _WEIGHT.get(state, 1), default="SUCCESS")
    return "SUCCESS" if heaviest in ("SKIPPED", "CANCELLED") else heaviest


def ended(state: str, *failures: str) -> Progress:
    """Nothing left to do."""
    return Progress(state=state, failures=failures)


CUT: Final = ended("FAILED")
"""What never begins because something beside it has failed; so the block around it is not done."""


class Flowable(TaskKind, frozen=True, kw_only=True):
    """Base of the task types that only plan."""

    instant: ClassVar[bool] = True
    first: ClassVar["Choice | None"] = None
    """What is recorded before the first round, for types whose children come before their first choice."""
    lenient: ClassVar[bool] = False
    """True when a failure inside is only a warning."""

    @classmethod
    def plan(cls, task: Task, place: Place, planner: "Planner") -> Progress:
        """Say how far this task is."""
        raise NotImplementedError

    @classmethod
    def bounded(cls, task: Task) -> bool:
        """True when a `timeout` ends it."""
        return task.timeout is not None

    def choose(self, moment: "Moment") -> "Choice":
        """Choose from the rendered properties.

        Raises:
            TaskFailed: They allow no choice.
        """
        return Choice()

    def waiting(self) -> "Wait":
        """Say what to wait for; only for types that wait.

        Raises:
            TaskFailed: The properties are unusable.
        """
        raise NotImplementedError

    async def run(self, context: "TaskContext") -> "Outputs":
        raise AssertionError("a flowable task never runs")


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """When a flowable chooses: the round it is in, and how long it has been at it (microseconds)."""

    round: int = 0
    elapsed: int = 0


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a flowable chose: recorded in BranchTaken."""

    chosen: str = ""
    values: tuple[str, ...] | None = None
    outputs: Mapping[str, object] = {}
    delay: int = 0
    """Microseconds until the next round."""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """What a flowable that waits wants recorded: a timer, or a pause with an optional end."""

    timer: bool
    duration: int | None = None
    """Microseconds; a pause without one has no end."""
    expiry: str = "resume"
    on_resume: tuple[Mapping[str, object], ...] = ()


Parts: TypeAlias = Callable[["Planner"], Iterable[Progress]]
"""What stands side by side, as a planner sees it."""


class Planner(msgspec.Struct, frozen=True, kw_only=True):
    """A state and a moment to plan at."""

    state: State
    now: int
    begun: frozenset[str] | None = None
    """Beside a failure: the only paths that go on, since nothing new begins there."""

    def progress(self, task: Task, place: Place) -> Progress:
        """Say how far a task at a place is."""
        path = place.path(task)
        if self.begun is not None and path not in self.begun:
            return CUT
        if issubclass(task.kind, Flowable):
            return self._flowable(task, place, task.kind)
        run = self.state.runs.get(path)
        if run is None:
            attempt = self.state.attempts_before.get(path, 0) + 1
            return Progress(commands=(StartAttempt(task=task, place=place, attempt=attempt),))
        if run.state in FINISHED:
            return ended(run.state, *((path,) if run.state in ("FAILED", "KILLED") else ()))
        if run.state == "RETRYING":
            return self._retrying(task, place, run.retry_at, run.attempts)
        return self._open(path)

    def sequence(self, tasks: Sequence[Task], place: Place, *, go_on: bool = False) -> Progress:
        """One after the other; the first failure stops the rest, unless the list is to `go_on`."""
        states: list[str] = []
        for task in tasks:
            progress = self.progress(task, place)
            if progress.state is None or (progress.failed and not go_on):
                return progress
            states.append(progress.state)
            if any(below(exit_, place.path(task)) for exit_ in self.state.exits):
                break
        return ended(worst(states))

    def together(self, parts: Parts, *, at_once: int = 0) -> Progress:
        """Side by side, at most `at_once` unfinished parts at a time (0 for all).

        Once a part has failed, what is under way goes on to its end and nothing new begins.
        """
        open_: list[Progress] = []
        closed: list[Progress] = []
        for part in parts(self):
            if part.failed and self.begun is None:
                return self._draining().together(parts, at_once=at_once)
            (open_ if part.state is None else closed).append(part)
            if at_once and len(open_) >= at_once:
                break
        failures = tuple(path for part in (*closed, *open_) for path in part.failures)
        if open_:
            return Progress(
                commands=tuple(command for part in open_ for command in part.commands), failures=failures
            )
        return ended(worst(part.state or "SUCCESS" for part in closed), *failures)

    def guarded(self, task: Task, place: Place, body: Progress) -> Progress:
        """A flowable's own `errors` after a failed body, then its `finally`; neither changes how the body ended."""
        if body.state is None:
            return body
        for name in ("errors", "finally") if body.failed else ("finally",):
            after = self.sequence(task.block(name), place.inside(task), go_on=True)
            if after.state is None:
                return msgspec.structs.replace(after, failures=body.failures)
        return body

    def _draining(self) -> "Planner":
        return msgspec.structs.replace(self, begun=self.state.begun_paths())

    def branch(self, task: Task, place: Place) -> BranchTaken | None:
        """What a flowable chose, if it did; a type that chooses asks for it first."""
        return self.state.branches.get(place.path(task))

    def _flowable(self, task: Task, place: Place, kind: type[Flowable]) -> Progress:
        path = place.path(task)
        taken = self.state.branches.get(path)
        if taken is not None and taken.skipped and taken.error is None:
            return ended("SKIPPED")
        if taken is not None and taken.error is not None:
            return self._unchosen(task, place, taken)
        if task.run_if is not None and taken is None:
            return Progress(commands=(TakeBranch(task=task, place=place),))
        plan = partial(self._timed, kind=kind) if kind.bounded(task) else kind.plan
        return softened(task, plan(task, place, self))

    def _unchosen(self, task: Task, place: Place, taken: BranchTaken) -> Progress:
        """What could not begin has nothing to clean up; a loop whose condition broke after a round has."""
        failed = ended("FAILED", place.path(task))
        if taken.skipped:
            return failed
        return softened(task, self.guarded(task, place, failed) if taken.round else failed)

    def _timed(self, task: Task, place: Place, _: "Planner", *, kind: type[Flowable]) -> Progress:
        """A block that has to be done by its deadline; the clock begins with the first thing to do."""
        path = place.path(task)
        if path in self.state.expired:
            return self._late(task, place)
        progress, due = kind.plan(task, place, self), self.state.deadlines.get(path)
        if progress.state is not None:
            return progress
        if due is None:
            return Progress(commands=(BeginDeadline(task=task, place=place),), failures=progress.failures)
        if self.now >= due:
            return Progress(commands=(FireTimer(path=path, due=due, late=True),), failures=progress.failures)
        wait = AwaitTime(path=path, due=due, reason="timeout")
        return msgspec.structs.replace(progress, commands=(*progress.commands, wait))

    def _late(self, task: Task, place: Place) -> Progress:
        """What was begun inside in time is stopped first; then it is a failure like any other."""
        path = place.path(task)
        inside = self.state.expired[path]
        attempts = tuple(run.path for run in self.state.open_runs() if run.path in inside)
        children = tuple(
            started.child
            for where, started in self.state.children.items()
            if where in inside and started.wait and where not in self.state.returned
        )
        if attempts or children:
            return Progress(commands=(EndAttempts(paths=attempts), KillChildren(children=children)))
        return self.guarded(task, place, ended("FAILED", path))

    def _retrying(self, task: Task, place: Place, retry_at: int, attempts: int) -> Progress:
        if self.now >= retry_at:
            return Progress(commands=(StartAttempt(task=task, place=place, attempt=attempts + 1),))
        return Progress(commands=(AwaitTime(path=place.path(task), due=retry_at, reason="retry"),))

    def _open(self, path: str) -> Progress:
        pause = self.state.pauses.get(path)
        reason = "operator" if pause is not None else "attempt"
        return Progress(commands=(AwaitEvent(path=path, reason=reason),))


def softened(task: Task, progress: Progress) -> Progress:
    """Apply `allowFailure` and `allowWarning` of a flowable to the state of its children.

    A type that is lenient itself gives a warning for a failure, and that one is not allowed away.
    """
    state = progress.state
    if state == "FAILED" and task.allow_failure:
        state = "WARNING"
    if state == "WARNING" and task.allow_warning:
        state = "SUCCESS"
    if state == "FAILED" and getattr(task.kind, "lenient", False):
        state = "WARNING"
    return progress if state == progress.state else ended(state or "SUCCESS")
