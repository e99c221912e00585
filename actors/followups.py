"""What a finished execution starts: flows with a matching Flow trigger, and a failed flow's next try.

The id of what is started follows from the id of what ended, so that looking twice (after a crash between the end
and the start) starts it once.
"""

import hashlib
import logging
from collections.abc import Iterator

import msgspec

from hookledger.actors.errors import DeliveryRefused, FlowUnusable
from hookledger.actors.flows import FlowBook
from hookledger.actors.ids import derived_id
from hookledger.actors.reception import Delivery, Reception
from hookledger.journal.events import ExecutionFailed, TriggerReceived
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.state import State
from hookledger.runtime.triggers.after_flow import (
    CORRELATION,
    AfterFlowSettings,
    after_flow_variables,
    upstream_variables,
)

logger = logging.getLogger("hookledger.actors")


class FollowUps:
    """Finds what comes after an execution."""

    def __init__(self, flows: FlowBook, reception: Reception) -> None:
        self._flows = flows
        self._reception = reception

    def of(
        self, execution_id: str, flow: Flow | None, state: State
    ) -> Iterator[tuple[str, Flow, TriggerReceived]]:
        """Yield id, flow and first event of each execution to start."""
        if flow is not None and state.status == "RETRIED":
            yield from self._next_try(execution_id, flow, state)
        yield from self._triggered(execution_id, flow, state)

    def _next_try(
        self, execution_id: str, flow: Flow, state: State
    ) -> Iterator[tuple[str, Flow, TriggerReceived]]:
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
        yield derived_id(execution_id, "retry"), flow, following

    def _triggered(
        self, execution_id: str, ended: Flow | None, state: State
    ) -> Iterator[tuple[str, Flow, TriggerReceived]]:
        received = state.received
        assert received is not None
        for revision in self._flows:
            flow = revision.flow
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
                    )
                    following = derived_id(execution_id, f"{flow.name}/{trigger.id}")
                    try:
                        _, first = self._reception.receive(flow, trigger, delivery, execution_id=following)
                    except (DeliveryRefused, FlowUnusable) as error:
                        if not getattr(error, "unmet", False):
                            logger.warning("%s did not start %s: %s", execution_id, flow.name, error)
                        continue
                    yield following, flow, first
