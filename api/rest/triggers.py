"""REST: what starts flows. Unlike Kestra's, these lists have the webhooks too; no key is in them."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import ClassVar

from msgspec import UNSET, UnsetType

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.queries import Paged, in_namespace
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Found, Shape
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import Query as IndexQuery
from hookledger.journal.store import Reader
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.triggers.schedule import ScheduleSettings
from hookledger.runtime.variables import iso_time


class TriggerSearch(Paged, frozen=True, kw_only=True):
    """Which triggers to list."""

    filters: ClassVar[Mapping[tuple[str, str], str]] = {
        ("q", "EQUALS"): "q",
        ("namespace", "EQUALS"): "exactNamespace",
        ("namespace", "PREFIX"): "namespace",
        ("flowId", "EQUALS"): "flowId",
    }

    namespace: str | None = None
    """A namespace and everything below it."""
    exact_namespace: str | None = None
    """A namespace alone."""
    flow_id: str | None = None
    q: str = ""
    """A part of `namespace/flow/trigger` or of the type."""


class OfFlow(Paged, frozen=True, kw_only=True):
    """Which triggers of a flow to list."""

    q: str = ""


class TriggerHead(Shape, frozen=True, kw_only=True):
    """A trigger as its flow has it."""

    id: str
    type: str
    disabled: bool


class TriggerState(Shape, frozen=True, kw_only=True):
    """When a trigger started something, and when it will next."""

    namespace: str
    flow_id: str
    trigger_id: str
    updated_at: str
    disabled: bool
    """It, or its flow."""
    last_triggered_date: str | UnsetType = UNSET
    execution_id: str | UnsetType = UNSET
    """What it started last."""
    next_evaluation_date: str | UnsetType = UNSET
    """Of a Schedule."""


class TriggerAndState(Shape, frozen=True, kw_only=True):
    """Both."""

    trigger: TriggerHead
    state: TriggerState


async def search_triggers(engine: Engine, call: Call, query: TriggerSearch) -> HttpResponse:
    """Triggers by name, page by page."""
    found = _found(engine, query.namespace, query.flow_id, query.q, query.exact_namespace)
    page = await _states(engine, found[query.offset : query.offset + query.size])
    return json_response(Found(results=page, total=len(found)))


async def list_triggers(engine: Engine, call: Call, query: OfFlow) -> HttpResponse:
    """The triggers of one flow."""
    namespace, flow_id = call.path["namespace"], call.path["flow"]
    engine.flow_revision(namespace, flow_id)
    found = _found(engine, None, flow_id, query.q, namespace)
    page = await _states(engine, found[query.offset : query.offset + query.size])
    return json_response(Found(results=[one.state for one in page], total=len(found)))


def _found(
    engine: Engine, below: str | None, flow_id: str | None, text: str, exact: str | None
) -> list[tuple[int, Flow, Trigger]]:
    """Triggers with the time their flow was registered."""
    wanted = text.casefold()
    return [
        (revision.registered.at, flow, trigger)
        for revision in engine.flows
        if (flow := revision.flow) is not None
        and in_namespace(flow.namespace, below=below, exact=exact)
        and flow_id in (None, flow.id)
        for trigger in flow.triggers
        if wanted in f"{flow.name}/{trigger.id}\n{trigger.type}".casefold()
    ]


async def _states(engine: Engine, found: Iterable[tuple[int, Flow, Trigger]]) -> list[TriggerAndState]:
    found = list(found)

    def last(reader: Reader) -> list[ExecutionRow | None]:
        queries = (
            IndexQuery(namespace=flow.namespace, flow=flow.id, trigger=trigger.id, limit=1, total_max=0)
            for _, flow, trigger in found
        )
        return [next(iter(reader.rows(query)[0]), None) for query in queries]

    rows = await engine.journal.ask(last)
    now = engine.ports.clock.now()
    return [_state(*one, row, now) for one, row in zip(found, rows, strict=True)]


def _state(at: int, flow: Flow, trigger: Trigger, row: ExecutionRow | None, now: int) -> TriggerAndState:
    settings = trigger.settings
    due = settings.next(now) if isinstance(settings, ScheduleSettings) else None
    return TriggerAndState(
        trigger=TriggerHead(id=trigger.id, type=trigger.type, disabled=trigger.disabled),
        state=TriggerState(
            namespace=flow.namespace,
            flow_id=flow.id,
            trigger_id=trigger.id,
            updated_at=iso_time(at),
            disabled=trigger.disabled or flow.disabled,
            last_triggered_date=iso_time(row.started) if row else UNSET,
            execution_id=row.execution if row else UNSET,
            next_evaluation_date=iso_time(due) if due is not None else UNSET,
        ),
    )


def table(engine: Engine) -> list[Route]:
    """Triggers."""
    return [
        Route(
            "GET",
            "/triggers/search",
            partial(search_triggers, engine),
            summary="Search triggers",
            query=TriggerSearch,
            answers=Reply(Found[TriggerAndState]),
        ),
        Route(
            "GET",
            "/triggers/<namespace>/<flow>",
            partial(list_triggers, engine),
            summary="List a flow's triggers",
            query=OfFlow,
            answers=Reply(Found[TriggerState]),
            errors=(404,),
        ),
    ]
