"""`flow.Sequential` and `flow.AllowFailure`: children one after the other."""

from typing import ClassVar

from hookledger.runtime.flow.model import Task
from hookledger.runtime.plan import Flowable, Place, Planner, Progress


class Sequential(Flowable, frozen=True, kw_only=True):
    """The first failure stops the rest."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.Sequential",
        "io.kestra.core.tasks.flows.Sequential",
    )
    blocks: ClassVar[tuple[str, ...]] = ("tasks", "errors", "finally")

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        body = planner.sequence(task.block("tasks"), place.inside(task))
        return planner.guarded(task, place, body)


class AllowFailure(Flowable, frozen=True, kw_only=True):
    """As Sequential, but a failed child only makes it a warning; the flow's own `errors` do not run."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.AllowFailure",
        "io.kestra.core.tasks.flows.AllowFailure",
    )
    blocks: ClassVar[tuple[str, ...]] = ("tasks", "errors", "finally")
    lenient: ClassVar[bool] = True

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        return planner.guarded(task, place, planner.sequence(task.block("tasks"), place.inside(task)))
