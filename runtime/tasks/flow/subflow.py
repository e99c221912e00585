"""`flow.Subflow`: another execution, waited for or not."""

from typing import Any, ClassVar

import msgspec

from hookledger.runtime.flow.model import Task
from hookledger.runtime.plan import AwaitEvent, Flowable, Place, Planner, Progress, StartChild, ended


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
        if not started.wait:
            return ended("SUCCESS")
        returned = planner.state.returned.get(path)
        if returned is None:
            return Progress(commands=(AwaitEvent(path=path, reason="child"),))
        if planner.state.kill is not None and returned.state == "KILLED":
            return ended("KILLED", path)
        return _transmitted(path, returned.state, started.transmit_failed)


def _transmitted(path: str, state: str, transmit_failed: bool) -> Progress:
    if state in ("FAILED", "KILLED", "CANCELLED", "RETRIED"):
        return ended("FAILED", path) if transmit_failed else ended("SUCCESS")
    return ended("WARNING" if state == "WARNING" and transmit_failed else "SUCCESS")
