"""`flow.Pause` and `flow.Sleep`: waits that survive a restart and hold no task while they last."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import msgspec

from hookledger.runtime.durations import DurationInvalid, parse_duration
from hookledger.runtime.flow.fields import has_expression
from hookledger.runtime.flow.inputs import parse_inputs
from hookledger.runtime.flow.model import Task
from hookledger.runtime.flow.problems import Problem
from hookledger.runtime.plan import (
    AwaitEvent,
    AwaitTime,
    BeginWait,
    EndWait,
    FireTimer,
    Flowable,
    Place,
    Planner,
    Progress,
    Wait,
    ended,
)
from hookledger.runtime.tasks.base import TaskFailed


class Sleep(Flowable, frozen=True, kw_only=True):
    """Go on after the duration."""

    types: ClassVar[tuple[str, ...]] = ("io.kestra.plugin.core.flow.Sleep",)
    durations: ClassVar[tuple[str, ...]] = ("duration",)

    duration: str

    def waiting(self) -> Wait:
        return Wait(timer=True, duration=duration_of(self.duration))

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        path = place.path(task)
        due = planner.state.timers.get(path)
        if path in planner.state.fired:
            return ended("SUCCESS")
        if due is None:
            return Progress(commands=(BeginWait(task=task, place=place),))
        if planner.now >= due:
            return Progress(commands=(FireTimer(path=path, due=due),))
        return Progress(commands=(AwaitTime(path=path, due=due, reason="sleep"),))


class Pause(Flowable, frozen=True, kw_only=True):
    """Go on when a person says so, or by itself after `delay`; then the child tasks, if there are any."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.Pause",
        "io.kestra.core.tasks.flows.Pause",
    )
    durations: ClassVar[tuple[str, ...]] = ("delay", "pauseDuration")
    blocks: ClassVar[tuple[str, ...]] = ("onPause", "tasks", "errors", "finally")
    single: ClassVar[tuple[str, ...]] = ("onPause",)

    delay: str | None = None
    pause_duration: str | None = None
    behavior: Literal["RESUME", "WARN", "FAIL", "CANCEL"] = "RESUME"
    """What happens when the time is over without a person."""
    on_resume: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """Inputs the person is asked for; their values become `outputs.<task>.onResume`."""

    @classmethod
    def problems(cls, data: Mapping[str, Any]) -> Iterable[Problem]:
        asked = data.get("onResume")
        return () if has_expression(asked) else parse_inputs(asked, path=("onResume",))[1]

    def waiting(self) -> Wait:
        text = self.delay if self.pause_duration is None else self.pause_duration
        return Wait(
            timer=False,
            duration=None if text is None else duration_of(text),
            expiry=self.behavior.lower(),
            on_resume=tuple(self.on_resume),
        )

    @classmethod
    def bounded(cls, task: Task) -> bool:
        return task.timeout is not None and not {"pauseDuration", "delay"} & _names(task)

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        path = place.path(task)
        pause = planner.state.pauses.get(path)
        resumed = planner.state.resumed.get(path)
        if pause is None and resumed is None:
            return Progress(commands=(BeginWait(task=task, place=place),))
        beside = planner.sequence(task.block("onPause"), place.inside(task), go_on=True)
        if pause is not None:
            waiting = _paused(path, pause.until, planner.now)
            return msgspec.structs.replace(waiting, commands=(*beside.commands, *waiting.commands))
        if beside.state is None:
            return beside
        assert resumed is not None
        if resumed.choice == "fail":
            return planner.guarded(task, place, ended("FAILED", path))
        if resumed.choice == "cancel":
            return ended("CANCELLED")
        body = planner.guarded(task, place, planner.sequence(task.block("tasks"), place.inside(task)))
        return ended("WARNING") if resumed.choice == "warn" and body.state == "SUCCESS" else body


def _names(task: Task) -> set[str]:
    return set(task.properties) if isinstance(task.properties, Mapping) else set()


def _paused(path: str, until: int, now: int) -> Progress:
    if not until:
        return Progress(commands=(AwaitEvent(path=path, reason="operator"),))
    if now >= until:
        return Progress(commands=(EndWait(path=path),))
    return Progress(commands=(AwaitTime(path=path, due=until, reason="pause"),))


def duration_of(text: str) -> int:
    """Microseconds.

    Raises:
        TaskFailed: It is no duration.
    """
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise TaskFailed(str(error), kind="InvalidProperty") from None
