"""Two projections of the log for webhooks: which delivery became what, and which key is claimed by whom.

Both are computed from events, committed with the entry they come from, and can be rebuilt; nothing is decided by
the list of deliveries. A claim is the part of a TriggerReceived that says which later deliveries are duplicates.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import msgspec

from hookledger.journal.events import (
    AnyEvent,
    DeliveryRejected,
    DuplicateDelivery,
    HandshakeAnswered,
    TriggerReceived,
)

Kind = Literal["ACCEPTED", "REJECTED", "HANDSHAKE", "DUPLICATE"]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """An execution answers for a key until `expires` (microseconds)."""

    scope: str
    """The trigger: `namespace/flow/trigger`."""
    key: str
    execution: str
    fingerprint: str = ""
    at: int = 0
    expires: int = 0


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What lists show of one request to a webhook."""

    delivery: str
    kind: Kind
    at: int
    namespace: str = ""
    flow: str = ""
    trigger: str = ""
    execution: str = ""
    status: int = 0
    """Of the refusal; 0 for accepted deliveries, whose answer is their execution's."""
    reason: str = ""
    method: str = ""
    remote: str = ""
    body_bytes: int = 0
    body_sha256: str = ""
    suppressed: int = 0
    replay_of: str = ""


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries to list; newest first."""

    namespace: str | None = None
    flow: str | None = None
    trigger: str | None = None
    kinds: tuple[str, ...] = ()
    since: int = 0
    """At this time or later, microseconds."""
    execution: str | None = None
    """What began it, and what repeated it."""
    delivery: str | None = None
    limit: int = 25
    offset: int = 0


def scope_of(namespace: str, flow: str, trigger: str) -> str:
    """Where a deduplication key is unique."""
    return f"{namespace}/{flow}/{trigger}"


def claims_in(execution: str, events: Iterable[AnyEvent]) -> list[Claim]:
    """The claims that an entry makes."""
    return [
        Claim(
            scope=scope_of(event.namespace, event.flow, event.trigger),
            key=event.deduplication,
            execution=execution,
            fingerprint=event.fingerprint,
            at=event.at,
            expires=event.deduplication_until,
        )
        for event in events
        if type(event) is TriggerReceived and event.deduplication
    ]


def deliveries_in(execution: str, events: Iterable[AnyEvent]) -> list[DeliveryRow]:
    """The deliveries that an entry tells of."""
    rows: list[DeliveryRow] = []
    for event in events:
        make = _ROWS.get(type(event))
        if make is not None and event.delivery:  # type: ignore[union-attr]
            rows.append(make(execution, event))
    return rows


def _accepted(execution: str, event: TriggerReceived) -> DeliveryRow:
    return DeliveryRow(
        delivery=event.delivery,
        kind="ACCEPTED",
        at=event.at,
        namespace=event.namespace,
        flow=event.flow,
        trigger=event.trigger,
        execution=execution,
        method=event.method,
        remote=event.remote,
        body_bytes=event.body_bytes or len(event.body),
        body_sha256=event.body_sha256,
        replay_of=event.replay_of,
    )


def _rejected(_execution: str, event: DeliveryRejected) -> DeliveryRow:
    return DeliveryRow(
        delivery=event.delivery,
        kind="REJECTED",
        at=event.at,
        namespace=event.namespace,
        flow=event.flow,
        trigger=event.trigger,
        status=event.status,
        reason=event.reason,
        method=event.method,
        remote=event.remote,
        body_bytes=event.body_bytes,
        body_sha256=event.body_sha256,
        suppressed=event.suppressed,
    )


def _handshake(_execution: str, event: HandshakeAnswered) -> DeliveryRow:
    return DeliveryRow(
        delivery=event.delivery,
        kind="HANDSHAKE",
        at=event.at,
        namespace=event.namespace,
        flow=event.flow,
        trigger=event.trigger,
        status=event.status,
        reason=event.handshake,
        remote=event.remote,
    )


def _duplicate(execution: str, event: DuplicateDelivery) -> DeliveryRow:
    return DeliveryRow(
        delivery=event.delivery,
        kind="DUPLICATE",
        at=event.at,
        namespace=event.namespace,
        flow=event.flow,
        trigger=event.trigger,
        execution=execution,
        reason=event.answered,
        remote=event.remote,
    )


_ROWS: Final[dict[type, Callable[[str, Any], DeliveryRow]]] = {
    TriggerReceived: _accepted,
    DeliveryRejected: _rejected,
    HandshakeAnswered: _handshake,
    DuplicateDelivery: _duplicate,
}
