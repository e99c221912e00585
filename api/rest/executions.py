"""REST: reading executions, one or many."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, TypeAlias

from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.graphs import graph_view
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.queries import Nothing, Paged
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import ExecutionSummary, ExecutionView, Found, GraphView, StateName
from hookledger.api.views import execution_view, row_view
from hookledger.journal.store import Query
from hookledger.runtime.flow.graph import graph_of

Moment: TypeAlias = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]


class ExecutionSearch(Paged, frozen=True, kw_only=True):
    """Which executions to list."""

    namespace: str | None = None
    flow_id: str | None = None
    state: tuple[StateName, ...] = ()
    start_date: Moment | None = None
    """Not before."""


async def get_execution(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """An execution with its task runs; its entity tag changes with every event."""
    execution_id = call.path["execution_id"]
    state = await engine.replay(execution_id)
    tag = f'"{state.sequence}"'
    if call.request.header("if-none-match") == tag:
        return HttpResponse(status=304, headers=(("ETag", tag),))
    return json_response(execution_view(execution_id, state), headers={"ETag": tag})


async def search_executions(engine: Engine, call: Call, query: ExecutionSearch) -> HttpResponse:
    """Executions page by page, newest first."""
    wanted = Query(
        namespace=query.namespace,
        flow=query.flow_id,
        states=query.state,
        since=microseconds(query.start_date) if query.start_date else 0,
        limit=query.size,
        offset=query.offset,
    )
    rows, total = await engine.journal.ask(lambda reader: reader.rows(wanted))
    return json_response({"results": [row_view(row) for row in rows], "total": total})


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
