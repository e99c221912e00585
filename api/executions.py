"""REST: executions. Plain functions of a request's parameters; the table of routes is in `routes`."""

from collections.abc import Mapping

from hookledger.actors.engine import Engine
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.paging import first, page_of
from hookledger.api.views import execution_view, row_view
from hookledger.journal.errors import ExecutionUnknown
from hookledger.journal.store import Query


async def get_execution(engine: Engine, execution_id: str) -> HttpResponse:
    """`GET executions/{id}`."""
    try:
        state = await engine.replay(execution_id)
    except ExecutionUnknown:
        return problem(404, f"there is no execution {execution_id}", slug="execution-unknown")
    return json_response(execution_view(execution_id, state))


async def search_executions(engine: Engine, parameters: Mapping[str, list[str]]) -> HttpResponse:
    """`GET executions/search`: namespace, flowId, state (repeatable), page (from 1), size."""
    page = page_of(parameters)
    if isinstance(page, HttpResponse):
        return page
    query = Query(
        namespace=first(parameters, "namespace"),
        flow=first(parameters, "flowId"),
        states=tuple(parameters.get("state", ())),
        limit=page.size,
        offset=page.offset,
    )
    rows, total = await engine.journal.ask(lambda reader: reader.rows(query))
    return json_response({"results": [row_view(row) for row in rows], "total": total})
