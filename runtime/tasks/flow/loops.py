"""`flow.ForEach`, its older forms, and `flow.LoopUntil`: children again and again."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from hookledger.journal.events import BranchTaken
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


class _Each(Flowable, frozen=True, kw_only=True):
    """Once per distinct value: what the types have in common."""

    blocks: ClassVar[tuple[str, ...]] = ("tasks", "errors", "finally")
    limited_by: ClassVar[tuple[str, int]] = ("", 1)
    """The property that says how many values at a time (0 for all), and what holds without it."""

    def given(self) -> Any:
        """The rendered values."""
        raise NotImplementedError

    def choose(self, moment: Moment) -> Choice:
        return Choice(values=tuple(dict.fromkeys(value_text(value) for value in _listed(self.given()))))

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        taken = planner.branch(task, place)
        if taken is None:
            return Progress(commands=(TakeBranch(task=task, place=place),))
        values = taken.values or ()

        def parts(planner: Planner) -> Iterator[Progress]:
            for index, value in enumerate(values):
                inside = place.inside(task, value=value, iteration=index)
                yield planner.sequence(task.block("tasks"), inside)

        name, usual = cls.limited_by
        limit = task.setting(name)
        at_once = limit if isinstance(limit, int) else usual
        return planner.guarded(task, place, planner.together(parts, at_once=at_once))


class ForEach(_Each, frozen=True, kw_only=True):
    """`concurrencyLimit` values at a time (1: in order; 0: all); after a failure nothing new begins."""

    types: ClassVar[tuple[str, ...]] = ("io.kestra.plugin.core.flow.ForEach",)
    limited_by: ClassVar[tuple[str, int]] = ("concurrencyLimit", 1)

    values: Any
    concurrency_limit: Annotated[int, Meta(ge=0)] = 1

    def given(self) -> Any:
        return self.values


class EachSequential(_Each, frozen=True, kw_only=True):
    """The older form of a ForEach in order."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.EachSequential",
        "io.kestra.core.tasks.flows.EachSequential",
    )

    value: Any

    def given(self) -> Any:
        return self.value


class EachParallel(EachSequential, frozen=True, kw_only=True):
    """The older form of a ForEach without a limit."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.EachParallel",
        "io.kestra.core.tasks.flows.EachParallel",
    )
    limited_by: ClassVar[tuple[str, int]] = ("concurrent", 0)

    concurrent: Annotated[int, Meta(ge=0)] = 0


class CheckFrequency(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How often a LoopUntil looks, and when it gives up."""

    max_iterations: Annotated[int, Meta(ge=1)] | None = None
    max_duration: str | None = None
    interval: str = "PT1M"


class LoopUntil(Flowable, frozen=True, kw_only=True):
    """Children, then the condition; again after the interval until it is true."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.LoopUntil",
        "io.kestra.plugin.core.flow.WaitFor",
    )
    blocks: ClassVar[tuple[str, ...]] = ("tasks", "errors", "finally")
    first: ClassVar[Choice | None] = Choice(chosen="again", outputs={"iterationCount": 1})
    durations: ClassVar[tuple[str, ...]] = ("checkFrequency.interval", "checkFrequency.maxDuration")

    condition: str | bool | int | float | None
    fail_on_max_reached: bool = False
    check_frequency: CheckFrequency = CheckFrequency()

    def choose(self, moment: Moment) -> Choice:
        outputs = {"iterationCount": moment.round}
        if truthy(self.condition):
            return Choice(chosen="done", outputs=outputs)
        often = self.check_frequency
        interval = _duration(often.interval)
        late = often.max_duration is not None and moment.elapsed + interval > _duration(often.max_duration)
        if late or (often.max_iterations is not None and moment.round >= often.max_iterations):
            return Choice(chosen="failed" if self.fail_on_max_reached else "done", outputs=outputs)
        return Choice(chosen="again", outputs={"iterationCount": moment.round + 1}, delay=interval)

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        taken = planner.branch(task, place)
        if taken is None:
            return Progress(commands=(TakeBranch(task=task, place=place),))
        if taken.chosen != "again":
            return planner.guarded(task, place, _last(task, place, planner, taken))
        if planner.now < taken.not_before and planner.begun is None:
            wait = AwaitTime(path=place.path(task), due=taken.not_before, reason="loop")
            return Progress(commands=(wait,))
        body = planner.sequence(task.block("tasks"), place.inside(task, iteration=taken.round))
        if body.state is None or body.failed:
            return planner.guarded(task, place, body)
        return Progress(commands=(TakeBranch(task=task, place=place, round=taken.round + 1),))


def _last(task: Task, place: Place, planner: Planner, taken: BranchTaken) -> Progress:
    """A loop that gave up has failed; one that is done is what its last round was."""
    if taken.chosen == "failed":
        return ended("FAILED", place.path(task))
    return planner.sequence(task.block("tasks"), place.inside(task, iteration=taken.round - 1))


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
    if isinstance(values, dict):
        raise TaskFailed(
            "values must be a list, not a map; the filter `keys` lists its keys", kind="InvalidValues"
        )
    if not isinstance(values, list):
        raise TaskFailed(
            f"values must be a list or the JSON text of one, not `{values}`", kind="InvalidValues"
        )
    return values


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise TaskFailed(str(error), kind="InvalidProperty") from None
