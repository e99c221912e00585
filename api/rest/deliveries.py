"""REST: what happened to each request of a webhook, sending one again, and asking what would happen.

Refusals are explained here and nowhere else: whoever may read this is an operator.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from hookledger.actors.engine import Engine
from hookledger.actors.errors import FlowUnknown, FlowUnusable
from hookledger.actors.ids import new_id
from hookledger.actors.reception import Delivery
from hookledger.api.call import Call
from hookledger.api.http import HttpRequest, HttpResponse, json_response, problem
from hookledger.api.permissions import Permission
from hookledger.api.queries import Nothing, Paged
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Found, Shape
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.handler import WebhookHandler
from hookledger.api.webhook.refusal import Answered, Refused
from hookledger.api.webhook.route import Match, matched, rendered_key, webhook_path
from hookledger.api.webhook.steps.body import discard
from hookledger.journal.deliveries import DeliveryQuery, DeliveryRow, Kind
from hookledger.journal.events import TriggerReceived
from hookledger.runtime.triggers.received import remark, trigger_variables
from hookledger.runtime.triggers.webhook import WebhookSettings
from hookledger.runtime.variables import iso_time

TRIGGER = "/triggers/<namespace>/<flow>/<trigger>"


KindName: TypeAlias = Literal[
    "accepted", "rejected", "handshake", "duplicate", "ACCEPTED", "REJECTED", "HANDSHAKE", "DUPLICATE"
]  # fmt: skip


class Deliveries(Paged, frozen=True, kw_only=True):
    """Which deliveries to list."""

    kind: tuple[KindName, ...] = ()


class DeliveryView(Shape, frozen=True, kw_only=True):
    """One request to a webhook; what does not apply is left out."""

    id: str
    kind: Kind
    at: str
    namespace: str | UnsetType = UNSET
    flow: str | UnsetType = UNSET
    trigger: str | UnsetType = UNSET
    execution: str | UnsetType = UNSET
    status: int | UnsetType = UNSET
    """Of the refusal."""
    reason: str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    remote: str | UnsetType = UNSET
    body_bytes: int | UnsetType = UNSET
    body_sha256: str | UnsetType = UNSET
    suppressed: int | UnsetType = UNSET
    replay_of: str | UnsetType = UNSET


class DeliveryDetails(DeliveryView, frozen=True, kw_only=True):
    """With what the flow saw, when it was accepted."""

    deduplication: str | UnsetType = UNSET
    verification: Mapping[str, Any] | UnsetType = UNSET
    flow_revision: int | UnsetType = UNSET
    remark: str | UnsetType = UNSET
    """Such as that the body claims JSON and is none."""
    variables: Mapping[str, Any] | UnsetType = UNSET


class Replayed(Shape, frozen=True, kw_only=True):
    """A delivery that was sent again."""

    id: str
    """Of the new execution."""
    delivery: str
    replay_of: str


class StepView(Shape, frozen=True, kw_only=True):
    """What one step says."""

    step: str
    outcome: Literal["passed", "refused", "answered"]
    status: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class DryRun(Shape, frozen=True, kw_only=True):
    """What would become of a delivery."""

    outcome: Literal["accepted", "refused", "answered"]
    status: int
    steps: list[StepView]
    reason: str | UnsetType = UNSET
    deduplication: str = ""
    verification: Mapping[str, Any] = {}


async def list_deliveries(engine: Engine, call: Call, query: Deliveries) -> HttpResponse:
    """What became of each request, newest first."""
    wanted = DeliveryQuery(
        namespace=call.path["namespace"],
        flow=call.path["flow"],
        trigger=call.path["trigger"],
        kinds=tuple(kind.upper() for kind in query.kind),
        limit=query.size,
        offset=query.offset,
    )
    rows, total = await engine.journal.ask(lambda reader: reader.deliveries(wanted))
    return json_response({"results": [delivery_view(row) for row in rows], "total": total})


async def get_delivery(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """One delivery, with what the flow saw, when it was accepted."""
    delivery_id = call.path["delivery_id"]
    row = await engine.journal.ask(lambda reader: reader.delivery(delivery_id))
    if row is None:
        return unknown(delivery_id)
    view = msgspec.structs.asdict(delivery_view(row))
    received = await _received(engine, row) if row.kind == "ACCEPTED" else None
    if received is not None:
        variables = trigger_variables(received)
        view |= {
            "remark": remark(received, variables.get("body")) or UNSET,
            "deduplication": received.deduplication,
            "verification": received.verification,
            "flow_revision": received.revision,
            "variables": variables,
        }
    return json_response(DeliveryDetails(**view))


async def replay_delivery(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """A new execution of the newest revision from a recorded delivery.

    What was checked when it came is not checked again, and the copy claims no deduplication key; the original is
    untouched.
    """
    delivery_id = call.path["delivery_id"]
    row = await engine.journal.ask(lambda reader: reader.delivery(delivery_id))
    received = None if row is None else await _received(engine, row)
    if row is None or received is None:
        return unknown(delivery_id)
    if row.kind not in ("ACCEPTED", "DUPLICATE"):
        return problem(409, "only an accepted delivery has what it takes to start again", slug="not-accepted")
    try:
        flow = engine.flow(received.namespace, received.flow)
    except FlowUnknown as error:
        raise FlowUnusable(str(error)) from error
    trigger = flow.trigger(received.trigger)
    if trigger is None:
        raise FlowUnusable(f"{flow.name} has no trigger {received.trigger} any more")
    copy = copy_of(received, new_id(engine.ports.clock, engine.ports.entropy))
    execution = await engine.deliver(flow, trigger, copy, actor=call.by)
    await execution.accepted()
    return json_response(Replayed(id=execution.id, delivery=copy.id, replay_of=received.delivery))


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


async def dry_run(handler: WebhookHandler, engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """What every step says to this delivery; nothing is begun, claimed or written.

    `X-Dry-Run-Method` and `X-Dry-Run-Authorization` stand for what the API's own request uses itself.
    """
    namespace, flow_id, trigger_id = (call.path[name] for name in ("namespace", "flow", "trigger"))
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
    asked = as_delivered(call.request, webhook_path(namespace, flow_id, key or "KEY"))
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


def delivery_view(row: DeliveryRow) -> DeliveryView:
    """A delivery as lists show it."""
    known: dict[str, Any] = {name: value or UNSET for name, value in msgspec.structs.asdict(row).items()}
    known["at"] = iso_time(row.at)
    return DeliveryView(id=known.pop("delivery"), **known)


def item_view(item: Exchange) -> dict[str, Any]:
    """What a dry run says about one item of a batch."""
    known = {"deduplication": item.deduplication, "duplicateOf": item.claimed, "unmet": item.unmet}
    return {name: value for name, value in known.items() if value}


def unknown(delivery_id: str) -> HttpResponse:
    """404 for a delivery nobody recorded."""
    detail = f"there is no delivery {delivery_id[:40]}; a trigger's `deliveries` lists its own"
    return problem(404, detail, slug="delivery-unknown")


async def _received(engine: Engine, row: DeliveryRow) -> TriggerReceived | None:
    if not row.execution:
        return None
    events = await engine.journal.read(row.execution)
    first = events[0] if events else None
    return first if isinstance(first, TriggerReceived) else None


def table(engine: Engine, webhook: WebhookHandler) -> list[Route]:
    """Ours alone: what was delivered."""
    return [
        Route(
            "GET",
            f"{TRIGGER}/deliveries",
            partial(list_deliveries, engine),
            summary="List what became of each request to a webhook",
            query=Deliveries,
            answers=Reply(Found[DeliveryView]),
        ),
        Route(
            "POST",
            f"{TRIGGER}/dryRun",
            partial(dry_run, webhook, engine),
            summary="Ask what would become of a delivery",
            body={"*/*": bytes},
            answers=Reply(DryRun),
            errors=(404,),
            query=Nothing,
        ),
        Route(
            "GET",
            "/deliveries/<delivery_id>",
            partial(get_delivery, engine),
            summary="Read a delivery",
            answers=Reply(DeliveryDetails),
            errors=(404,),
            query=Nothing,
        ),
        Route(
            "POST",
            "/deliveries/<delivery_id>/replay",
            partial(replay_delivery, engine),
            Permission.OPERATE,
            "Send a delivery again",
            answers=Reply(Replayed),
            errors=(404, 409, 422),
            query=Nothing,
        ),
    ]
