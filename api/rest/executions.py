"""REST: reading executions, one or many."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, ClassVar, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.graphs import graph_view
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.queries import LabelText, Nothing, Paged, labels_of
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import ExecutionSummary, ExecutionView, Found, GraphView, StateName
from hookledger.api.views import row_view, shown
from hookledger.journal.store import Query as IndexQuery
from hookledger.journal.store import Sort
from hookledger.runtime.flow.graph import graph_of

IDS_MAX: Final = 100
_SORTS: Final[Mapping[str, Sort]] = {"startDate": "started", "endDate": "ended", "duration": "duration"}
Moment: TypeAlias = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]


class ExecutionSearch(Paged, frozen=True, kw_only=True):
    """Which executions to list; all that is said must hold."""

    filters: ClassVar[Mapping[tuple[str, str], str]] = {
        ("q", "EQUALS"): "q",
        ("q", "CONTAINS"): "q",
        ("namespace", "EQUALS"): "exactNamespace",
        ("namespace", "PREFIX"): "namespacePrefix",
        ("flowId", "EQUALS"): "flowId",
        ("triggerId", "EQUALS"): "triggerId",
        ("state", "EQUALS"): "state",
        ("state", "IN"): "state",
        ("labels", "EQUALS"): "labels",
        ("id", "EQUALS"): "id",
        ("id", "IN"): "id",
        ("startDate", "GREATER_THAN_OR_EQUAL_TO"): "startDate",
        ("startDate", "LESS_THAN"): "endDate",
    }

    namespace: str | None = None
    """A namespace and everything below it."""
    namespace_prefix: str | None = None
    """The same."""
    exact_namespace: str | None = None
    """A namespace alone."""
    flow_id: str | None = None
    trigger_id: str | None = None
    state: tuple[StateName, ...] = ()
    labels: tuple[LabelText, ...] = ()
    """All of them."""
    id: Annotated[tuple[str, ...], Meta(max_length=IDS_MAX)] = ()
    q: str = ""
    """A part of the execution's id, its flow's id or its namespace."""
    start_date: Moment | None = None
    """Started then or later."""
    end_date: Moment | None = None
    """Started before."""
    sort: Annotated[str, Meta(pattern=r"^(state\.)?(startDate|endDate|duration)(:(asc|desc))?$")] = (
        "startDate:desc"
    )
    """By an end only executions that have ended."""

    def wanted(self) -> IndexQuery:
        """The same for the index."""
        field, _, direction = self.sort.removeprefix("state.").partition(":")
        return IndexQuery(
            namespace=self.exact_namespace,
            namespace_prefix=self.namespace or self.namespace_prefix,
            flow=self.flow_id,
            trigger=self.trigger_id,
            states=self.state,
            labels=labels_of(self.labels),
            ids=self.id or None,
            text=self.q,
            since=microseconds(self.start_date) if self.start_date else 0,
            until=max(1, microseconds(self.end_date)) if self.end_date else 0,
            sort=_SORTS[field],
            ascending=direction != "desc",
            limit=self.size,
            offset=self.offset,
        )


async def get_execution(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """An execution with its task runs; its entity tag changes with every event."""
    execution_id = call.path["execution_id"]
    past = await engine.past(execution_id)
    tag = f'"{past.state.sequence}"'
    if call.request.header("if-none-match") == tag:
        return HttpResponse(status=304, headers=(("ETag", tag),))
    quarantine = engine.quarantined.get(execution_id, UNSET)
    headers = {"ETag": tag}
    return await shown(
        past,
        lambda view: json_response(msgspec.structs.replace(view, quarantine=quarantine), headers=headers),
    )


async def search_executions(engine: Engine, call: Call, query: ExecutionSearch) -> HttpResponse:
    """Executions page by page."""
    wanted = query.wanted()
    rows, total = await engine.journal.ask(lambda reader: reader.rows(wanted))
    return json_response({"results": [row_view(row, engine.quarantined) for row in rows], "total": total})


async def get_graph(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """The flow of an execution as a graph, in the revision it runs."""
    state = await engine.replay(call.path["execution_id"])
    received = state.received
    assert received is not None
    pinned = engine.flows.pinned(received.namespace, received.flow, state.revision)
    if pinned is None or pinned.flow is None:
        detail = pinned.error if pinned else "its revision is not in the journal"
        return problem(409, detail, slug="flow-unusable")
    return json_response(graph_view(graph_of(pinned.flow)))


def microseconds(moment: datetime) -> int:
    """Since 1970-01-01 UTC; a time without a zone is UTC."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def table(engine: Engine) -> list[Route]:
    """Executions: read and list."""
    found = Reply(Found[ExecutionSummary])
    search = partial(search_executions, engine)
    one = "/executions/<execution_id>"
    return [
        Route(
            "GET",
            "/executions/search",
            search,
            summary="Search executions",
            query=ExecutionSearch,
            answers=found,
        ),
        Route("GET", "/executions", search, summary="List executions", query=ExecutionSearch, answers=found),
        Route(
            "GET",
            one,
            partial(get_execution, engine),
            summary="Read an execution",
            answers=Reply(ExecutionView),
            errors=(304, 404),
            query=Nothing,
        ),
        Route(
            "GET",
            f"{one}/graph",
            partial(get_graph, engine),
            summary="Draw an execution's flow",
            answers=Reply(GraphView),
            errors=(404, 409),
            query=Nothing,
        ),
    ]
