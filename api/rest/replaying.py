"""REST: running an execution once more, from the same delivery."""

from collections.abc import Iterable
from functools import partial

import msgspec

from hookledger.actors.engine import Engine
from hookledger.actors.errors import DeliveryRefused, FlowUnknown, FlowUnusable
from hookledger.actors.handle import Execution
from hookledger.actors.ids import new_id
from hookledger.actors.reception import Delivery
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.permissions import Permission
from hookledger.api.queries import Query
from hookledger.api.rest.deliveries import copy_of
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import ExecutionView
from hookledger.api.views import execution_view
from hookledger.journal.events import TriggerReceived
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.secret_inputs import looked_up, secret_ids
from hookledger.runtime.state import State, fold


class Replay(Query, frozen=True, kw_only=True):
    """Where a replay begins."""

    task_run_id: str | None = None
    revision: int = 0


async def replay(engine: Engine, call: Call, query: Replay) -> HttpResponse:
    """A new execution of the newest revision from the same delivery."""
    if query.task_run_id is not None:
        raise DeliveryRefused("replaying from a task run is not possible; leave `taskRunId` out")
    execution = await start_again(engine, call.path["execution_id"], call.by)
    return json_response(execution_view(execution.id, fold(State(), execution.received)))


async def start_again(engine: Engine, execution_id: str, by: str) -> Execution:
    """Start a new execution from what started one; returns once it can no longer be lost.

    Raises:
        ExecutionUnknown: There is no such execution.
        FlowUnusable: The flow or the trigger is gone.
        DeliveryRefused: The trigger's rules or the inputs say no.
    """
    first = (await engine.events(execution_id))[0]
    assert isinstance(first, TriggerReceived)
    flow, trigger = _present(engine, first)
    pinned = engine.flows.pinned(first.namespace, first.flow, first.revision)
    sealed = {*secret_ids(flow), *(secret_ids(pinned.flow) if pinned and pinned.flow else ())}
    copy = again(first, trigger, execution_id, sealed)
    if first.delivery:
        delivery_id = new_id(engine.ports.clock, engine.ports.entropy)
        copy = msgspec.structs.replace(copy, id=delivery_id)
    execution = engine.deliver(flow, trigger, copy, actor=by)
    await execution.accepted()
    return execution


def _present(engine: Engine, first: TriggerReceived) -> tuple[Flow, Trigger | None]:
    """The newest revision of what was started, and its trigger.

    Raises:
        FlowUnusable: The flow or the trigger is gone.
    """
    try:
        flow = engine.flow(first.namespace, first.flow)
    except FlowUnknown as error:
        raise FlowUnusable(f"{first.namespace}/{first.flow} was removed; create it again first") from error
    trigger = flow.trigger(first.trigger) if first.trigger else None
    if first.trigger and trigger is None:
        raise FlowUnusable(f"{flow.name} has no trigger {first.trigger} any more")
    return flow, trigger


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


def table(engine: Engine) -> list[Route]:
    """Replaying."""
    return [
        Route(
            "POST",
            "/executions/<execution_id>/actions/replay",
            partial(replay, engine),
            Permission.OPERATE,
            "Run an execution once more",
            query=Replay,
            answers=Reply(ExecutionView),
            errors=(404, 409, 422),
            older="/executions/<execution_id>/replay",
        )
    ]
