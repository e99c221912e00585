"""`batch`: a delivery that carries several items becomes one execution for each, all of them or none.

The items go through the last steps side by side. Each has a deduplication key of its own, and keys are reserved in one
order, so that two batches with common items never wait for each other. What starts is appended without a pause, so one
commit holds it all.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from hookledger.actors.errors import DeliveryRefused, FlowUnusable
from hookledger.actors.off_loop import rendering
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.refusal import Refused
from hookledger.api.webhook.steps.deduplicate import Deduplicate
from hookledger.api.webhook.steps.start import Start, claim_of, delivery_of, refusal_of
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.triggers.webhook import Batch
from hookledger.runtime.triggers.webhook.admission.cloudevents import dedup_key
from hookledger.runtime.triggers.webhook.batch import BatchInvalid, item_body, items_of


class Split:
    """Takes a delivery apart; 400 when it has not the items that the author names, nothing for an empty batch."""

    name = "batch"

    def __init__(self, batch: "Batch | None", *, waits: bool) -> None:
        self._batch = batch or Batch()
        self._arrays = batch is not None
        """Without the property only CloudEvents are taken apart: they say that they are a batch."""
        self._waits = waits

    async def __call__(self, exchange: Exchange) -> None:
        items = await rendering(lambda: self._items(exchange))
        if items is None:
            return
        if not items:
            raise refusal_of(DeliveryRefused("the batch has no items", unmet=True), exchange)
        if not self._batch.each:
            exchange.variables["items"] = await rendering(lambda: self._items(exchange.redacted()))
            return
        if self._waits:
            raise invalid("this webhook answers with the outcome of one execution; send one event at a time")
        try:
            exchange.items = list(_parts(exchange, items))
        except BatchInvalid as error:
            raise invalid(str(error)) from error

    def _items(self, exchange: Exchange) -> list[Any] | None:
        """None when the delivery is no batch: it goes on as any other."""
        try:
            if self._batch.items is not None:
                return items_of(exchange.render_delivery(self._batch.items))
            return _natural(exchange, arrays=self._arrays)
        except ExpressionError as error:
            raise invalid(
                f"batch.items: {error}", "the items of this batch are not where they should be"
            ) from error
        except BatchInvalid as error:
            raise invalid(str(error)) from error


def _natural(exchange: Exchange, *, arrays: bool) -> list[Any] | None:
    """The events of a CloudEvents batch, else the elements of a JSON array."""
    events = exchange.variables.get("events")
    if events is not None or not arrays:
        return None if events is None else items_of(events)
    body = exchange.body_data
    return items_of(item_body(body).decode()) if isinstance(body, list) else None


def _parts(exchange: Exchange, items: Sequence[Any]) -> Iterable[Exchange]:
    events = {_identity(event): event for event in exchange.variables.pop("events", ())}
    for index, item in enumerate(items):
        part = exchange.item(index, len(items), item_body(item))
        event = events.get(_identity(item))
        if event is not None:
            part.variables["event"] = event
            part.dedup_hint = dedup_key(event["source"], event["id"])
        yield part


def _identity(item: Any) -> tuple[str, str] | None:
    """What tells one CloudEvent from another."""
    if not isinstance(item, dict):
        return None
    source, event_id = item.get("source"), item.get("id")
    return (source, event_id) if isinstance(source, str) and isinstance(event_id, str) else None


def invalid(reason: str, detail: str = "") -> Refused:
    """400 for a delivery that is not the batch it should be."""
    return Refused(400, "batch-invalid", reason, detail=detail or reason)


class DeduplicateEach:
    """Claims a key for each item, or finds the execution that has it."""

    name = "deduplication"

    def __init__(self, one: Deduplicate) -> None:
        self._one = one

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.items is None:
            await self._one(exchange)
            return
        for item in exchange.items:
            await self._one.identify(item)
        first: dict[str, Exchange] = {}
        for item in sorted(exchange.items, key=lambda one: one.deduplication):
            known = first.setdefault(item.deduplication, item) if item.deduplication else item
            if known is not item:
                self._one.agree(item, known.fingerprint, "another item of this batch")
                item.twin = known
            elif item.deduplication:
                await self._one.settle(item)


class StartEach:
    """Starts an execution for every item that did not come before, all in one commit or none."""

    name = "start"

    def __init__(self, one: Start) -> None:
        self._one = one

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.items is None:
            await self._one(exchange)
            return
        fresh = [item for item in exchange.items if not item.claimed and item.twin is None]
        try:
            await start(exchange, fresh)
        except FlowUnusable as error:
            raise Refused(409, "flow-unusable", str(error), detail=str(error)) from error
        except DeliveryRefused as error:
            raise refusal_of(error, exchange) from error
        if all((item.twin or item).unmet for item in exchange.items):
            reason = f"no item of the batch meets the conditions; the first: {fresh[0].unmet}"
            raise refusal_of(DeliveryRefused(reason, unmet=True), exchange)


async def start(exchange: Exchange, items: Sequence[Exchange]) -> None:
    """Start them together; an item that meets no condition learns why.

    Raises:
        FlowUnusable, DeliveryRefused: Nothing was started.
    """
    match, engine = exchange.match, exchange.engine
    deliveries = [delivery_of(item) for item in items]
    by = f"webhook:{match.flow.name}/{match.trigger.id}"
    started = await engine.deliver_each(match.flow, match.trigger, deliveries, actor=by, dry=exchange.dry)
    for item, delivery, outcome in zip(items, deliveries, started, strict=True):
        if isinstance(outcome, DeliveryRefused):
            item.unmet = str(outcome)
            continue
        item.execution = outcome
        if item.reservation is not None:
            item.reservation.take(claim_of(item, delivery))
