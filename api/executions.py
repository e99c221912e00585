"""REST: executions and flows. Plain functions of a request's parameters; the routes are in `app`."""

from collections.abc import Mapping
from typing import Final

from hookledger.actors.engine import Engine
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.views import execution_view, flow_view, row_view
from hookledger.journal.errors import ExecutionUnknown
from hookledger.journal.store import Query

PAGE_SIZE_MAX: Final = 100


async def get_execution(engine: Engine, execution_id: str) -> HttpResponse:
    """`GET executions/{id}`."""
    try:
        state = await engine.replay(execution_id)
    except ExecutionUnknown:
        return problem(404, f"there is no execution {execution_id}", slug="execution-unknown")
    return json_response(execution_view(execution_id, state))


async def search_executions(engine: Engine, parameters: Mapping[str, list[str]]) -> HttpResponse:
    """`GET executions/search`: namespace, flowId, state (repeatable), page (from 1), size."""
    page, size = _number(parameters, "page", 1), _number(parameters, "size", 25)
    if page is None or size is None or page < 1 or not 1 <= size <= PAGE_SIZE_MAX:
        return problem(400, f"page counts from 1, size is 1 to {PAGE_SIZE_MAX}", slug="bad-page")
    query = Query(
        namespace=_first(parameters, "namespace"),
        flow=_first(parameters, "flowId"),
        states=tuple(parameters.get("state", ())),
        limit=size,
        offset=(page - 1) * size,
    )
    rows, total = await engine.journal.ask(lambda reader: reader.rows(query))
    return json_response({"results": [row_view(row) for row in rows], "total": total})


def get_flow(
    engine: Engine, namespace: str, flow_id: str, parameters: Mapping[str, list[str]]
) -> HttpResponse:
    """`GET flows/{namespace}/{id}`: `source=true` adds the YAML, `revision=N` asks for an older one."""
    wanted = _number(parameters, "revision", 0)
    if wanted is None:
        return problem(400, "revision is a number", slug="bad-revision")
    flows = engine.flows
    found = flows.pinned(namespace, flow_id, wanted) if wanted else flows.newest(namespace, flow_id)
    if found is None:
        return problem(404, f"there is no flow {namespace}/{flow_id}", slug="flow-unknown")
    return json_response(flow_view(found, source=_first(parameters, "source") == "true"))


def _first(parameters: Mapping[str, list[str]], name: str) -> str | None:
    values = parameters.get(name)
    return values[0] if values else None


def _number(parameters: Mapping[str, list[str]], name: str, default: int) -> int | None:
    text = _first(parameters, name)
    if text is None:
        return default
    return int(text) if text.isdecimal() and len(text) < 10 else None
