"""From a delivery to a TriggerReceived: what a trigger's own rules say before an execution exists."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from hookledger.actors.answering import at_once
from hookledger.actors.errors import DeliveryRefused, FlowUnusable
from hookledger.actors.ids import new_id
from hookledger.actors.ports import Ports
from hookledger.actors.rendering import Renderer
from hookledger.journal.events import Failure, TriggerReceived
from hookledger.runtime.flow.conditions import holds
from hookledger.runtime.flow.inputs import Examined, InputsInvalid, examine_inputs, resolve_inputs
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.flow.rendering import Render, RenderFailed
from hookledger.runtime.flow.templates import compile_tree
from hookledger.runtime.masking import Masker
from hookledger.runtime.secret_inputs import NONCE_BYTES, changed, context_of, looked_up, secret_ids
from hookledger.runtime.state import State, fold
from hookledger.runtime.triggers.webhook import WebhookSettings
from hookledger.runtime.variables import Scope

CAUSES_MAX: Final = 50
"""Executions that may lead to one another, by subflows and Flow triggers."""
CORRELATION_CHARS_MAX: Final = 256
"""A label is for lists and look-ups; what a sender puts into it may be as long as his headers."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a webhook, or what another kind of trigger has to say. Plain values only."""

    id: str = ""
    method: str = ""
    path: str = ""
    """Raw path without the key."""
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Already free of credentials."""
    body: bytes = b""
    body_sha256: str = ""
    body_bytes: int = 0
    body_uri: str = ""
    stored_sha256: str = ""
    raw_body: bool = False
    charset: str = ""
    remote: str = ""
    variables: Mapping[str, Any] = {}
    inputs: Mapping[str, Any] = {}
    labels: Mapping[str, str] = {}
    deduplication: str = ""
    deduplication_until: int = 0
    fingerprint: str = ""
    replay_of: str = ""
    original: str = ""
    """The execution that this one runs again, or the first of a row of such."""
    public_url: str = ""
    verification: Mapping[str, Any] = {}
    traceparent: str = ""
    parent: str = ""
    parent_path: str = ""
    causes: tuple[str, ...] = ()
    """Flows whose executions led here."""
    upstream: Mapping[str, Any] = {}
    """What the trigger's conditions see beside its own variables."""
    source: str = "trigger"
    """What the label `system.from` says; empty for no such label."""


class First(NamedTuple):
    """What begins an execution: its flow, its first event, and why it has failed already, if it has."""

    flow: Flow
    received: TriggerReceived
    failure: Failure | None = None


Make: TypeAlias = Callable[[], First]


class Reception:
    """Turns deliveries into first events."""

    def __init__(self, ports: Ports, partition: int = 0) -> None:
        self._ports = ports
        self._partition = partition

    def receive(
        self,
        flow: Flow,
        trigger: Trigger | None,
        delivery: Delivery,
        *,
        wait: bool = False,
        return_outputs: bool = False,
        response_content_type: str = "",
        execution_id: str = "",
    ) -> tuple[str, TriggerReceived]:
        """Return the execution's id (a fresh one unless it is given) and its first event.

        Raises:
            FlowUnusable: The flow or the trigger is disabled.
            DeliveryRefused: A condition is not met, or inputs cannot be rendered or are invalid.
        """
        self._check_usable(flow, trigger, delivery)
        execution_id = execution_id or self._fresh_id()
        candidate = msgspec.structs.replace(
            self._candidate(flow, trigger, delivery),
            wait=wait,
            return_outputs=return_outputs,
            response_content_type=response_content_type,
        )
        admitted = self._admitted(flow, trigger, delivery, execution_id, candidate)
        return execution_id, admitted

    def examine_inputs(self, flow: Flow, delivery: Delivery) -> list[Examined]:
        """Say of every input what a start by hand would make of it, or what is wrong with it.

        Raises:
            FlowUnusable: The flow is disabled.
        """
        self._check_usable(flow, None, delivery)
        candidate = self._candidate(flow, None, delivery)
        renderer = Renderer(Scope(flow, self._fresh_id(), candidate), self._ports, Masker())
        render = _rendering(renderer, fold(State(), candidate))
        return examine_inputs(flow.inputs, delivery.inputs, render=render)

    def _fresh_id(self) -> str:
        return new_id(self._ports.clock, self._ports.entropy, self._partition)

    @staticmethod
    def _check_usable(flow: Flow, trigger: Trigger | None, delivery: Delivery) -> None:
        if flow.disabled:
            raise FlowUnusable(f"the flow {flow.name} is disabled")
        if trigger is not None and trigger.disabled:
            raise FlowUnusable(f"the trigger {trigger.id} of {flow.name} is disabled")
        if len(delivery.causes) > CAUSES_MAX:
            raise DeliveryRefused(
                f"{flow.name} would be number {len(delivery.causes) + 1} of executions that led to one another "
                f"({delivery.causes[-1]} started it); {CAUSES_MAX + 1} are the most"
            )

    def _candidate(self, flow: Flow, trigger: Trigger | None, delivery: Delivery) -> TriggerReceived:
        """The first event before its inputs and labels are known."""
        return TriggerReceived(
            sequence=0,
            at=self._ports.clock.now(),
            namespace=flow.namespace,
            flow=flow.id,
            revision=flow.revision,
            source_sha256=flow.sha256,
            trigger=trigger.id if trigger else "",
            trigger_type=trigger.type if trigger else "",
            seed=self._ports.entropy.token(16).hex(),
            delivery=delivery.id,
            method=delivery.method,
            path=delivery.path,
            query=delivery.query,
            headers=delivery.headers,
            body=delivery.body,
            body_sha256=delivery.body_sha256,
            body_bytes=delivery.body_bytes,
            body_uri=delivery.body_uri,
            stored_sha256=delivery.stored_sha256,
            raw_body=delivery.raw_body,
            charset=delivery.charset,
            remote=delivery.remote,
            parent=delivery.parent,
            parent_path=delivery.parent_path,
            causes=delivery.causes,
            variables=dict(delivery.variables),
            deduplication=delivery.deduplication,
            deduplication_until=delivery.deduplication_until,
            fingerprint=delivery.fingerprint,
            replay_of=delivery.replay_of,
            original=delivery.original,
            public_url=delivery.public_url,
            verification=dict(delivery.verification),
            traceparent=delivery.traceparent,
        )

    def first(self, flow: Flow, trigger: Trigger, delivery: Delivery, execution_id: str) -> First:
        """What begins an execution that nobody waits for; a failed one, if the trigger wants that of its errors.

        Raises:
            FlowUnusable, DeliveryRefused: As `receive`.
        """
        try:
            return First(flow, self.receive(flow, trigger, delivery, execution_id=execution_id)[1])
        except DeliveryRefused as refused:
            if refused.unmet or not trigger.fail_on_error:
                raise
            reason = str(refused).removeprefix(f"{refused.code}: ")
            bare = msgspec.structs.replace(trigger, when=None, conditions=(), inputs=None, labels=None)
            plain = msgspec.structs.replace(flow, inputs=())
            received = self.receive(plain, bare, delivery, execution_id=execution_id)[1]
            return First(flow, received, Failure(message=reason, kind="TriggerFailed"))

    def receive_each(
        self, flow: Flow, trigger: Trigger, deliveries: Sequence[Delivery]
    ) -> list[tuple[str, TriggerReceived] | DeliveryRefused]:
        """The same for the items of a batch: an item whose condition is false is left out, anything else stops all.

        Raises:
            FlowUnusable, DeliveryRefused: As `receive`.
        """
        found: list[tuple[str, TriggerReceived] | DeliveryRefused] = []
        for delivery in deliveries:
            try:
                found.append(self.receive(flow, trigger, delivery))
            except DeliveryRefused as refused:
                if not refused.unmet:
                    reason = str(refused).removeprefix(f"{refused.code}: ")
                    reason = f"item {len(found)} of the batch: {reason}"
                    raise DeliveryRefused(reason, condition=refused.condition) from refused
                found.append(refused)
        return found

    def _admitted(
        self,
        flow: Flow,
        trigger: Trigger | None,
        delivery: Delivery,
        execution_id: str,
        candidate: TriggerReceived,
    ) -> TriggerReceived:
        scope = Scope(flow, execution_id, candidate)
        renderer = Renderer(scope, self._ports, Masker())
        state = fold(State(), candidate)
        if trigger is not None:
            self._check_conditions(trigger, renderer, state, delivery.upstream)
        inputs = self._inputs(flow, trigger, delivery, execution_id, renderer, state)
        labels = self._labels(flow, trigger, delivery, execution_id, renderer, state)
        received = msgspec.structs.replace(candidate, inputs=inputs, labels=labels)
        response = at_once(flow, trigger, renderer, received)
        return received if response is None else msgspec.structs.replace(received, response=response)

    def _check_conditions(
        self, trigger: Trigger, renderer: Renderer, state: State, upstream: Mapping[str, Any]
    ) -> None:
        conditions = (*((trigger.when,) if trigger.when is not None else ()), *trigger.conditions)
        for tree in conditions:
            rendered = renderer.whole(state, tree, upstream)
            if rendered.failure is not None:
                reason = f"a condition of {trigger.id} failed: {rendered.failure.message}"
                raise DeliveryRefused(reason, condition=True)
            if not holds(rendered.value):
                raise DeliveryRefused(f"a condition of {trigger.id} is not met", unmet=True)

    def _inputs(
        self,
        flow: Flow,
        trigger: Trigger | None,
        delivery: Delivery,
        execution_id: str,
        renderer: Renderer,
        state: State,
    ) -> dict[str, Any]:
        given = dict(delivery.inputs)
        if trigger is not None and trigger.inputs is not None:
            rendered = renderer.whole(state, trigger.inputs)
            if rendered.failure is not None:
                raise DeliveryRefused(f"the inputs of {trigger.id} failed: {rendered.failure.message}")
            given = {**rendered.value, **given}

        try:
            resolved = dict(resolve_inputs(flow.inputs, given, render=_rendering(renderer, state)))
        except InputsInvalid as error:
            reason = "; ".join(map(str, error.problems))
            raise DeliveryRefused(reason, problems=error.problems) from error
        return self._sealed(flow, resolved, execution_id)

    def _sealed(self, flow: Flow, inputs: dict[str, Any], execution_id: str) -> dict[str, Any]:
        """SECRET inputs are encrypted before they get anywhere near the journal."""
        for name in secret_ids(flow):
            value = looked_up(inputs, name)
            if value is None:
                continue
            if self._ports.cipher is None:
                raise DeliveryRefused(
                    f"the input `{name}` is a SECRET and there is no key to keep it under; "
                    "set HOOKLEDGER_ENCRYPTION_KEY"
                )
            nonce = self._ports.entropy.token(NONCE_BYTES)
            sealed = self._ports.cipher.encrypt(str(value), context_of(execution_id, name), nonce)
            inputs = changed(inputs, name, sealed)
        return inputs

    def _labels(
        self,
        flow: Flow,
        trigger: Trigger | None,
        delivery: Delivery,
        execution_id: str,
        renderer: Renderer,
        state: State,
    ) -> dict[str, str]:
        labels = {**({"system.from": delivery.source} if delivery.source else {}), **flow.labels}
        if trigger is not None and trigger.labels is not None:
            rendered = renderer.whole(state, trigger.labels)
            if rendered.failure is not None:
                raise DeliveryRefused(f"the labels of {trigger.id} failed: {rendered.failure.message}")
            labels |= {str(name): str(value) for name, value in rendered.value.items()}
        labels |= delivery.labels
        labels.setdefault("system.correlationId", self._correlation(trigger, renderer, state) or execution_id)
        return labels

    @staticmethod
    def _correlation(trigger: Trigger | None, renderer: Renderer, state: State) -> str:
        """What the author's `correlation` gives; empty for the execution's own id."""
        settings = trigger.settings if trigger is not None else None
        if trigger is None or not isinstance(settings, WebhookSettings) or settings.correlation is None:
            return ""
        rendered = renderer.whole(state, settings.correlation)
        if rendered.failure is not None:
            raise DeliveryRefused(f"the correlation of {trigger.id} failed: {rendered.failure.message}")
        return str(rendered.value or "").strip()[:CORRELATION_CHARS_MAX]


def _rendering(renderer: Renderer, state: State) -> Render:
    """Renders what declarations of inputs hold, which see the inputs before them."""

    def render(text: str, known: Mapping[str, Any]) -> str:
        made = renderer.whole(state, compile_tree(text), {"inputs": known})
        if made.failure is not None:
            raise RenderFailed(made.failure.message)
        return str(made.value)

    return render
