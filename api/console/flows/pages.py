"""A flow's page: what it is, how the last runs went, its executions; and taking it out of service."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from hookledger.api.call import Call
from hookledger.api.console.flows.base import FLOWS, Desk, name_of
from hookledger.api.console.flows.list import kind_of
from hookledger.api.console.flows.spark import RUNS_MAX, spark_of
from hookledger.api.console.flows.trigger_words import brief
from hookledger.api.console.pager import page_number, pager_of
from hookledger.api.console.pages import done, flow_path
from hookledger.api.console.rows import list_row
from hookledger.api.http import HttpResponse
from hookledger.api.secrecy import shown_to
from hookledger.api.webhook.curl import HIDDEN
from hookledger.journal.index import STATES as INDEX_STATES
from hookledger.journal.store import Query
from hookledger.journal.text import unknown
from hookledger.runtime.flow.input_types import SecretInput, type_name
from hookledger.runtime.flow.inputs import AnyInput, Output
from hookledger.runtime.flow.model import Flow

RUNS_SHOWN: Final = 10
PAGE_SIZE: Final = 25
STATES: Final = (
    "RUNNING",
    "PAUSED",
    "QUEUED",
    "RESTARTED",
    "SUCCESS",
    "WARNING",
    "FAILED",
    "KILLED",
    "CANCELLED",
    "RETRIED",
)


class ValueRow(msgspec.Struct, frozen=True, kw_only=True):
    """An input or an output as the overview shows it."""

    id: str
    type: str
    required: bool
    default: str
    description: str


class TriggerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger in one line."""

    id: str
    kind: str
    text: str
    disabled: bool


async def overview(desk: Desk, call: Call) -> HttpResponse:
    """`GET /flows/{namespace}/{id}`."""
    revision = await shown_to(desk.revision(call), call.identity)
    name = name_of(revision)
    query = Query(namespace=name[0], flow=name[1], limit=RUNS_SHOWN, total_max=0)
    runs = await desk.engine.journal.ask(lambda reader: reader.recent([name], RUNS_MAX))
    rows, _ = await desk.engine.journal.ask(lambda reader: reader.rows(query))
    return desk.flow_page(
        call,
        revision,
        "overview",
        registered=revision.registered,
        plan=revision.flow,
        inputs=input_rows(revision.flow),
        outputs=output_rows(revision.flow),
        triggers=trigger_rows(revision.flow),
        tasks=len(list(revision.flow.walk())) if revision.flow else 0,
        spark=spark_of(runs.get(name, [])),
        rows=[list_row(row, desk.now, desk.engine.quarantined) for row in rows],
    )


async def executions(desk: Desk, call: Call) -> HttpResponse:
    """`GET /flows/{namespace}/{id}/executions`: `state`, `page`."""
    revision = desk.revision(call)
    namespace, flow_id = name_of(revision)
    state = (call.query.get("state") or [""])[0].strip().upper()
    problem = unknown("state", state, INDEX_STATES) if state and state not in INDEX_STATES else ""
    page = page_number((call.query.get("page") or ["1"])[0])
    query = Query(
        namespace=namespace,
        flow=flow_id,
        states=(state,) if state else (),
        limit=PAGE_SIZE,
        offset=(page - 1) * PAGE_SIZE,
    )
    rows, total = ([], 0) if problem else await desk.engine.journal.ask(lambda reader: reader.rows(query))
    path = flow_path(namespace, flow_id, "executions")
    return desk.flow_page(
        call,
        revision,
        "executions",
        status=400 if problem else 200,
        problem=problem,
        rows=[list_row(row, desk.now, desk.engine.quarantined) for row in rows],
        states=STATES,
        state=state,
        path=path,
        pager=pager_of(path, {"state": state}, page=page, size=PAGE_SIZE, total=total, noun="executions"),
    )


async def remove(desk: Desk, call: Call) -> HttpResponse:
    """`POST /flows/{namespace}/{id}/remove`: it takes no more deliveries."""
    namespace, flow_id = name_of(desk.revision(call))
    await desk.engine.remove(namespace, flow_id, by=call.by)
    return done(FLOWS, "removed")


def input_rows(flow: Flow | None) -> list[ValueRow]:
    """The declared inputs."""
    declared: Iterable[AnyInput] = flow.inputs if flow else ()
    return [
        ValueRow(
            id=one.id,
            type=type_name(one),
            required=one.required and one.defaults is None,
            default=_default(one),
            description=one.description or one.display_name or "",
        )
        for one in declared
    ]


def _default(declared: AnyInput) -> str:
    if declared.defaults is None:
        return ""
    return HIDDEN if isinstance(declared, SecretInput) else shown(declared.defaults)


def output_rows(flow: Flow | None) -> list[ValueRow]:
    """The declared outputs; their expression stands where inputs have a default."""
    declared: Iterable[Output] = flow.outputs if flow else ()
    return [
        ValueRow(
            id=one.id,
            type=one.type or "STRING",
            required=one.required,
            default=shown(one.value),
            description=one.description or one.display_name or "",
        )
        for one in declared
    ]


def trigger_rows(flow: Flow | None) -> list[TriggerRow]:
    """The triggers in short."""
    return [
        TriggerRow(id=one.id, kind=kind_of(one), text=brief(one), disabled=one.disabled)
        for one in (flow.triggers if flow else ())
    ]


def shown(value: Any) -> str:
    """A value as its author would write it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
