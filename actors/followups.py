"""What a finished execution starts: flows with a matching Flow trigger, and a failed flow's next try.

The id of what is started follows from the id of what ended, so that looking twice (after a crash between the end
and the start) starts it once.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

import msgspec

from hookledger.actors.errors import DeliveryRefused
from hookledger.actors.flows import FlowBook
from hookledger.actors.ids import derived_id
from hookledger.actors.reception import Delivery, First, Make, Reception
from hookledger.journal.events import ExecutionFailed
from hookledger.journal.index import ExecutionRow
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.state import State
from hookledger.runtime.triggers.after_flow import (
    CORRELATION,
    AfterFlowSettings,
    after_flow_variables,
    upstream_variables,
)

RETRY: Final = "retry"
"""What the id of a failed flow's next try is derived from, beside the failed one's."""


class FollowUp(NamedTuple):
    """An execution to start: its id, its flow, the trigger that wants it, and how to make its first event."""

    id: str
    flow: Flow
    trigger: str
    make: Make


class _FlowTrigger(NamedTuple):
    """A Flow trigger that is switched on, of a flow as it is now; `registered` is when that became so."""

    flow: Flow
    trigger: Trigger
    settings: AfterFlowSettings
    registered: int

    def matches(self, namespace: str, flow: str, state: str, labels: Mapping[str, str]) -> bool:
        """True when it starts its flow after an execution that ended so; no flow follows itself."""
        own = self.flow.name == f"{namespace}/{flow}"
        return not own and self.settings.matches(namespace, flow, state, labels)

    def following(self, execution_id: str) -> str:
        """The id of what it starts after an execution."""
        return derived_id(execution_id, f"{self.flow.name}/{self.trigger.id}")


class FollowUps:
    """Finds what comes after an execution."""

    def __init__(self, flows: FlowBook, reception: Reception) -> None:
        self._flows = flows
        self._reception = reception

    def expected(self) -> Callable[[ExecutionRow, int], Iterator[str]]:
        """How to tell, in any thread, the ids of what an execution starts: from its row, and when it ended."""
        triggers = list(self._triggers())

        def ids(row: ExecutionRow, at: int) -> Iterator[str]:
            if row.state == "RETRIED":
                yield derived_id(row.execution, RETRY)
            for one in triggers:
                if one.registered <= at and one.matches(row.namespace, row.flow, row.state, row.labels):
                    yield one.following(row.execution)

        return ids

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
        yield FollowUp(derived_id(execution_id, RETRY), flow, "", lambda: First(flow, following))

    def _triggered(
        self, execution_id: str, ended: Flow | None, state: State, at: int | None
    ) -> Iterator[FollowUp]:
        received = state.received
        assert received is not None
        causes = (*received.causes, f"{received.namespace}/{received.flow}")
        for one in self._triggers():
            if (at is None or one.registered <= at) and one.matches(
                received.namespace, received.flow, state.status, state.labels
            ):
                delivery = Delivery(
                    variables=after_flow_variables(execution_id, ended, state),
                    labels={CORRELATION: state.labels.get(CORRELATION, execution_id)},
                    upstream=upstream_variables(execution_id, ended, state),
                    source="",
                    causes=causes,
                )
                following = one.following(execution_id)
                make = partial(self._first, one.flow, one.trigger, delivery, following)
                yield FollowUp(following, one.flow, one.trigger.id, make)

    def _triggers(self) -> Iterator["_FlowTrigger"]:
        for revision in self._flows:
            flow = revision.flow
            if flow is None or flow.disabled:
                continue
            for trigger in flow.triggers:
                if isinstance(trigger.settings, AfterFlowSettings) and not trigger.disabled:
                    yield _FlowTrigger(flow, trigger, trigger.settings, revision.registered.at)

    def _first(self, flow: Flow, trigger: Trigger, delivery: Delivery, following: str) -> First:
        if flow.name in delivery.causes:
            line = " -> ".join((*delivery.causes, flow.name))
            raise DeliveryRefused(f"a Flow trigger starts no flow that led to it already: {line}")
        return self._reception.first(flow, trigger, delivery, following)
