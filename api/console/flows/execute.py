"""Starting a flow by hand, and the curl line of each webhook for a payload; the result beside it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hookledger.actors.errors import DeliveryRefused, FlowUnknown, FlowUnusable
from hookledger.actors.flows import Revision
from hookledger.actors.reception import Delivery
from hookledger.api.call import Call
from hookledger.api.console.flows.base import Desk, name_of
from hookledger.api.console.flows.inputs import LABELS, errors_of, fields_of, given_inputs, given_labels
from hookledger.api.console.flows.sending import MEDIA_TYPES
from hookledger.api.console.flows.trigger_words import uses_secrets
from hookledger.api.console.flows.triggers import WebhookView, webhook_view
from hookledger.api.console.forms import Form, form_of
from hookledger.api.console.pages import execution_path, flow_path
from hookledger.api.html import see_other
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.permissions import Permission
from hookledger.api.webhook.curl import (
    BODILESS,
    JSON,
    PAYLOAD,
    Target,
    default_method,
    hidden,
    line_of,
    prepared,
    webhooks,
)
from hookledger.journal.figures import FlowKey
from hookledger.runtime.flow.inputs import InputsInvalid
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.triggers.webhook import WebhookSettings

SOURCE: Final = "console"
"""What the label `system.from` of an execution started here says."""


UNTOLD: Final = (
    "the whole line has secrets of the server in it, which only those who may change flows see; "
    "`Send a test` on the tab Triggers sends it for you"
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A curl line; either both forms of it, or a problem."""

    shown: str = ""
    """Without key, credentials and signature."""
    line: str = ""
    problem: str = ""


class CurlView(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook in the dialog: what was typed, and its line."""

    id: str
    anchor: str
    webhook: WebhookView
    methods: tuple[str, ...]
    method: str
    content_type: str
    query: str
    payload: str
    bodiless: bool
    signed: bool
    line: Line


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """An execution beside the form."""

    id: str
    path: str
    state: str
    ended: bool
    duration: int | None
    outputs: tuple[tuple[str, str], ...]
    error: str


async def execute_page(desk: Desk, call: Call) -> HttpResponse:
    """`GET /flows/{namespace}/{id}/execute`: `run` names the execution that is shown beside the form."""
    run = (call.query.get("run") or [""])[0]
    return await _page(desk, call, desk.revision(call), run=run)


async def execute(desk: Desk, call: Call) -> HttpResponse:
    """`POST /flows/{namespace}/{id}/execute`: start it; or the form again, with what is wrong at its field."""
    revision, form = desk.revision(call), await form_of(call)
    labels, wrong = given_labels(form.get(LABELS))
    if wrong:
        return await _page(desk, call, revision, form=form, labels_error=wrong, status=422)
    try:
        return await _started(desk, call, form, labels)
    except DeliveryRefused as refused:
        errors = _errors(revision, refused)
    except (FlowUnknown, FlowUnusable) as error:
        errors = {"": str(error)}
    return await _page(desk, call, revision, form=form, errors=errors, status=422)


async def curl(desk: Desk, call: Call) -> HttpResponse:
    """`POST /flows/{namespace}/{id}/curl`: the line for a payload, as JSON for the script, else the page again."""
    revision, form = desk.revision(call), await form_of(call)
    if JSON not in (call.request.header("accept") or ""):
        return await _page(desk, call, revision, curl_form=form)
    flow = revision.flow
    trigger = flow.trigger(form.get("trigger")) if flow is not None else None
    if flow is None or trigger is None or not isinstance(trigger.settings, WebhookSettings):
        line = Line(problem="there is no such webhook any more; load the page again")
    else:
        line = curl_view(desk, call, flow, trigger, form).line
    return json_response(msgspec.to_builtins(line))


async def _started(desk: Desk, call: Call, form: Form, labels: dict[str, str]) -> HttpResponse:
    namespace, flow_id = call.path["namespace"], call.path["flow"]
    flow = desk.engine.flow(namespace, flow_id)
    delivery = Delivery(inputs=given_inputs(flow.inputs, form), labels=labels, source=SOURCE)
    execution = await desk.engine.deliver(flow, None, delivery, actor=call.by)
    await execution.accepted()
    return see_other(f"{flow_path(namespace, flow_id, 'execute')}?run={execution.id}")


def _errors(revision: Revision, refused: DeliveryRefused) -> dict[str, str]:
    """What is wrong, by input: the cause of the refusal knows the places."""
    cause = refused.__cause__
    if isinstance(cause, InputsInvalid) and revision.flow is not None:
        return errors_of(revision.flow.inputs, cause.problems)
    return {"": str(refused)}


async def _page(
    desk: Desk,
    call: Call,
    revision: Revision,
    *,
    run: str = "",
    form: Form | None = None,
    errors: Mapping[str, str] | None = None,
    labels_error: str = "",
    curl_form: Form | None = None,
    status: int = 200,
) -> HttpResponse:
    flow = revision.flow
    return desk.flow_page(
        call,
        revision,
        "execute",
        status=status,
        fields=fields_of(flow.inputs, form, errors) if flow else [],
        labels=form.get(LABELS) if form else "",
        failed=status != 200,
        failure=(errors or {}).get("", ""),
        labels_error=labels_error,
        curls=_curls(desk, call, flow, curl_form) if flow else [],
        media_types=MEDIA_TYPES,
        **await _runs(desk, revision, run),
    )


def _curls(desk: Desk, call: Call, flow: Flow, form: Form | None) -> list[CurlView]:
    """Every webhook that takes deliveries; the form is that of one of them."""
    chosen = form.get("trigger") if form else ""
    return [
        curl_view(desk, call, flow, one, form if one.id == chosen else None)
        for one in webhooks(flow)
        if not one.disabled
    ]


def curl_view(desk: Desk, call: Call, flow: Flow, trigger: Trigger, form: Form | None) -> CurlView:
    """A webhook in the dialog."""
    settings: WebhookSettings = trigger.settings
    method = form.get("method").upper() if form else default_method(settings)
    method = method if method in settings.methods else default_method(settings)
    content_type = form.get("content_type", JSON).strip() if form else JSON
    query = form.get("query").strip().removeprefix("?") if form else ""
    payload = form.get("payload") if form else PAYLOAD
    return CurlView(
        id=trigger.id,
        anchor=f"curl-{trigger.id}",
        webhook=webhook_view(desk, call, flow, trigger),
        methods=settings.methods,
        method=method,
        content_type=content_type,
        query=query,
        payload=payload,
        bodiless=method in BODILESS,
        signed=settings.signature is not None,
        line=_line(desk, call, flow, trigger, (method, content_type, query, payload)),
    )


def _line(desk: Desk, call: Call, flow: Flow, trigger: Trigger, typed: tuple[str, str, str, str]) -> Line:
    method, content_type, query, payload = typed
    try:
        target = Target(flow, trigger, desk.address(call), desk.engine.ports)
        request = prepared(target, payload.encode(), method, content_type, query)
        if not call.identity.may(Permission.EDIT) and _tells(trigger.settings):
            return Line(shown=line_of(hidden(target, request)), problem=UNTOLD)
        return Line(shown=line_of(hidden(target, request)), line=line_of(request))
    except ValueError as error:
        return Line(problem=str(error))


def _tells(settings: WebhookSettings) -> bool:
    """Whether a ready request has a secret of the server in it as it is; an HMAC gives none away."""
    signature = settings.signature
    plain = signature is not None and signature.scheme.recipe.algorithm.name == "TOKEN"
    secrets = (
        signature.secrets
        if signature is not None and (plain or signature.scheme.recipe.preset == "GITLAB")
        else ()
    )
    return any(uses_secrets(tree) for tree in (settings.key, *settings.authentication, *secrets))


async def _runs(desk: Desk, revision: Revision, chosen: str) -> dict[str, RunView | None]:
    """The execution begun here, and the newest of the flow: a pasted curl line starts that one."""
    name = name_of(revision)
    found = (await desk.engine.journal.ask(lambda reader: reader.recent([name], 1))).get(name)
    run = await _run(desk, name, chosen) if chosen else None
    other = found[0].execution if found and found[0].execution != chosen else ""
    return {"run": run, "newest": await _run(desk, name, other) if other else None}


async def _run(desk: Desk, name: FlowKey, execution_id: str) -> RunView | None:
    """An execution; None when it is none of this flow."""
    row = await desk.engine.journal.ask(lambda reader: reader.row(execution_id))
    if row is None or (row.namespace, row.flow) != name:
        return None
    state = await desk.engine.replay(execution_id)
    error: Any = getattr(state.terminal, "error", None)
    return RunView(
        id=execution_id,
        path=execution_path(row.namespace, row.flow, execution_id),
        state=state.status,
        ended=state.terminal is not None,
        duration=row.ended - row.started if row.ended else None,
        outputs=tuple((key, _shown(value)) for key, value in state.outputs.items()),
        error=error.message if error is not None else "",
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value)).decode()
