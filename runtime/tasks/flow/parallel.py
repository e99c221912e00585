"""`flow.Parallel` and `flow.Dag`: children side by side."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta

from hookledger.runtime.flow.model import Task
from hookledger.runtime.plan import Flowable, Place, Planner, Progress


def at_once(task: Task) -> int:
    """The author's `concurrent`: how many children may be under way at a time; 0 for all."""
    value = task.setting("concurrent")
    return value if isinstance(value, int) else 0


class Parallel(Flowable, frozen=True, kw_only=True):
    """All children at once, or `concurrent` at a time; after a failure what runs goes on and nothing new begins."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.Parallel",
        "io.kestra.core.tasks.flows.Parallel",
    )
    blocks: ClassVar[tuple[str, ...]] = ("tasks", "errors", "finally")

    concurrent: Annotated[int, Meta(ge=0)] = 0

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        parts = partial(_children, task, place.inside(task))
        return planner.guarded(task, place, planner.together(parts, at_once=at_once(task)))


class Dag(Flowable, frozen=True, kw_only=True):
    """Each child begins when those it depends on have ended well; after a failure nothing new begins."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.Dag",
        "io.kestra.core.tasks.flows.Dag",
    )
    blocks: ClassVar[tuple[str, ...]] = ("tasks", "errors", "finally")
    wrapped: ClassVar[tuple[str, ...]] = ("tasks",)

    concurrent: Annotated[int, Meta(ge=0)] = 0

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        parts = partial(_dag_parts, task, place.inside(task))
        return planner.guarded(task, place, planner.together(parts, at_once=at_once(task)))


def _children(task: Task, inside: Place, planner: Planner) -> Iterator[Progress]:
    return (planner.progress(child, inside) for child in task.block("tasks"))


def _dag_parts(task: Task, inside: Place, planner: Planner) -> Iterator[Progress]:
    """Children in an order in which dependencies come first; one that cannot begin yet yields nothing.

    A disabled child is not part of the plan: nobody waits for it.
    """
    reached: dict[str, str | None] = {}
    waiting = list(task.block("tasks"))
    present = {child.id for child in waiting}
    while waiting:
        ready = [
            child
            for child in waiting
            if all(name in reached for name in child.dependencies if name in present)
        ]
        if not ready:
            return
        for child in ready:
            waiting.remove(child)
            states = [reached[name] for name in child.dependencies if name in present]
            if None in states:
                reached[child.id] = None
            elif any(state in ("FAILED", "KILLED") for state in states):
                reached[child.id] = "FAILED"
            else:
                part = planner.progress(child, inside)
                reached[child.id] = part.state
                yield part
