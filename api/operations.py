"""REST: what an operator may do to an execution, and starting one by hand.

Paths are those of Kestra 2 (`/actions/...`); the older ones without `/actions` answer too.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from hookledger.actors.engine import Engine
from hookledger.actors.errors import CommandRefused, DeliveryRefused, FlowUnknown, FlowUnusable
from hookledger.actors.operators import Kill, Note, OperatorCommand, Pause, Restart, Resume, SetLabels
from hookledger.actors.reception import Delivery
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.views import execution_view, log_view
from hookledger.journal.errors import ExecutionUnknown
from hookledger.runtime.state import State, fold

T = TypeVar("T", bound=msgspec.Struct)


class Reason(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Why; kept with the command."""

    reason: str = ""


class RestartWish(Reason, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`actions/restart`."""

    revision: int = 0


class ResumeWish(Reason, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`actions/resume`: for a Pause task its inputs, for an attempt in doubt the choice."""

    path: str | None = None
    inputs: dict[str, Any] = msgspec.field(default_factory=dict)
    choice: str = ""


class LabelsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`actions/labels`."""

    labels: dict[str, str]


class NoteWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`actions/note`."""

    text: str


class StartWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Starting a flow by hand."""

    inputs: dict[str, Any] = msgspec.field(default_factory=dict)
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class Unreadable(Exception):
    """The request's body is not what the route takes."""


def read_wish(kind: type[T], body: bytes) -> T:
    """Read a JSON body; an empty one is one without members.

    Raises:
        Unreadable: With what is wrong and where.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from error


def _kill(body: bytes, by: str) -> OperatorCommand:
    return Kill(by=by, reason=read_wish(Reason, body).reason)


def _pause(body: bytes, by: str) -> OperatorCommand:
    return Pause(by=by)


def _resume(body: bytes, by: str) -> OperatorCommand:
    wish = read_wish(ResumeWish, body)
    return Resume(by=by, path=wish.path, inputs=wish.inputs, choice=wish.choice, reason=wish.reason)


def _restart(body: bytes, by: str) -> OperatorCommand:
    wish = read_wish(RestartWish, body)
    return Restart(by=by, revision=wish.revision, reason=wish.reason)


def _labels(body: bytes, by: str) -> OperatorCommand:
    return SetLabels(by=by, labels=read_wish(LabelsWish, body).labels)


def _note(body: bytes, by: str) -> OperatorCommand:
    return Note(by=by, text=read_wish(NoteWish, body).text)


ACTIONS: Final = {
    "kill": ("DELETE", _kill),
    "pause": ("POST", _pause),
    "resume": ("POST", _resume),
    "restart": ("POST", _restart),
    "labels": ("POST", _labels),
    "note": ("POST", _note),
}
"""Name of the action, its method, and how its body becomes a command."""


async def act(engine: Engine, execution_id: str, action: str, body: bytes, by: str) -> HttpResponse:
    """Carry out an action; answers with the execution once what happened is durable."""
    try:
        command = ACTIONS[action][1](body, by)
        await engine.command(execution_id, command)
        state = await engine.replay(execution_id)
    except Unreadable as error:
        return problem(422, str(error), slug="invalid-request-body")
    except ExecutionUnknown:
        return problem(404, f"there is no execution {execution_id}", slug="execution-unknown")
    except CommandRefused as error:
        return problem(409, str(error), slug="command-refused")
    return json_response(execution_view(execution_id, state))


async def start(
    engine: Engine, namespace: str, flow_id: str, parameters: Mapping[str, list[str]], body: bytes, by: str
) -> HttpResponse:
    """`POST executions/{namespace}/{flowId}`: start a flow by hand; `?wait=true` answers when it has ended."""
    try:
        wish = read_wish(StartWish, body)
        flow = engine.flow(namespace, flow_id)
        delivery = Delivery(inputs=wish.inputs, labels=wish.labels, source="api")
        execution = engine.deliver(flow, None, delivery, actor=by)
    except Unreadable as error:
        return problem(422, str(error), slug="invalid-request-body")
    except FlowUnknown as error:
        return problem(404, str(error), slug="flow-unknown")
    except FlowUnusable as error:
        return problem(409, str(error), slug="flow-unusable")
    except DeliveryRefused as error:
        return problem(422, str(error), slug="delivery-refused")
    await execution.accepted()
    state = fold(State(), execution.received)
    if parameters.get("wait") == ["true"]:
        state = await execution.finished()
    return json_response(execution_view(execution.id, state))


async def get_logs(engine: Engine, execution_id: str) -> HttpResponse:
    """`GET logs/{executionId}`."""
    row = await engine.journal.ask(lambda reader: reader.row(execution_id))
    if row is None:
        return problem(404, f"there is no execution {execution_id}", slug="execution-unknown")
    lines = await engine.journal.ask(lambda reader: reader.logs(execution_id))
    return json_response([log_view(row, line) for line in lines])
