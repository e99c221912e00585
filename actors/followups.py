"""What a finished execution starts: flows with a matching Flow trigger, and a failed flow's next try.

The id of what is started follows from the id of what ended, so that looking twice (after a crash between the end
and the start) starts it once.
"""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import msgspec

from hookledger.actors.errors import DeliveryRefused
from hookledger.actors.flows import FlowBook
from hookledger.actors.ids import derived_id
from hookledger.actors.reception import Delivery, First, Make, Reception
from hookledger.journal.events import ExecutionFailed
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.state import State
from hookledger.runtime.triggers.after_flow import (
    CORRELATION,
    AfterFlowSettings,
    after_flow_variables,
    upstream_variables,
)


class FollowUp(NamedTuple):
    """An execution to start: its id, its flow, the trigger that wants it, and how to make its first event."""

    id: str
    flow: Flow
    trigger: str
    make: Make


class FollowUps:
    """Finds what comes after an execution."""

    def __init__(self, flows: FlowBook, reception: Reception) -> None:
        self._flows = flows
        self._reception = reception

    @property
    def triggered(self) -> bool:
        """True when some flow has a Flow trigger."""
        flows = (revision.flow for revision in self._flows if revision.flow is not None)
        return any(
            isinstance(trigger.settings, AfterFlowSettings) for flow in flows for trigger in flow.triggers
        )

    def of(
        self, execution_id: str, flow: Flow | None, state: State, at: int | None = None
    ) -> Iterator[FollowUp]:
        """Yield each execution to start.

        Args:
            at: When it ended, if that is long ago: flows that were not there yet are not meant.
        """
        if flow is not None and state.status == "RETRIED":
            yield from self._next_try(execution_id, flow, state)
        yield from self._triggered(execution_id, flow, state, at)

    def _next_try(self, execution_id: str, flow: Flow, state: State) -> Iterator[FollowUp]:
        received, terminal = state.received, state.terminal
        assert received is not None
        assert isinstance(terminal, ExecutionFailed)
        following = msgspec.structs.replace(
            received,
            at=state.at,
            attempt=received.attempt + 1,
            original=received.original or execution_id,
            retry_of=execution_id,
            not_before=terminal.retry_at,
            labels={**received.labels, "system.replay": "true"},
            seed=hashlib.sha256(received.seed.encode()).hexdigest()[:32],
            # The delivery and its key stay those of the execution that it began.
            delivery="",
            deduplication="",
            deduplication_until=0,
            fingerprint="",
        )
        yield FollowUp(derived_id(execution_id, "retry"), flow, "", lambda: First(flow, following))

    def _triggered(
        self, execution_id: str, ended: Flow | None, state: State, at: int | None
    ) -> Iterator[FollowUp]:
        received = state.received
        assert received is not None
        causes = (*received.causes, f"{received.namespace}/{received.flow}")
        for revision in self._flows:
            flow = revision.flow
            if at is not None and revision.registered.at > at:
                continue
            if flow is None or flow.disabled or flow.name == f"{received.namespace}/{received.flow}":
                continue
            for trigger in flow.triggers:
                if (
                    isinstance(trigger.settings, AfterFlowSettings)
                    and not trigger.disabled
                    and trigger.settings.matches(state)
                ):
                    delivery = Delivery(
                        variables=after_flow_variables(execution_id, ended, state),
                        labels={CORRELATION: state.labels.get(CORRELATION, execution_id)},
                        upstream=upstream_variables(execution_id, ended, state),
                        source="",
                        causes=causes,
                    )
                    following = derived_id(execution_id, f"{flow.name}/{trigger.id}")
                    make = partial(self._first, flow, trigger, delivery, following)
                    yield FollowUp(following, flow, trigger.id, make)

    def _first(self, flow: Flow, trigger: Trigger, delivery: Delivery, following: str) -> First:
        if flow.name in delivery.causes:
            line = " -> ".join((*delivery.causes, flow.name))
            raise DeliveryRefused(f"a Flow trigger starts no flow that led to it already: {line}")
        return self._reception.first(flow, trigger, delivery, following)
