"""One delivery: what became of it and why, what the flow saw, and sending it again."""

import json
from typing import Any

import msgspec

from hookledger.actors.engine import Engine
from hookledger.actors.errors import DeliveryRefused, FlowUnusable
from hookledger.api.call import Call
from hookledger.api.console.flows.base import Desk
from hookledger.api.console.flows.triggers import DeliveryView, delivery_path, delivery_view
from hookledger.api.console.pages import done, execution_path, flow_path
from hookledger.api.console.rows import list_row
from hookledger.api.http import HttpResponse
from hookledger.api.queries import Nothing
from hookledger.api.rest.deliveries import replay_delivery
from hookledger.journal.deliveries import DeliveryRow
from hookledger.journal.events import DuplicateDelivery, TriggerReceived
from hookledger.runtime.triggers.received import remark, trigger_variables

TEXT_CHARS_MAX = 65_536


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery's execution knows of it."""

    received: TriggerReceived
    duplicates: tuple[DuplicateDelivery, ...]


async def delivery_page(desk: Desk, call: Call) -> HttpResponse:
    """`GET /deliveries/{id}`."""
    return await _page(desk, call)


async def send_again(desk: Desk, call: Call) -> HttpResponse:
    """`POST /deliveries/{id}/replay`: a new execution from the recorded delivery."""
    asked = msgspec.structs.replace(call, path={"delivery_id": call.path["delivery"]})
    try:
        answer = await replay_delivery(desk.engine, asked, Nothing())
    except (FlowUnusable, DeliveryRefused) as error:
        return await _page(desk, call, status=409, problem=str(error))
    told: dict[str, Any] = json.loads(answer.body)
    if answer.status != 200:
        return await _page(desk, call, status=answer.status, problem=str(told.get("detail", "")))
    row = await desk.engine.journal.ask(lambda reader: reader.row(told["id"]))
    assert row is not None, "an accepted execution is in the index"
    return done(execution_path(row.namespace, row.flow, row.execution), "sent")


async def _page(desk: Desk, call: Call, *, status: int = 200, problem: str = "") -> HttpResponse:
    wanted = call.path["delivery"]
    row = await desk.engine.journal.ask(lambda reader: reader.delivery(wanted))
    if row is None:
        return desk.missing(call, f"delivery {wanted[:40]}")
    told = await _told(desk.engine, row)
    run = await desk.engine.journal.ask(lambda reader: reader.row(row.execution)) if row.execution else None
    return desk.page(
        call,
        "flow_delivery.html",
        status=status,
        problem=problem,
        delivery=delivery_view(row),
        row=row,
        flow_path=flow_path(row.namespace, row.flow) if row.flow else "",
        triggers_path=flow_path(row.namespace, row.flow, "triggers") if row.flow else "",
        sentence=sentence(row),
        first=first_delivery(row, told),
        again=row.kind in ("ACCEPTED", "DUPLICATE"),
        run=list_row(run, desk.now) if run is not None else None,
        **_seen(row, told),
    )


def sentence(row: DeliveryRow) -> str:
    """What became of a delivery, in one sentence."""
    match row.kind:
        case "ACCEPTED":
            return "It was accepted and started an execution."
        case "DUPLICATE":
            return f"It repeated an earlier delivery and started nothing ({row.reason})."
        case "HANDSHAKE":
            return f"The sender asked whether anybody is here ({row.reason}); it was answered, nothing was started."
        case _:
            return f"It was refused with {row.status} and started nothing: {row.reason}."


def first_delivery(row: DeliveryRow, told: Told | None) -> str:
    """The page of the delivery that a duplicate repeats, or that this one was sent again from."""
    if row.kind == "DUPLICATE" and told is not None and told.received.delivery:
        return delivery_path(told.received.delivery)
    return delivery_path(row.replay_of) if row.replay_of else ""


def _seen(row: DeliveryRow, told: Told | None) -> dict[str, Any]:
    """What only an accepted delivery shows: credentials were replaced before it was written down."""
    if told is None or row.kind != "ACCEPTED":
        return {
            "remark": "",
            "variables": "",
            "cut": False,
            "verification": [],
            "deduplication": "",
            "duplicates": [],
        }
    received = told.received
    variables = trigger_variables(received)
    text = json.dumps(variables, indent=2, ensure_ascii=False)
    return {
        "remark": remark(received, variables.get("body")),
        "variables": text[:TEXT_CHARS_MAX],
        "cut": len(text) > TEXT_CHARS_MAX,
        "verification": [(name, str(value)) for name, value in received.verification.items()],
        "deduplication": received.deduplication,
        "duplicates": [_duplicate(one, row) for one in told.duplicates],
    }


def _duplicate(one: DuplicateDelivery, row: DeliveryRow) -> DeliveryView:
    made = DeliveryRow(
        delivery=one.delivery, kind="DUPLICATE", at=one.at, execution=row.execution, reason=one.answered
    )
    return delivery_view(made)


async def _told(engine: Engine, row: DeliveryRow) -> Told | None:
    if not row.execution:
        return None
    events = await engine.journal.read(row.execution)
    first = events[0] if events else None
    if not isinstance(first, TriggerReceived):
        return None
    repeated = tuple(event for event in events if isinstance(event, DuplicateDelivery))
    return Told(received=first, duplicates=repeated)
