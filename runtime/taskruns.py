"""The task runs of an execution as the plan has them: those with attempts, and those of the blocks around them.

Only attempts have events of their own. What a block, a Pause, a Sleep or a Subflow has come to follows from the flow
and the events, by the same planner that decides what happens next.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.plan import Flowable, Place, Planner, Progress
from hookledger.runtime.state import FINISHED, State, around, below, top_task

_TOP: Final = Place()


class TaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was reached, and its state."""

    task: Task
    place: Place
    state: str

    @property
    def path(self) -> str:
        """Where it is in the plan."""
        return self.place.path(self.task)

    @property
    def values(self) -> tuple[str, ...]:
        """Values of the loops around it, outermost first."""
        return tuple(frame.value for frame in self.place.frames if frame.value is not None)


class _Walk(Planner, frozen=True, kw_only=True):
    """A planner that remembers what it met."""

    met: dict[str, tuple[Task, Place, Progress | None]]

    def progress(self, task: Task, place: Place) -> Progress:
        path = place.path(task)
        if self.begun is not None and path not in self.begun:
            self.met.pop(path, None)  # met before the failure beside it was
            return super().progress(task, place)
        self.met.setdefault(path, (task, place, None))
        progress = super().progress(task, place)
        self.met[path] = (task, place, progress)
        return progress

    def _late(self, task: Task, place: Place) -> Progress:
        """What a block had begun before its time was over is there, though the plan looks at it no more."""
        assert issubclass(task.kind, Flowable)
        task.kind.plan(task, place, msgspec.structs.replace(self, begun=self.state.begun_paths()))
        return super()._late(task, place)


def task_runs(flow: Flow, state: State) -> Mapping[str, TaskRun]:
    """Task runs by path, in the order of the plan; what would begin next is among them while the execution is open."""
    walk = _Walk(state=state, now=state.at, met={})
    main = walk.sequence(flow.tasks, _TOP)
    lists = [flow.errors] if main.failed else []
    for tasks in (*lists, flow.finally_) if main.state is not None else ():
        if walk.sequence(tasks, _TOP, go_on=True).state is None:
            break
    if state.settled is not None:
        walk.sequence(flow.after_execution, _TOP, go_on=True)
    return {run.path: run for run in _states(flow, state, walk.met)}


def _states(
    flow: Flow, state: State, met: Mapping[str, tuple[Task, Place, Progress | None]]
) -> Iterator[TaskRun]:
    over = state.terminal is not None or state.kill is not None or bool(state.exit_state)
    begun = state.begun_paths() if over else frozenset[str]()
    after = {task.id for task in flow.after_execution}
    for path, (task, place, progress) in met.items():
        reached = progress.state if progress is not None else None
        cut = over and (state.terminal is not None or top_task(path) not in after)
        if cut and state.exit_path and path != state.exit_path and below(state.exit_path, path):
            reached = state.exit_state
        if reached is None and cut:
            if path not in begun:
                continue
            reached = cut_short(state)
        if reached is None and any(place in state.expired for place in around(path)):
            reached = state.runs[path].state if path in state.runs else "FAILED"
        yield TaskRun(task=task, place=place, state=reached or _open(state, path, task))


def cut_short(state: State) -> str:
    """The state of a block that the execution's end found unfinished."""
    return state.exit_state or ("KILLED" if state.kill is not None else "FAILED")


def _open(state: State, path: str, task: Task) -> str:
    """The state of what has not ended."""
    run = state.runs.get(path)
    if run is not None and run.state not in FINISHED:
        return run.state
    if path in state.pauses:
        return "PAUSED"
    if path in state.children and path in state.returned:
        return "RETRYING"
    taken = state.branches.get(path)
    if taken is not None and taken.chosen == "again" and taken.not_before > state.at:
        return "PAUSED"
    return "RUNNING" if issubclass(task.kind, Flowable) and path not in state.runs else "CREATED"
