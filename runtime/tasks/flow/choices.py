"""`flow.If` and `flow.Switch`: one of several branches."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from hookledger.runtime.expressions import truthy
from hookledger.runtime.flow.model import Task
from hookledger.runtime.plan import Choice, Flowable, Moment, Place, Planner, Progress, TakeBranch, ended
from hookledger.runtime.tasks.base import TaskFailed


class If(Flowable, frozen=True, kw_only=True):
    """`then` if the rendered condition is neither empty nor `false` nor `0`, otherwise `else`."""

    types: ClassVar[tuple[str, ...]] = ("io.kestra.plugin.core.flow.If", "io.kestra.core.tasks.flows.If")
    blocks: ClassVar[tuple[str, ...]] = ("then", "else", "errors", "finally")

    condition: str | bool | int | float | None

    def choose(self, moment: Moment) -> Choice:
        met = truthy(self.condition)
        return Choice(chosen="then" if met else "else", outputs={"evaluationResult": met})

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        taken = planner.branch(task, place)
        if taken is None:
            return Progress(commands=(TakeBranch(task=task, place=place),))
        branch = task.block(taken.chosen)
        if not branch:
            return ended("SUCCESS")  # nothing was begun, so there is nothing to clean up
        return planner.guarded(task, place, planner.sequence(branch, place.inside(task)))


class Switch(Flowable, frozen=True, kw_only=True):
    """The case whose name equals the rendered value, otherwise `defaults`."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.Switch",
        "io.kestra.core.tasks.flows.Switch",
    )
    blocks: ClassVar[tuple[str, ...]] = ("cases.*", "defaults", "errors", "finally")

    value: str | bool | int | float | None
    branches: list[str] = msgspec.field(default_factory=list)
    """The blocks there are, `cases.x` and `defaults`; follows from the author's blocks."""

    @classmethod
    def derived(cls, blocks: Mapping[str, Any]) -> dict[str, Any]:
        return {"branches": list(blocks)}

    def choose(self, moment: Moment) -> Choice:
        value = _text(self.value) or ""
        if f"cases.{value}" in self.branches:
            return Choice(chosen=f"cases.{value}", outputs={"value": value, "defaults": False})
        if "defaults" in self.branches:
            return Choice(chosen="defaults", outputs={"value": value, "defaults": True})
        cases = ", ".join(name[6:] for name in self.branches if name.startswith("cases.")) or "none"
        message = f"no case for `{value}` and no `defaults`; cases: {cases}"
        raise TaskFailed(message, kind="NoCase", outputs={"value": value, "defaults": True})

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        taken = planner.branch(task, place)
        if taken is None:
            return Progress(commands=(TakeBranch(task=task, place=place),))
        body = planner.sequence(task.block(taken.chosen), place.inside(task))
        return planner.guarded(task, place, body)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
