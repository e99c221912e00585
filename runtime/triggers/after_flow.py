"""The Flow trigger: a finished execution starts another."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from hookledger.runtime.flow.fields import Collector
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.problems import Path
from hookledger.runtime.state import State, top_task
from hookledger.runtime.taskruns import task_runs
from hookledger.runtime.variables import TENANT, iso_time, nested_labels, outputs

CORRELATION = "system.correlationId"

ENDED = ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED")


class Upstream(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which executions count."""

    namespace: str | None = None
    flow_id: str | None = None
    states: list[str] = msgspec.field(default_factory=list)
    labels: dict[str, str] = msgspec.field(default_factory=dict)

    def matches(self, namespace: str, flow: str, state: str, labels: Mapping[str, str]) -> bool:
        """True for an ended execution of this kind."""
        return (
            self.namespace in (None, namespace)
            and self.flow_id in (None, flow)
            and state in (self.states or ENDED)
            and all(labels.get(name) == value for name, value in self.labels.items())
        )


class Preconditions(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Kestra's form; one upstream flow."""

    flows: list[Upstream]
    id: str = ""


class AfterFlowSource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an author may write for a Flow trigger."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.trigger.Flow",
        "io.kestra.core.models.triggers.types.Flow",
    )

    states: list[str] = msgspec.field(default_factory=list)
    preconditions: Preconditions | None = None


class AfterFlowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A checked Flow trigger: any of these."""

    upstream: tuple[Upstream, ...]

    def matches(self, namespace: str, flow: str, state: str, labels: Mapping[str, str]) -> bool:
        """True when an execution that ended so starts this trigger's flow."""
        return any(upstream.matches(namespace, flow, state, labels) for upstream in self.upstream)


def read_after_flow(data: dict[str, Any], path: Path, found: Collector) -> AfterFlowSettings | None:
    """Check the states and bring both forms into one."""
    states = list(data.get("states") or ())
    flows = (data.get("preconditions") or {}).get("flows") or []
    if len(flows) > 1:
        message = "one upstream flow a trigger; write a trigger for each, or let one flow call the others"
        found.add((*path, "preconditions", "flows"), message)
    upstream = [msgspec.convert({"states": states, **flow}, Upstream) for flow in flows or [{}]]
    for state in {state for one in upstream for state in one.states} - set(ENDED):
        found.add(path, f"`{state}` is no state an execution ends in; those are {', '.join(ENDED)}")
        return None
    return AfterFlowSettings(upstream=tuple(upstream))


def after_flow_variables(execution_id: str, flow: Flow | None, state: State) -> dict[str, Any]:
    """What the started flow sees as `trigger`.

    Args:
        flow: Of the ended execution; without it nothing is said about its last and its failed task.
    """
    received = state.received
    assert received is not None
    labels = {name: value for name, value in state.labels.items() if name != CORRELATION}
    found = {
        "executionId": execution_id,
        "executionLabels": nested_labels(labels),
        "state": state.status,
        "startDate": iso_time(received.at),
        "endDate": iso_time(state.at),
        "namespace": received.namespace,
        "flowId": received.flow,
        "flowRevision": state.revision,
        "outputs": dict(state.outputs),
    }
    after = {task.id for task in flow.after_execution} if flow is not None else set[str]()
    runs = task_runs(flow, state).values() if flow is not None else ()
    own = [run for run in runs if top_task(run.path) not in after]
    failed = next((run.task.id for run in own if run.state == "FAILED"), None)
    if own:
        found["lastTaskId"] = own[-1].task.id
    return found if failed is None else {**found, "firstFailedTaskId": failed}


def upstream_variables(execution_id: str, flow: Flow | None, state: State) -> dict[str, Any]:
    """What a Flow trigger's `when` sees beside `trigger`: the execution that has ended."""
    received = state.received
    assert received is not None
    runs = task_runs(flow, state).values() if flow is not None else ()
    return {
        "labels": nested_labels(state.labels),
        "flow": {
            "id": received.flow,
            "namespace": received.namespace,
            "revision": state.revision,
            "tenantId": TENANT,
        },
        "execution": {
            "id": execution_id,
            "state": state.status,
            "startDate": iso_time(received.at),
            "outputs": dict(state.outputs),
        },
        "outputs": outputs(state, runs),
    }
