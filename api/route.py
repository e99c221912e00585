"""A line of the API's table: what a route takes, what it answers, who may ask; and how a call is answered.

The same types check requests, shape answers and make the OpenAPI document, so the three cannot disagree.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from hookledger.actors.errors import AnswerInvalid, CommandRefused, DeliveryRefused, FlowUnknown, FlowUnusable
from hookledger.actors.ids import is_id
from hookledger.api.call import BodyTooLarge, Call
from hookledger.api.http import HttpResponse, problem
from hookledger.api.permissions import Permission
from hookledger.api.queries import QueryInvalid, read_query
from hookledger.journal.errors import ExecutionDamaged, ExecutionUnknown
from hookledger.runtime.flow.problems import Problem, path_text

PREFIXES: Final = ("/api/v1/main", "/api/v1")
"""Every route also answers without the tenant."""

Handler = Callable[..., Awaitable[HttpResponse]]
"""Gets the call and, where the route has a `query`, its parameters as that Struct."""


class Refused(Exception):
    """The request is not carried out; carries the answer."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        super().__init__(response.status)


class Unreadable(Exception):
    """The request's body is not what the route takes."""


class Reply(msgspec.Struct, frozen=True):
    """What an answer holds."""

    type: Any = None
    """Of its JSON; None for an answer that is no JSON."""
    content_type: str = "application/json"
    status: int = 200


class Route(msgspec.Struct, frozen=True):
    """One line of the table."""

    method: str
    path: str
    """Below the prefix; parameters as `<name>`, or as `<path:name>` where it may hold a slash."""
    handler: Handler
    needs: Permission | None = Permission.READ
    """What its caller must be granted; None where anybody may ask."""
    summary: str = ""
    query: type[msgspec.Struct] | None = None
    """Its query parameters, one field each; None for a handler that reads `call.query` itself."""
    body: Mapping[str, Any] = {}
    """What may be sent: content type to the type of what is in it; empty where no body is read."""
    answers: Reply | None = Reply()
    """None for a 204."""
    errors: tuple[int, ...] = ()
    """Beside those any route has."""
    older: str = ""
    """The path under which Kestra 1 had it."""
    prefixes: tuple[str, ...] = PREFIXES


WORDS: Final[Mapping[str, frozenset[str]]] = {
    "flows": frozenset({
        "search", "source", "graph", "deprecated", "distinct-namespaces", "validate", "bulk", "import", "export",
        "delete", "disable", "enable", "dependencies", "by-ids", "by-query",
    }),
    "executions": frozenset({
        "search", "latest", "trigger", "webhook", "export", "by-ids", "by-query", "kill", "restart", "replay", "resume",
        "pause", "labels", "force-run", "unqueue", "change-status", "set-labels", "delete", "flows", "namespaces",
    }),
    "triggers": frozenset({
        "search", "set-disabled", "unlock", "restart", "backfill", "export", "delete", "by-ids", "by-query",
    }),
    "logs": frozenset({"search", "export", "delete", "by-ids", "by-query"}),
    "metrics": frozenset({"names", "tasks", "aggregates"}),
}  # fmt: skip
"""What stands behind the first part of a path in Kestra's routes and so is no namespace and no execution id here."""
ENDS: Final = frozenset({"by-ids", "by-query"})
"""What is no id of a flow."""
ACTIONS: Final = frozenset({"unqueue", "change-status", "state", "force-run", "file", "metas", "preview"})
"""Ends of an execution's routes; a flow may be called so, but an execution's id is no namespace."""


def is_absent(route: Route, path: Mapping[str, str]) -> bool:
    """Whether a path only seems to be one of this route: a word of another route stands where a name belongs."""
    words = WORDS.get(route.path.split("/")[1], frozenset())
    named = {path.get("namespace"), path.get("execution_id")} & words
    flow = path.get("flow_id") or path.get("flow")
    return bool(named) or flow in ENDS or (flow in ACTIONS and is_id(path.get("namespace", "")))


def absent(method: str, raw_path: str) -> HttpResponse:
    """404 for a route that is not there."""
    detail = f"there is no route {method} {raw_path[:200]}; GET /api/openapi.json lists every path"
    return problem(404, detail, slug="route-unknown")


async def answer(route: Route, call: Call) -> HttpResponse:
    """Call a route's handler; what stops it becomes a problem document."""
    if is_absent(route, call.path):
        return absent(call.request.method, call.request.raw_path)
    try:
        query = () if route.query is None else (read_query(route.query, call.query),)
        response = await route.handler(call, *query)
    except Refused as refused:
        response = refused.response
    except tuple(_PROBLEMS) as error:
        response = next(made for kind, made in _PROBLEMS.items() if isinstance(error, kind))(error)
    head = call.request.method == "HEAD"
    return msgspec.structs.replace(response, stream=None) if head else response


def execution_unknown(execution_id: str) -> HttpResponse:
    """404 for an execution that is not there."""
    detail = f"there is no execution {execution_id[:80]}; GET executions/search lists them"
    return problem(404, detail, slug="execution-unknown")


def faults(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """What is wrong with each input, by its path."""
    return [{"path": path_text(one.path), "message": one.message} for one in problems]


_PROBLEMS: Final[dict[type[Exception], Callable[[Any], HttpResponse]]] = {
    BodyTooLarge: lambda error: error.answer(),
    QueryInvalid: lambda error: problem(400, str(error), slug="bad-parameter"),
    Unreadable: lambda error: problem(422, str(error), slug="invalid-request-body"),
    ExecutionUnknown: lambda error: execution_unknown(error.execution),
    AnswerInvalid: lambda error: problem(
        422, str(error), slug="inputs-invalid", more={"errors": faults(error.problems)}
    ),
    CommandRefused: lambda error: problem(409, str(error), slug="command-refused"),
    ExecutionDamaged: lambda error: problem(409, str(error), slug="execution-damaged"),
    FlowUnknown: lambda error: problem(404, str(error), slug="flow-unknown"),
    FlowUnusable: lambda error: problem(409, str(error), slug="flow-unusable"),
    DeliveryRefused: lambda error: problem(
        422,
        str(error),
        slug="delivery-refused",
        more={"errors": faults(error.problems)} if error.problems else None,
    ),
}
"""Who has to act: the caller, in every case; what is not here is ours, and a 500."""
