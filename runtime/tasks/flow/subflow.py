"""`flow.Subflow`: another execution, waited for or not."""

from typing import Any, ClassVar

import msgspec

from hookledger.journal.events import ChildReturned, ChildStarted
from hookledger.runtime.flow.model import Task
from hookledger.runtime.plan import (
    AwaitEvent,
    AwaitTime,
    Flowable,
    Place,
    Planner,
    Progress,
    StartChild,
    ended,
)
from hookledger.runtime.retrying import next_attempt


class Subflow(Flowable, frozen=True, kw_only=True):
    """Starts a flow. Its outputs are `executionId` and, when it was waited for, `state` and `outputs`."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.flow.Subflow",
        "io.kestra.core.tasks.flows.Subflow",
        "io.kestra.core.tasks.flows.Flow",
    )

    namespace: str
    flow_id: str
    revision: int | None = None
    inputs: dict[str, Any] = msgspec.field(default_factory=dict)
    labels: dict[str, Any] | list[dict[str, Any]] = msgspec.field(default_factory=dict)
    wait: bool = True
    transmit_failed: bool = True
    inherit_labels: bool = False

    def label_map(self) -> dict[str, str]:
        """Labels as a map, whichever form the author chose."""
        pairs = (
            self.labels.items()
            if isinstance(self.labels, dict)
            else ((item.get("key"), item.get("value")) for item in self.labels)
        )
        return {str(name): str(value) for name, value in pairs}

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        path = place.path(task)
        taken = planner.branch(task, place)
        started = planner.state.children.get(path)
        if taken is not None and taken.error is not None:
            return ended("FAILED", path)
        if started is None:
            return Progress(commands=(StartChild(task=task, place=place),))
        returned = planner.state.returned.get(path)
        if returned is not None and returned.error is not None:
            return ended("FAILED", path)
        if not started.wait:
            return ended("SUCCESS")
        if returned is None:
            return Progress(commands=(AwaitEvent(path=path, reason="child"),))
        if planner.state.kill is not None and returned.state == "KILLED":
            return ended("KILLED", path)
        return _again(task, place, planner, started, returned) or _ended(task, started, returned)


def _again(
    task: Task, place: Place, planner: Planner, started: ChildStarted, returned: ChildReturned
) -> Progress | None:
    """A child that failed is followed by a new one where a retry says so."""
    received = planner.state.received
    if returned.state != "FAILED" or not started.transmit_failed or received is None:
        return None
    first, seed = started.since or started.at, f"{received.seed}:{started.path}"
    due = next_attempt(task.retry, started.attempt, first=first, now=returned.at, seed=seed)
    if not due:
        return None
    if planner.now < due:
        return Progress(commands=(AwaitTime(path=started.path, due=due, reason="retry"),))
    return Progress(commands=(StartChild(task=task, place=place, attempt=started.attempt + 1, since=first),))


def _ended(task: Task, started: ChildStarted, returned: ChildReturned) -> Progress:
    if returned.state in ("FAILED", "KILLED", "CANCELLED", "RETRIED"):
        return ended("FAILED", started.path) if started.transmit_failed else ended("SUCCESS")
    late = task.retry is not None and task.retry.warning_on_retry and started.attempt > 1
    warned = late or (returned.state == "WARNING" and started.transmit_failed)
    return ended("WARNING" if warned else "SUCCESS")
