"""REST: what happened to each request of a webhook, sending one again, and asking what would happen.

Refusals are explained here and nowhere else: whoever may read this is an operator.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from hookledger.actors.engine import Engine
from hookledger.actors.errors import DeliveryRefused, FlowUnknown, FlowUnusable
from hookledger.actors.ids import new_id
from hookledger.actors.reception import Delivery
from hookledger.api.http import HttpRequest, HttpResponse, json_response, problem
from hookledger.api.paging import page_of
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.handler import WebhookHandler
from hookledger.api.webhook.refusal import Answered, Refused
from hookledger.api.webhook.route import Match, matched, rendered_key, webhook_path
from hookledger.api.webhook.steps.body import discard
from hookledger.journal.deliveries import DeliveryQuery, DeliveryRow
from hookledger.journal.events import TriggerReceived
from hookledger.runtime.triggers.received import trigger_variables
from hookledger.runtime.triggers.webhook import WebhookSettings
from hookledger.runtime.variables import iso_time


async def list_deliveries(
    engine: Engine, namespace: str, flow: str, trigger: str, parameters: Mapping[str, list[str]]
) -> HttpResponse:
    """`GET triggers/{namespace}/{flow}/{trigger}/deliveries`: kind (repeatable), page (from 1), size."""
    page = page_of(parameters)
    if isinstance(page, HttpResponse):
        return page
    query = DeliveryQuery(
        namespace=namespace,
        flow=flow,
        trigger=trigger,
        kinds=tuple(kind.upper() for kind in parameters.get("kind", ())),
        limit=page.size,
        offset=page.offset,
    )
    rows, total = await engine.journal.ask(lambda reader: reader.deliveries(query))
    return json_response({"results": [delivery_view(row) for row in rows], "total": total})


async def get_delivery(engine: Engine, delivery_id: str) -> HttpResponse:
    """`GET deliveries/{id}`: with what the flow saw, when it was accepted."""
    row = await engine.journal.ask(lambda reader: reader.delivery(delivery_id))
    if row is None:
        return unknown(delivery_id)
    view = delivery_view(row)
    received = await _received(engine, row) if row.kind == "ACCEPTED" else None
    if received is not None:
        view |= {
            "deduplication": received.deduplication,
            "verification": received.verification,
            "flowRevision": received.revision,
            "variables": trigger_variables(received),
        }
    return json_response(view)


async def replay_delivery(engine: Engine, delivery_id: str, user: str) -> HttpResponse:
    """`POST deliveries/{id}/replay`: a new execution of the newest revision from a recorded delivery.

    What was checked when it came is not checked again, and the copy claims no deduplication key; the original is
    untouched.
    """
    row = await engine.journal.ask(lambda reader: reader.delivery(delivery_id))
    received = None if row is None else await _received(engine, row)
    if row is None or received is None:
        return unknown(delivery_id)
    if row.kind not in ("ACCEPTED", "DUPLICATE"):
        return problem(409, "only an accepted delivery has what it takes to start again", slug="not-accepted")
    try:
        flow = engine.flow(received.namespace, received.flow)
        trigger = flow.trigger(received.trigger)
        if trigger is None:
            return problem(
                409, f"{flow.name} has no trigger {received.trigger} any more", slug="flow-unusable"
            )
        copy = copy_of(received, new_id(engine.ports.clock, engine.ports.entropy))
        execution = engine.deliver(flow, trigger, copy, actor=f"user:{user}")
    except (FlowUnknown, FlowUnusable) as error:
        return problem(409, str(error), slug="flow-unusable")
    except DeliveryRefused as error:
        return problem(422, str(error), slug="delivery-refused")
    await execution.accepted()
    return json_response({"id": execution.id, "delivery": copy.id, "replayOf": received.delivery})


def copy_of(received: TriggerReceived, delivery_id: str) -> Delivery:
    """A recorded delivery as a new one."""
    return Delivery(
        id=delivery_id,
        method=received.method,
        path=received.path,
        query=received.query,
        headers=received.headers,
        body=received.body,
        body_sha256=received.body_sha256,
        body_bytes=received.body_bytes,
        body_uri=received.body_uri,
        raw_body=received.raw_body,
        charset=received.charset,
        remote=received.remote,
        variables=received.variables,
        verification=received.verification,
        public_url=received.public_url,
        replay_of=received.delivery,
    )


async def dry_run(
    handler: WebhookHandler,
    engine: Engine,
    request: HttpRequest,
    namespace: str,
    flow_id: str,
    trigger_id: str,
) -> HttpResponse:
    """`POST triggers/.../dryRun`: what every step says to this delivery; nothing is begun, claimed or written.

    `X-Dry-Run-Method` and `X-Dry-Run-Authorization` stand for what the API's own request uses itself.
    """
    try:
        flow = engine.flow(namespace, flow_id)
    except (FlowUnknown, FlowUnusable) as error:
        return problem(404, str(error), slug="flow-unknown")
    trigger = flow.trigger(trigger_id)
    if trigger is None or not isinstance(trigger.settings, WebhookSettings):
        return problem(404, f"{flow.name} has no webhook {trigger_id}", slug="flow-unknown")
    match = matched(flow, trigger, trigger.settings)
    key = rendered_key(engine, flow, trigger, trigger.settings)
    reachable = bool(key) and not flow.disabled and not trigger.disabled
    asked = as_delivered(request, webhook_path(namespace, flow_id, key or "KEY"))
    steps, verdict = await _explained(handler, asked, match)
    if not reachable:
        why = "its key cannot be rendered" if not key else "it is disabled"
        verdict = {"outcome": "refused", "status": 409 if key else 404, "reason": why}
    return json_response({**verdict, "steps": steps})


def as_delivered(request: HttpRequest, raw_path: str) -> HttpRequest:
    """The request as a sender would have made it."""
    own = {"authorization", "x-dry-run-method", "x-dry-run-authorization"}
    headers = [(name, value) for name, value in request.headers if name.lower() not in own]
    authorization = request.header("x-dry-run-authorization")
    if authorization is not None:
        headers.append(("Authorization", authorization))
    return msgspec.structs.replace(
        request,
        method=(request.header("x-dry-run-method") or "POST").upper(),
        raw_path=raw_path,
        headers=tuple(headers),
    )


async def _explained(
    handler: WebhookHandler, request: HttpRequest, match: Match
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    exchange = handler.exchange(request, match, "dry-run", dry=True)
    steps: list[dict[str, Any]] = []
    verdict: dict[str, Any] = {"outcome": "accepted", "status": 200}
    try:
        for step in handler.pipeline(match).steps:
            try:
                await step(exchange)
            except Refused as refused:
                verdict = {"outcome": "refused", "status": refused.status, "reason": refused.reason}
            except Answered as answered:
                verdict = {
                    "outcome": "answered",
                    "status": answered.response.status,
                    "reason": answered.kind,
                }
            passed = verdict["outcome"] == "accepted"
            steps.append({"step": step.name, **({"outcome": "passed"} if passed else verdict)})
            if not passed:
                break
    finally:
        discard(exchange)
    if exchange.items is not None:
        verdict["items"] = [item_view(item) for item in exchange.items]
    verdict |= {"deduplication": exchange.deduplication, "verification": exchange.verification}
    return steps, verdict


def item_view(item: Exchange) -> dict[str, Any]:
    """What a dry run says about one item of a batch."""
    known = {"deduplication": item.deduplication, "duplicateOf": item.claimed, "unmet": item.unmet}
    return {name: value for name, value in known.items() if value}


def delivery_view(row: DeliveryRow) -> dict[str, Any]:
    """A delivery as lists show it; members without a value are left out."""
    view: dict[str, Any] = msgspec.to_builtins(row)
    return {"id": view.pop("delivery"), **view, "at": iso_time(row.at)}


def unknown(delivery_id: str) -> HttpResponse:
    """404 for a delivery nobody recorded."""
    return problem(404, f"there is no delivery {delivery_id[:40]}", slug="delivery-unknown")


async def _received(engine: Engine, row: DeliveryRow) -> TriggerReceived | None:
    if not row.execution:
        return None
    events = await engine.journal.read(row.execution)
    first = events[0] if events else None
    return first if isinstance(first, TriggerReceived) else None
