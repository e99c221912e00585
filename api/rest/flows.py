"""REST: flows as their authors write them. Every change is a new revision in the journal, under the user's name.

A flow's revision is its entity tag: `If-Match` changes only what the sender has seen (RFC 9110, section 13).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.actors.flows import Revision
from hookledger.api.call import Call
from hookledger.api.graphs import graph_view
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.permissions import Permission
from hookledger.api.queries import Nothing, Paged, Query, in_namespace
from hookledger.api.rest.flow_sources import YAML, invalid, same_name, source_of
from hookledger.api.route import Refused, Reply, Route
from hookledger.api.secrecy import listed_for, shown_to
from hookledger.api.shapes import FlowView, Found, GraphView
from hookledger.api.views import flow_view
from hookledger.runtime.flow.graph import graph_of
from hookledger.runtime.flow.parse import FlowInvalid, parse_flow

_SORTS: Final[Mapping[str, Callable[[Revision], tuple[Any, ...]]]] = {
    "namespace": lambda one: (one.registered.namespace, one.registered.flow),
    "id": lambda one: (one.registered.flow, one.registered.namespace),
    "updated": lambda one: (one.registered.at, one.registered.namespace, one.registered.flow),
}


class Change(Query, frozen=True, kw_only=True):
    """Kestra's word for a revision that does not run yet; there is no such thing here."""

    draft: bool = False


class FlowRead(Query, frozen=True, kw_only=True):
    """Which revision of a flow, and with what."""

    source: bool = False
    revision: Annotated[int, Meta(ge=0)] = 0
    """0 for the newest."""
    allow_deleted: bool = False


class FlowSearch(Paged, frozen=True, kw_only=True):
    """Which flows to list."""

    filters: ClassVar[Mapping[tuple[str, str], str]] = {
        ("q", "EQUALS"): "q",
        ("q", "CONTAINS"): "q",
        ("namespace", "EQUALS"): "exactNamespace",
        ("namespace", "PREFIX"): "namespace",
    }

    namespace: str | None = None
    """A namespace and everything below it."""
    exact_namespace: str | None = None
    """A namespace alone."""
    q: str = ""
    """A part of `namespace/id` or of the description."""
    sort: Annotated[str, Meta(pattern=r"^(namespace|id|updated)(:(asc|desc))?$")] = "namespace"


class GraphRead(Query, frozen=True, kw_only=True):
    """Which revision to draw."""

    revision: Annotated[int, Meta(ge=0)] = 0


class RevisionsRead(Query, frozen=True, kw_only=True):
    """Revisions are shown whether or not the flow was removed."""

    allow_delete: bool = True


async def create_flow(engine: Engine, call: Call, query: Change) -> HttpResponse:
    """Register a flow nobody has registered."""

    def absent(newest: Revision | None) -> None:
        if newest is not None:
            name = f"{newest.registered.namespace}/{newest.registered.flow}"
            raise Refused(problem(409, f"the flow {name} exists; PUT changes it", slug="flow-exists"))

    _no_draft(query)
    try:
        source = source_of(call.content_type, await call.body())
        flow = await engine.register(source, by=call.by, check=absent)
    except FlowInvalid as error:
        return invalid(error.problems)
    return shown(engine.flow_revision(flow.namespace, flow.id), source=True)


async def update_flow(engine: Engine, call: Call, query: Change) -> HttpResponse:
    """A new revision, unless the source is the newest one's."""
    namespace, flow_id = _name(call)

    def present(newest: Revision | None) -> None:
        if newest is None:
            raise Refused(unknown(namespace, flow_id))
        match(newest, call.request.header("if-match"))

    _no_draft(query)
    try:
        present(engine.flows.newest(namespace, flow_id))
        source = source_of(call.content_type, await call.body())
        same_name(source, namespace, flow_id)
        await engine.register(source, by=call.by, check=present)
    except FlowInvalid as error:
        return invalid(error.problems)
    return shown(engine.flow_revision(namespace, flow_id), source=True)


async def delete_flow(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """It takes no more deliveries; its revisions stay."""
    namespace, flow_id = _name(call)
    match(engine.flow_revision(namespace, flow_id), call.request.header("if-match"))
    await engine.remove(namespace, flow_id, by=call.by)
    return HttpResponse(status=204)


async def get_flow(engine: Engine, call: Call, query: FlowRead) -> HttpResponse:
    """A flow; `If-None-Match` with its entity tag gets 304."""
    found, deleted = _found(engine, call, query.revision, deleted=query.allow_deleted)
    tag = etag(found)
    if tag in (seen.removeprefix("W/") for seen in _tags(call.request.header("if-none-match"))):
        return HttpResponse(status=304, headers=(("ETag", tag),))
    found = await shown_to(found, call.identity)
    return shown(found, source=query.source, deleted=deleted)


async def list_flows(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """The flows of one namespace."""
    namespace = call.path["namespace"]
    found = [one for one in engine.flows if one.registered.namespace == namespace]
    return json_response([flow_view(await shown_to(one, call.identity)) for one in found])


async def search_flows(engine: Engine, call: Call, query: FlowSearch) -> HttpResponse:
    """Flows by name, page by page."""
    text = query.q.casefold()
    found = [
        one
        for one in await listed_for(engine.flows, call.identity)
        if in_namespace(one.registered.namespace, below=query.namespace, exact=query.exact_namespace)
        and text in _searched(one).casefold()
    ]
    field, _, direction = query.sort.partition(":")
    found.sort(key=_SORTS[field], reverse=direction == "desc")
    page = [
        flow_view(await shown_to(one, call.identity))
        for one in found[query.offset : query.offset + query.size]
    ]
    return json_response({"results": page, "total": len(found)})


async def distinct_namespaces(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """Every namespace that has a flow."""
    return json_response(sorted({one.registered.namespace for one in engine.flows}))


async def list_revisions(engine: Engine, call: Call, query: RevisionsRead) -> HttpResponse:
    """Every revision with its source, oldest first, also of a removed flow."""
    namespace, flow_id = _name(call)
    revisions = engine.flows.revisions(namespace, flow_id)
    if not revisions:
        return unknown(namespace, flow_id)
    removed = engine.flows.newest(namespace, flow_id) is None
    found = [engine.flows.pinned(namespace, flow_id, one.revision) for one in revisions]
    seen = [await shown_to(one, call.identity) for one in found if one is not None]
    return json_response([flow_view(one, source=True, deleted=removed) for one in seen])


async def get_graph(engine: Engine, call: Call, query: GraphRead) -> HttpResponse:
    """What runs after, inside and beside what."""
    found, _ = _found(engine, call, query.revision, deleted=True)
    if found.flow is None:
        found = await shown_to(found, call.identity)
        return problem(409, found.error, slug="flow-unusable")
    return json_response(graph_view(graph_of(found.flow)))


async def draw_graph(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """The graph of a flow that is only being written."""
    try:
        flow = parse_flow(source_of(call.content_type, await call.body()), registry=engine.registry)
    except FlowInvalid as error:
        return invalid(error.problems)
    return json_response(graph_view(graph_of(flow)))


def _no_draft(query: Change) -> None:
    if query.draft:
        detail = (
            "there are no drafts here: a revision runs or its flow is `disabled: true`; leave `draft` out"
        )
        raise Refused(problem(422, detail, slug="no-drafts"))


def match(newest: Revision, if_match: str | None) -> None:
    """Refuse when the sender has seen another revision (RFC 9110, section 13.1.1).

    Raises:
        Refused: With the entity tag it would have to name.
    """
    if if_match is None or if_match.strip() == "*":
        return
    current = etag(newest)
    if current not in _tags(if_match):
        detail = f"the flow is at revision {newest.registered.revision}; read it again before changing it"
        raise Refused(problem(412, detail, slug="flow-changed", headers={"ETag": current}))


def etag(revision: Revision) -> str:
    """The entity tag of a flow."""
    return f'"{revision.registered.revision}"'


def unknown(namespace: str, flow_id: str) -> HttpResponse:
    """404 for a flow nobody registered."""
    detail = f"there is no flow {namespace[:150]}/{flow_id[:100]}; GET flows/search lists them"
    return problem(404, detail, slug="flow-unknown")


def shown(revision: Revision, *, source: bool, deleted: bool = False) -> HttpResponse:
    """A flow with its entity tag."""
    view = flow_view(revision, source=source, deleted=deleted)
    return json_response(view, headers={"ETag": etag(revision)})


def _name(call: Call) -> tuple[str, str]:
    return call.path["namespace"], call.path["flow_id"]


def _found(engine: Engine, call: Call, wanted: int, *, deleted: bool) -> tuple[Revision, bool]:
    """A revision (0 for the newest) and whether its flow was removed.

    Raises:
        Refused: There is none, or it was removed and `deleted` is not wanted.
    """
    namespace, flow_id = _name(call)
    newest = engine.flows.newest(namespace, flow_id)
    known = engine.flows.revisions(namespace, flow_id) if deleted or wanted else ()
    number = wanted or (known[-1].revision if known else 0)
    found = engine.flows.pinned(namespace, flow_id, number) if number else newest
    if found is None:
        raise Refused(unknown(namespace, flow_id))
    return found, newest is None


def _tags(header: str | None) -> list[str]:
    return [tag.strip() for tag in (header or "").split(",")]


def _searched(revision: Revision) -> str:
    registered = revision.registered
    description = revision.flow.description if revision.flow else ""
    return f"{registered.namespace}/{registered.flow}\n{description}"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A flow as its author writes it; docs/flows.md has its other members."""

    id: str
    namespace: str
    tasks: Annotated[list[dict[str, Any]], Meta(min_length=1)]


SOURCE: Final[dict[str, Any]] = dict.fromkeys(sorted(YAML), Written)


def table(engine: Engine) -> list[Route]:
    """Flows: change, read, list, draw."""
    flow = "/flows/<namespace>/<flow_id>"
    one, many, graph = Reply(FlowView), Reply(list[FlowView]), Reply(GraphView)
    return [
        Route(
            "POST",
            "/flows",
            partial(create_flow, engine),
            Permission.EDIT,
            "Create a flow",
            query=Change,
            body=SOURCE,
            answers=one,
            errors=(409, 415, 422),
        ),
        Route(
            "GET",
            "/flows/search",
            partial(search_flows, engine),
            summary="Search flows",
            query=FlowSearch,
            answers=Reply(Found[FlowView]),
        ),
        Route(
            "GET",
            "/flows/distinct-namespaces",
            partial(distinct_namespaces, engine),
            summary="List the namespaces that have flows",
            answers=Reply(list[str]),
            query=Nothing,
        ),
        Route(
            "POST",
            "/flows/graph",
            partial(draw_graph, engine),
            summary="Draw a flow that is only being written",
            body=SOURCE,
            answers=graph,
            errors=(415, 422),
            query=Nothing,
        ),
        Route(
            "GET",
            "/flows/<namespace>",
            partial(list_flows, engine),
            summary="List flows",
            answers=many,
            query=Nothing,
        ),
        Route(
            "GET",
            flow,
            partial(get_flow, engine),
            summary="Read a flow",
            query=FlowRead,
            answers=one,
            errors=(304, 404),
        ),
        Route(
            "PUT",
            flow,
            partial(update_flow, engine),
            Permission.EDIT,
            "Change a flow",
            query=Change,
            body=SOURCE,
            answers=one,
            errors=(404, 412, 415, 422),
        ),
        Route(
            "DELETE",
            flow,
            partial(delete_flow, engine),
            Permission.EDIT,
            "Take a flow out of service",
            answers=None,
            errors=(404, 412),
            query=Nothing,
        ),
        Route(
            "GET",
            f"{flow}/revisions",
            partial(list_revisions, engine),
            summary="List a flow's revisions with their sources",
            query=RevisionsRead,
            answers=many,
            errors=(404,),
        ),
        Route(
            "GET",
            f"{flow}/graph",
            partial(get_graph, engine),
            summary="Draw a flow",
            query=GraphRead,
            answers=graph,
            errors=(404, 409),
        ),
    ]
