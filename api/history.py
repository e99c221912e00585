"""REST: what the journal holds of an execution, its state at any event, its receipts, and running it once more."""

import base64
from collections.abc import Iterable, Mapping

import msgspec

from hookledger.actors.engine import Engine
from hookledger.actors.errors import DeliveryRefused, FlowUnknown, FlowUnusable
from hookledger.actors.ids import new_id
from hookledger.actors.reception import Delivery
from hookledger.api.deliveries import copy_of
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.paging import number
from hookledger.api.replay import replayed
from hookledger.api.views import execution_view, receipt
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.errors import ExecutionUnknown
from hookledger.journal.events import TriggerReceived
from hookledger.journal.plain import history_fields
from hookledger.runtime.flow.model import Trigger
from hookledger.runtime.secret_inputs import looked_up, secret_ids
from hookledger.runtime.state import State, fold

Parameters = Mapping[str, list[str]]


async def get_events(engine: Engine, execution_id: str) -> HttpResponse:
    """`GET executions/{id}/events`: as `hookledger journal show --json`."""
    entries = await _entries(engine, execution_id)
    return json_response(history_fields(execution_id, entries)) if entries else unknown(execution_id)


async def get_state(engine: Engine, execution_id: str, parameters: Parameters) -> HttpResponse:
    """`GET executions/{id}/state`: as `hookledger journal replay`; `at=N` stops after that event."""
    entries = await _entries(engine, execution_id)
    if not entries:
        return unknown(execution_id)
    end = entries[-1].header.seq + len(entries[-1].header.types) - 1
    at = number(parameters, "at", end)
    if at is None or at > end:
        return problem(400, f"`at` is the sequence number of an event, 0 to {end}", slug="bad-sequence")
    try:
        return json_response(replayed(execution_id, entries, at))
    except ExecutionUnknown:
        return unknown(execution_id)


async def get_receipt(engine: Engine, execution_id: str, parameters: Parameters) -> HttpResponse:
    """`GET executions/{id}/receipt`: of the newest entry, or of `entry=N`."""
    entries = await _entries(engine, execution_id)
    if not entries:
        return unknown(execution_id)
    wanted = number(parameters, "entry", len(entries) - 1)
    if wanted is None or wanted >= len(entries):
        return problem(400, f"`entry` is a number from 0 to {len(entries) - 1}", slug="bad-entry")
    entry = entries[wanted]
    view = {
        "execution": execution_id,
        "entry": entry.header.n,
        "position": entry.header.pos,
        "leaf": base64.b64encode(entry.leaf).decode(),
        "types": entry.header.types,
        "receipt": receipt(entry),
    }
    return json_response(view, headers={"Hookledger-Receipt": receipt(entry)})


async def replay(engine: Engine, execution_id: str, parameters: Parameters, by: str) -> HttpResponse:
    """`POST executions/{id}/actions/replay`: a new execution of the newest revision from the same delivery."""
    if "taskRunId" in parameters:
        return problem(
            422, "replaying from a task run is not possible; leave `taskRunId` out", slug="whole-only"
        )
    try:
        first = (await engine.events(execution_id))[0]
        assert isinstance(first, TriggerReceived)
        flow = engine.flow(first.namespace, first.flow)
        trigger = flow.trigger(first.trigger) if first.trigger else None
        if first.trigger and trigger is None:
            return problem(409, f"{flow.name} has no trigger {first.trigger} any more", slug="flow-unusable")
        pinned = engine.flows.pinned(first.namespace, first.flow, first.revision)
        sealed = {*secret_ids(flow), *(secret_ids(pinned.flow) if pinned and pinned.flow else ())}
        copy = again(first, trigger, execution_id, sealed)
        if first.delivery:
            delivery_id = new_id(engine.ports.clock, engine.ports.entropy)
            copy = msgspec.structs.replace(copy, id=delivery_id)
        execution = engine.deliver(flow, trigger, copy, actor=by)
    except ExecutionUnknown:
        return unknown(execution_id)
    except (FlowUnknown, FlowUnusable) as error:
        return problem(409, str(error), slug="flow-unusable")
    except DeliveryRefused as error:
        return problem(422, str(error), slug="delivery-refused")
    await execution.accepted()
    return json_response(execution_view(execution.id, fold(State(), execution.received)))


def again(
    first: TriggerReceived, trigger: Trigger | None, execution_id: str, sealed: Iterable[str]
) -> Delivery:
    """What started an execution, to start another.

    A trigger makes its inputs and labels anew; what a person or a program gave is taken over.

    Args:
        sealed: SECRET inputs, whose recorded values are of use to the first execution alone.

    Raises:
        DeliveryRefused: There is such a value.
    """
    copy = msgspec.structs.replace(copy_of(first, ""), source=first.labels.get("system.from", "api"))
    labels = {"system.replayOf": execution_id}
    if trigger is None:
        own = {name: value for name, value in first.labels.items() if not name.startswith("system.")}
        labels = own | labels
    if trigger is not None and trigger.inputs is not None:
        return msgspec.structs.replace(copy, labels=labels)
    if any(looked_up(first.inputs, name) is not None for name in sealed):
        raise DeliveryRefused(
            "a SECRET input belongs to one execution; start the flow with its inputs instead"
        )
    return msgspec.structs.replace(copy, labels=labels, inputs=first.inputs)


def unknown(execution_id: str) -> HttpResponse:
    """404 for an execution that is not there."""
    return problem(404, f"there is no execution {execution_id}", slug="execution-unknown")


async def _entries(engine: Engine, execution_id: str) -> list[Entry]:
    return [] if execution_id == SYSTEM else await engine.journal.entries(execution_id)
