"""REST: running an execution once more, from the same delivery."""

from collections.abc import Iterable
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.actors.errors import CommandRefused, DeliveryRefused, FlowUnknown, FlowUnusable
from hookledger.actors.forks import fork
from hookledger.actors.handle import Execution
from hookledger.actors.ids import new_id
from hookledger.actors.reception import Delivery
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.permissions import Permission
from hookledger.api.queries import Query
from hookledger.api.rest.deliveries import copy_of
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import ExecutionView
from hookledger.api.views import execution_view, shown
from hookledger.journal.events import ExecutionForked, TriggerReceived
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.secret_inputs import looked_up, secret_ids
from hookledger.runtime.state import State, fold
from hookledger.runtime.variables import run_id


class Replay(Query, frozen=True, kw_only=True):
    """Where a replay begins."""

    task_run_id: str | None = None
    """Where to begin; what had been done before it is kept."""
    revision: Annotated[int, Meta(ge=0)] = 0
    """0 for the newest, or for the one it ran when it begins at a task."""
    breakpoints: str | None = None
    """Kestra's; without effect."""


async def replay(engine: Engine, call: Call, query: Replay) -> HttpResponse:
    """A new execution from the same delivery, or one that begins at a task with what had been done before it."""
    execution_id = call.path["execution_id"]
    if query.task_run_id is not None:
        path = query.task_run_id.removeprefix(run_id(execution_id, ""))
        try:
            begun = await fork(engine, execution_id, path, by=call.by, revision=query.revision)
        except CommandRefused as error:
            return problem(422, str(error), slug="task-run-refused")
        return await shown(await engine.past(begun.id), json_response)
    execution = await start_again(engine, execution_id, call.by, revision=query.revision)
    return json_response(execution_view(execution.id, fold(State(), execution.received)))


async def start_again(engine: Engine, execution_id: str, by: str, *, revision: int = 0) -> Execution:
    """Start a new execution from what started one; returns once it can no longer be lost.

    Args:
        revision: Of the flow; 0 for the newest.

    Raises:
        ExecutionUnknown: There is no such execution.
        FlowUnusable: The flow or the trigger is gone.
        DeliveryRefused: The trigger's rules or the inputs say no.
    """
    first = await _first(engine, execution_id)
    flow, trigger = _present(engine, first, revision)
    pinned = engine.flows.pinned(first.namespace, first.flow, first.revision)
    sealed = {*secret_ids(flow), *(secret_ids(pinned.flow) if pinned and pinned.flow else ())}
    copy = again(first, trigger, execution_id, sealed)
    if first.delivery:
        delivery_id = new_id(engine.ports.clock, engine.ports.entropy)
        copy = msgspec.structs.replace(copy, id=delivery_id)
    execution = await engine.deliver(flow, trigger, copy, actor=by)
    await execution.accepted()
    return execution


async def _first(engine: Engine, execution_id: str) -> TriggerReceived:
    """What an execution was started with, also one that began as a fork."""
    first = (await engine.events(execution_id))[0]
    received = first.received if isinstance(first, ExecutionForked) else first
    assert isinstance(received, TriggerReceived)
    return received


def _present(engine: Engine, first: TriggerReceived, revision: int) -> tuple[Flow, Trigger | None]:
    """A revision of what was started (0 for the newest), and its trigger.

    Raises:
        FlowUnusable: The flow or the trigger is gone.
    """
    try:
        flow = engine.flow(first.namespace, first.flow, revision)
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
    copy = msgspec.structs.replace(
        copy_of(first, ""),
        source=first.labels.get("system.from", "api"),
        original=first.original or execution_id,
    )
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
