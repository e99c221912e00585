"""The Flow trigger: a finished execution starts another."""

from typing import Any, ClassVar

import msgspec

from hookledger.runtime.flow.fields import Collector
from hookledger.runtime.flow.problems import Path
from hookledger.runtime.state import State
from hookledger.runtime.variables import TENANT

ENDED = ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED")


class Upstream(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which executions count."""

    namespace: str | None = None
    flow_id: str | None = None
    states: list[str] = msgspec.field(default_factory=list)
    labels: dict[str, str] = msgspec.field(default_factory=dict)

    def matches(self, state: State) -> bool:
        """True for an ended execution of this kind."""
        received = state.received
        assert received is not None
        return (
            self.namespace in (None, received.namespace)
            and self.flow_id in (None, received.flow)
            and state.status in (self.states or ENDED)
            and all(state.labels.get(name) == value for name, value in self.labels.items())
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

    def matches(self, state: State) -> bool:
        """True when the ended execution starts this trigger's flow."""
        return any(upstream.matches(state) for upstream in self.upstream)


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


def after_flow_variables(execution_id: str, state: State) -> dict[str, Any]:
    """What the started flow sees as `trigger`."""
    received = state.received
    assert received is not None
    return {
        "executionId": execution_id,
        "tenantId": TENANT,
        "namespace": received.namespace,
        "flowId": received.flow,
        "flowRevision": received.revision,
        "state": state.status,
        "outputs": dict(state.outputs),
    }
