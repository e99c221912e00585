"""A flow's triggers: where each webhook is, what it wants, what it got lately; and a form that sends a test."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from hookledger.actors.flows import Revision
from hookledger.api.call import Call
from hookledger.api.console.flows.base import Desk
from hookledger.api.console.flows.list import kind_of
from hookledger.api.console.flows.sending import (
    MEDIA_TYPES,
    ProbeForm,
    ProbeResult,
    probe_form,
    probed,
)
from hookledger.api.console.flows.trigger_words import Fact, facts, secret_names, uses_secrets
from hookledger.api.console.forms import form_of
from hookledger.api.console.pages import HOME, execution_path, flow_path
from hookledger.api.http import HttpResponse
from hookledger.api.permissions import Permission
from hookledger.api.webhook.curl import Target, hidden_url
from hookledger.journal.deliveries import DeliveryQuery, DeliveryRow
from hookledger.journal.store import Reader
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.triggers.schedule import ScheduleSettings
from hookledger.runtime.triggers.webhook import WebhookSettings

DELIVERIES_SHOWN: Final = 10
VERDICTS: Final = {
    "ACCEPTED": ("accepted", "success"),
    "REJECTED": ("refused", "failed"),
    "HANDSHAKE": ("handshake", "quiet"),
    "DUPLICATE": ("duplicate", "waiting"),
}
"""Kind of a delivery: the word for it and its style."""


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery in a list."""

    id: str
    path: str
    at: int
    verdict: str
    style: str
    reason: str
    status: int
    method: str
    remote: str
    bytes: int
    execution: str
    execution_path: str
    suppressed: int
    replay_of: str


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """What only a webhook has."""

    hidden_url: str
    url: str = ""
    """With the key; empty for those who may not use it, and when it cannot be rendered."""
    problem: str = ""
    """Why the key cannot be rendered."""
    needs: str = ""
    """The permission that shows the key, for those who have it not."""
    missing: tuple[str, ...] = ()
    """The secrets that are not there."""
    methods: tuple[str, ...] = ()
    form: ProbeForm | None = None
    result: ProbeResult | None = None
    deliveries: tuple[DeliveryView, ...] = ()
    total: int = 0


class TriggerView(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger on its tab."""

    id: str
    anchor: str
    """For links and labels within the page."""
    kind: str
    type: str
    disabled: bool
    facts: list[Fact]
    next: int = 0
    """When a schedule is due, microseconds; 0 for none."""
    test_path: str = ""
    webhook: WebhookView | None = None


async def triggers_page(desk: Desk, call: Call) -> HttpResponse:
    """`GET /flows/{namespace}/{id}/triggers`."""
    return await _page(desk, call, desk.revision(call), {})


async def send_test(desk: Desk, call: Call) -> HttpResponse:
    """`POST /flows/{namespace}/{id}/triggers/{trigger}/test`: the page again, with what came of it."""
    revision = desk.revision(call)
    trigger = revision.flow.trigger(call.path["trigger"]) if revision.flow is not None else None
    if revision.flow is None or trigger is None or not isinstance(trigger.settings, WebhookSettings):
        return desk.missing(call, f"webhook {call.path['trigger'][:40]}")
    form = probe_form(trigger.settings, await form_of(call))
    try:
        target = Target(revision.flow, trigger, desk.address(call), desk.engine.ports)
    except ValueError as error:
        result = ProbeResult(problem=f"the key cannot be rendered: {error}")
    else:
        result = await probed(desk, call, target, form)
    return await _page(desk, call, revision, {trigger.id: (form, result)})


async def _page(
    desk: Desk, call: Call, revision: Revision, tests: Mapping[str, tuple[ProbeForm, ProbeResult]]
) -> HttpResponse:
    flow = revision.flow
    lists = {}
    if flow is not None:
        lists = await desk.engine.journal.ask(lambda reader: last_deliveries(reader, flow))
    return desk.flow_page(
        call,
        revision,
        "triggers",
        triggers=[_view(desk, call, flow, one, lists, tests) for one in flow.triggers] if flow else [],
        media_types=MEDIA_TYPES,
    )


def last_deliveries(reader: Reader, flow: Flow) -> dict[str, tuple[list[DeliveryRow], int]]:
    """The newest deliveries of each webhook, and how many there are."""
    return {
        one.id: reader.deliveries(
            DeliveryQuery(namespace=flow.namespace, flow=flow.id, trigger=one.id, limit=DELIVERIES_SHOWN)
        )
        for one in flow.triggers
        if isinstance(one.settings, WebhookSettings)
    }


def _view(
    desk: Desk,
    call: Call,
    flow: Flow,
    trigger: Trigger,
    lists: Mapping[str, tuple[Sequence[DeliveryRow], int]],
    tests: Mapping[str, tuple[ProbeForm, ProbeResult]],
) -> TriggerView:
    settings = trigger.settings
    view = TriggerView(
        id=trigger.id,
        anchor=f"trigger-{trigger.id}",
        kind=kind_of(trigger),
        type=trigger.type,
        disabled=trigger.disabled,
        facts=facts(trigger),
    )
    if isinstance(settings, ScheduleSettings):
        due = None if trigger.disabled or flow.disabled else settings.next(desk.engine.ports.clock.now())
        return msgspec.structs.replace(view, next=due or 0)
    if not isinstance(settings, WebhookSettings):
        return view
    rows, total = lists[trigger.id]
    form, result = tests.get(trigger.id, (probe_form(settings), None))
    webhook = msgspec.structs.replace(
        webhook_view(desk, call, flow, trigger),
        methods=settings.methods,
        form=form,
        result=result,
        deliveries=tuple(delivery_view(row) for row in rows),
        total=total,
    )
    path = f"{flow_path(flow.namespace, flow.id, 'triggers')}/{quote(trigger.id, safe='')}/test"
    return msgspec.structs.replace(view, webhook=webhook, test_path=path)


def webhook_view(desk: Desk, call: Call, flow: Flow, trigger: Trigger) -> WebhookView:
    """Where a webhook is.

    The key is for those who may start executions: it does nothing else. A key that is a secret of the server is for
    those who may change flows, who could read it anyway.
    """
    settings: WebhookSettings = trigger.settings
    address = desk.address(call)
    shown = hidden_url(flow, address)
    try:
        target = Target(flow, trigger, address, desk.engine.ports)
    except ValueError as error:
        secrets = desk.engine.ports.secrets
        missing = tuple(name for name in secret_names(settings.key) if secrets(name) is None)
        return WebhookView(hidden_url=shown, problem=str(error), missing=missing)
    needed = Permission.EDIT if uses_secrets(settings.key) else Permission.OPERATE
    seen = call.identity.may(needed)
    return WebhookView(hidden_url=shown, url=target.url if seen else "", needs="" if seen else needed.value)


def delivery_view(row: DeliveryRow) -> DeliveryView:
    """A delivery in a list."""
    verdict, style = VERDICTS[row.kind]
    return DeliveryView(
        id=row.delivery,
        path=delivery_path(row.delivery),
        at=row.at,
        verdict=verdict,
        style=style,
        reason=row.reason,
        status=row.status,
        method=row.method,
        remote=row.remote,
        bytes=row.body_bytes,
        execution=row.execution,
        execution_path=execution_path(row.namespace, row.flow, row.execution) if row.execution else "",
        suppressed=row.suppressed,
        replay_of=row.replay_of,
    )


def delivery_path(delivery: str) -> str:
    """The page of a delivery."""
    return f"{HOME}/deliveries/{quote(delivery, safe='')}"
