"""REST: starting a flow by hand, and asking beforehand whether its inputs would do."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.actors.errors import DeliveryRefused
from hookledger.actors.reception import Delivery
from hookledger.api.call import Call
from hookledger.api.forms import FORM, read_form, read_json
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.permissions import Permission
from hookledger.api.queries import LabelText, Query, labels_of
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import ExecutionView, LabelMap, Shape
from hookledger.api.views import execution_view, shown
from hookledger.runtime.flow.inputs import AnyInput, Examined, SecretInput
from hookledger.runtime.masking import MASK
from hookledger.runtime.state import State, fold

CORRELATION: Final = "system.correlationId"


class StartWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a flow is started with."""

    inputs: dict[str, Any] = {}
    labels: LabelMap = {}


BODY: Final[dict[str, Any]] = {"application/json": StartWish, FORM: dict[str, Any]}
"""JSON, or a form whose fields are the inputs."""


class Checked(Query, frozen=True, kw_only=True):
    """What a flow is started with beside its inputs."""

    labels: tuple[LabelText, ...] = ()
    revision: Annotated[int, Meta(ge=0)] = 0
    """0 for the newest."""


class Start(Checked, frozen=True, kw_only=True):
    """How a flow is started."""

    wait: bool = False
    """Answer when it has ended."""
    schedule_date: str | None = None
    """Kestra's; not possible here, and refused."""
    breakpoints: str | None = None
    """Kestra's; not possible here, and refused."""
    kind: Literal["NORMAL"] = "NORMAL"
    """Kestra's; there is no other."""


async def start(engine: Engine, call: Call, query: Start) -> HttpResponse:
    """Start a flow by hand."""
    _only_possible(query)
    wish = await _wish(call, query.labels)
    flow = engine.flow(call.path["namespace"], call.path["flow_id"], query.revision)
    delivery = Delivery(inputs=wish.inputs, labels=wish.labels, source="api")
    execution = await engine.deliver(flow, None, delivery, actor=call.by)
    await execution.accepted()
    if query.wait:
        await execution.finished()
        return await shown(await engine.past(execution.id), json_response)
    return json_response(execution_view(execution.id, fold(State(), execution.received)))


async def validate_inputs(engine: Engine, call: Call, query: Checked) -> HttpResponse:
    """Say what each input comes to and what is wrong with it, and start nothing."""
    wish = await _wish(call, query.labels)
    flow = engine.flow(call.path["namespace"], call.path["flow_id"], query.revision)
    given = Delivery(inputs=wish.inputs, labels=wish.labels, source="api")
    examined = await engine.examine_inputs(flow, given)
    checked = checked_inputs(flow.inputs, examined)
    return json_response(InputsChecked(id=flow.id, namespace=flow.namespace, inputs=checked))


class InputFault(Shape, frozen=True, kw_only=True):
    """Why a value does not fit."""

    message: str
    """With the path of what is wrong."""
    render_error: bool
    """True when an expression of the declaration failed."""


class InputChecked(Shape, frozen=True, kw_only=True):
    """What one input comes to."""

    input: Mapping[str, Any]
    """As it is declared; a name that is not declared stands as a STRING that is not enabled."""
    value: Any
    """As it was given where it does not fit; null where there is none; a SECRET is hidden."""
    enabled: bool
    """False where `dependsOn` does not hold."""
    is_default: bool
    errors: list[InputFault]


class InputsChecked(Shape, frozen=True, kw_only=True):
    """What would become of the inputs; they do when no `errors` stand in any of them."""

    id: str
    """Of the flow."""
    namespace: str
    inputs: list[InputChecked]
    checks: tuple[Any, ...] = ()
    """Kestra's; always empty here."""


def checked_inputs(declared: Iterable[AnyInput], examined: Iterable[Examined]) -> list[InputChecked]:
    """Each input as the API shows it."""
    known = {one.id: one for one in declared}
    return [
        InputChecked(
            input=_declaration(one.id, known.get(one.id)),
            value=MASK if one.value and isinstance(known.get(one.id), SecretInput) else one.value,
            enabled=one.enabled,
            is_default=one.default,
            errors=[
                InputFault(message=problem.sentence, render_error=one.unrendered) for problem in one.problems
            ],
        )
        for one in examined
    ]


def _declaration(name: str, declared: AnyInput | None) -> dict[str, Any]:
    if declared is None:
        return {"id": name, "type": "STRING", "required": False}
    shown = {key: value for key, value in msgspec.to_builtins(declared).items() if value is not None}
    hidden = {"defaults": MASK} if isinstance(declared, SecretInput) and "defaults" in shown else {}
    return shown | hidden


async def _wish(call: Call, labels: Iterable[str]) -> StartWish:
    form = await read_form(call)
    wish = StartWish(inputs=form) if form is not None else await read_json(call, StartWish)
    both = wish.labels | labels_of(labels)
    if any(name.startswith("system.") and name != CORRELATION for name in both):
        raise DeliveryRefused(f"labels that begin with `system.` are set by the engine, except {CORRELATION}")
    return msgspec.structs.replace(wish, labels=both)


def _only_possible(query: Start) -> None:
    if query.schedule_date is not None:
        raise DeliveryRefused("`scheduleDate` is not possible here; a Schedule trigger begins at a time")
    if query.breakpoints is not None:
        raise DeliveryRefused("`breakpoints` are not possible here; a Pause task waits where it stands")


def table(engine: Engine) -> list[Route]:
    """Starting by hand."""
    flow = "/executions/<namespace>/<flow_id>"
    return [
        Route(
            "POST",
            flow,
            partial(start, engine),
            Permission.OPERATE,
            "Start a flow",
            query=Start,
            body=BODY,
            answers=Reply(ExecutionView),
            errors=(404, 409, 415, 422),
        ),
        Route(
            "POST",
            f"{flow}/validate",
            partial(validate_inputs, engine),
            Permission.OPERATE,
            "Check inputs and start nothing",
            query=Checked,
            body=BODY,
            answers=Reply(InputsChecked),
            errors=(404, 409, 415, 422),
        ),
    ]
