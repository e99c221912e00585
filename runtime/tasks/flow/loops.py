"""`flow.ForEach` and `flow.LoopUntil`: children again and again."""

import json
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from hookledger.runtime.durations import DurationInvalid, parse_duration
from hookledger.runtime.expressions import truthy
from hookledger.runtime.flow.model import Task
from hookledger.runtime.plan import (
    AwaitTime,
    Choice,
    Flowable,
    Moment,
    Place,
    Planner,
    Progress,
    TakeBranch,
    ended,
)
from hookledger.runtime.tasks.base import TaskFailed


class ForEach(Flowable, frozen=True, kw_only=True):
    """Once per distinct value, `concurrencyLimit` at a time (1: in order, a failure stops the rest; 0: all)."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.ForEach",
        "io.kestra.plugin.core.flow.EachSequential",
        "io.kestra.core.tasks.flows.EachSequential",
    )
    blocks: ClassVar[tuple[str, ...]] = ("tasks", "errors", "finally")

    values: Any
    concurrency_limit: Annotated[int, Meta(ge=0)] = 1

    def choose(self, moment: Moment) -> Choice:
        return Choice(values=tuple(dict.fromkeys(value_text(value) for value in _listed(self.values))))

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        taken = planner.branch(task, place)
        if taken is None:
            return Progress(commands=(TakeBranch(task=task, place=place),))
        limit = task.setting("concurrencyLimit")
        parts = (
            planner.sequence(task.block("tasks"), place.inside(task, value=value, iteration=index))
            for index, value in enumerate(taken.values or ())
        )
        at_once = limit if isinstance(limit, int) else 1
        body = planner.together(parts, at_once=at_once, stop_at_failure=at_once == 1)
        return planner.guarded(task, place, body)


class EachParallel(ForEach, frozen=True, kw_only=True):
    """The older name of a ForEach without a limit."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.EachParallel",
        "io.kestra.core.tasks.flows.EachParallel",
    )

    concurrent: Annotated[int, Meta(ge=0)] = 0

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        taken = planner.branch(task, place)
        if taken is None:
            return Progress(commands=(TakeBranch(task=task, place=place),))
        limit = task.setting("concurrent")
        parts = (
            planner.sequence(task.block("tasks"), place.inside(task, value=value, iteration=index))
            for index, value in enumerate(taken.values or ())
        )
        return planner.guarded(
            task, place, planner.together(parts, at_once=limit if isinstance(limit, int) else 0)
        )


class CheckFrequency(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How often a LoopUntil looks, and when it gives up."""

    max_iterations: Annotated[int, Meta(ge=1)] = 100
    max_duration: str = "PT1H"
    interval: str = "PT1S"


class LoopUntil(Flowable, frozen=True, kw_only=True):
    """Children, then the condition; again after the interval until it is true."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.LoopUntil",
        "io.kestra.plugin.core.flow.WaitFor",
    )
    blocks: ClassVar[tuple[str, ...]] = ("tasks", "errors", "finally")
    body_first: ClassVar[bool] = True

    condition: str | bool | int | float | None
    fail_on_max_reached: bool = False
    check_frequency: CheckFrequency = CheckFrequency()

    def choose(self, moment: Moment) -> Choice:
        outputs = {"iterationCount": moment.round}
        if truthy(None if self.condition is None else str(self.condition).lower()):
            return Choice(chosen="done", outputs=outputs)
        often = self.check_frequency
        interval = _duration(often.interval)
        exhausted = moment.elapsed + interval > _duration(often.max_duration)
        if moment.round >= often.max_iterations or exhausted:
            return Choice(chosen="failed" if self.fail_on_max_reached else "done", outputs=outputs)
        return Choice(chosen="again", outputs=outputs, delay=interval)

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        taken = planner.branch(task, place)
        if taken is not None and taken.chosen != "again":
            body = ended("FAILED", place.path(task)) if taken.chosen == "failed" else ended("SUCCESS")
            return planner.guarded(task, place, body)
        if taken is not None and planner.now < taken.not_before:
            wait = AwaitTime(path=place.path(task), due=taken.not_before, reason="loop")
            return Progress(commands=(wait,))
        done = taken.round if taken is not None else 0
        body = planner.sequence(task.block("tasks"), place.inside(task, iteration=done))
        if body.state is None or body.failed:
            return planner.guarded(task, place, body)
        return Progress(commands=(TakeBranch(task=task, place=place, round=done + 1),))


def value_text(value: Any) -> str:
    """A loop's value as `taskrun.value` shows it: text as it is, anything else as compact JSON."""
    if value is None:
        raise TaskFailed("the values of a loop may not be null", kind="InvalidValues")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _listed(values: Any) -> list[Any]:
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except ValueError as error:
            raise TaskFailed(
                f"values must be a list or the JSON text of one: {error}", kind="InvalidValues"
            ) from None
    if not isinstance(values, list):
        raise TaskFailed(f"values must be a list, not {type(values).__name__}", kind="InvalidValues")
    return values


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise TaskFailed(str(error), kind="InvalidProperty") from None
