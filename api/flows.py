"""REST: flows as their authors write them. Every change is a new revision in the journal, under the user's name.

A flow's revision is its entity tag: `If-Match` changes only what the sender has seen (RFC 9110, section 13).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import trio

from hookledger.actors.engine import Engine
from hookledger.actors.errors import FlowUnknown
from hookledger.actors.flows import Revision
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.paging import first, number, page_of
from hookledger.api.views import flow_view
from hookledger.runtime.flow.parse import FlowInvalid, parse_flow
from hookledger.runtime.flow.problems import Problem, path_text
from hookledger.runtime.flow.source import SourceInvalid, load

YAML: Final = frozenset({"application/x-yaml", "application/yaml", "text/yaml", "text/x-yaml"})
"""Types a browser sends to a foreign site only with that site's consent, so no other page's form is taken."""
DOCUMENTS_MAX: Final = 100
_NEXT_DOCUMENT: Final = re.compile(r"^(?=---(?:\s|$))", re.MULTILINE)


class Refused(Exception):
    """The change is not made; carries the answer."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        super().__init__(response.status)


async def create_flow(engine: Engine, content_type: str, body: bytes, by: str) -> HttpResponse:
    """`POST flows`: register a flow nobody has registered."""

    def absent(newest: Revision | None) -> None:
        if newest is not None:
            name = f"{newest.registered.namespace}/{newest.registered.flow}"
            raise Refused(problem(409, f"the flow {name} exists; PUT changes it", slug="flow-exists"))

    try:
        source = source_of(content_type, body)
        flow = await engine.register(source, by=by, check=absent)
    except FlowInvalid as error:
        return invalid(error.problems)
    except Refused as refused:
        return refused.response
    return shown(engine.flow_revision(flow.namespace, flow.id), source=True)


async def update_flow(
    engine: Engine,
    namespace: str,
    flow_id: str,
    *,
    content_type: str,
    body: bytes,
    by: str,
    if_match: str | None,
) -> HttpResponse:
    """`PUT flows/{namespace}/{id}`: a new revision, unless the source is the newest one's."""

    def present(newest: Revision | None) -> None:
        if newest is None:
            raise Refused(unknown(namespace, flow_id))
        match(newest, if_match)

    try:
        present(engine.flows.newest(namespace, flow_id))
        source = source_of(content_type, body)
        same_name(source, namespace, flow_id)
        await engine.register(source, by=by, check=present)
    except FlowInvalid as error:
        return invalid(error.problems)
    except Refused as refused:
        return refused.response
    return shown(engine.flow_revision(namespace, flow_id), source=True)


async def delete_flow(
    engine: Engine, namespace: str, flow_id: str, *, by: str, if_match: str | None
) -> HttpResponse:
    """`DELETE flows/{namespace}/{id}`: it takes no more deliveries; its revisions stay."""
    try:
        match(engine.flow_revision(namespace, flow_id), if_match)
        await engine.remove(namespace, flow_id, by=by)
    except FlowUnknown:
        return unknown(namespace, flow_id)
    except Refused as refused:
        return refused.response
    return HttpResponse(status=204)


async def validate_flows(engine: Engine, content_type: str, body: bytes) -> HttpResponse:
    """`POST flows/validate`: what is wrong with each document, and what its author should know; changes nothing."""
    try:
        documents = documents_of(source_of(content_type, body))
    except FlowInvalid as error:
        return invalid(error.problems)
    except Refused as refused:
        return refused.response
    if len(documents) > DOCUMENTS_MAX:
        return problem(422, f"{DOCUMENTS_MAX} documents at once, no more", slug="too-many-documents")
    verdicts: list[dict[str, Any]] = []
    for index, document in enumerate(documents):
        verdict = await trio.to_thread.run_sync(_verdict, engine, document)
        verdicts.append({"index": index, **verdict})
    return json_response(verdicts)


def get_flow(
    engine: Engine, namespace: str, flow_id: str, parameters: Mapping[str, list[str]]
) -> HttpResponse:
    """`GET flows/{namespace}/{id}`: `source=true` adds the YAML, `revision=N` asks for an older one."""
    wanted = number(parameters, "revision", 0)
    if wanted is None:
        return problem(400, "revision is a number", slug="bad-revision")
    flows = engine.flows
    found = flows.pinned(namespace, flow_id, wanted) if wanted else flows.newest(namespace, flow_id)
    if found is None:
        return unknown(namespace, flow_id)
    return shown(found, source=first(parameters, "source") == "true")


def list_flows(engine: Engine, namespace: str) -> HttpResponse:
    """`GET flows/{namespace}`: the flows of one namespace."""
    return json_response([flow_view(one) for one in engine.flows if one.registered.namespace == namespace])


def search_flows(engine: Engine, parameters: Mapping[str, list[str]]) -> HttpResponse:
    """`GET flows/search`: namespace, q (a part of namespace/id or of the description), page (from 1), size."""
    page = page_of(parameters)
    if isinstance(page, HttpResponse):
        return page
    namespace, text = first(parameters, "namespace"), (first(parameters, "q") or "").casefold()
    found = [
        one
        for one in engine.flows
        if namespace in (None, one.registered.namespace) and text in _searched(one).casefold()
    ]
    results = [flow_view(one) for one in found[page.offset : page.offset + page.size]]
    return json_response({"results": results, "total": len(found)})


def list_revisions(engine: Engine, namespace: str, flow_id: str) -> HttpResponse:
    """`GET flows/{namespace}/{id}/revisions`: every one with its source, oldest first, also of a removed flow."""
    revisions = engine.flows.revisions(namespace, flow_id)
    if not revisions:
        return unknown(namespace, flow_id)
    removed = {"deleted": engine.flows.newest(namespace, flow_id) is None}
    found = [engine.flows.pinned(namespace, flow_id, one.revision) for one in revisions]
    return json_response([flow_view(one, source=True) | removed for one in found if one is not None])


def source_of(content_type: str, body: bytes) -> str:
    """The text of a body.

    Raises:
        FlowInvalid: It is not UTF-8.
        Refused: It is not said to be YAML.
    """
    if content_type not in YAML:
        detail = "send the flow as YAML with `Content-Type: application/x-yaml`"
        raise Refused(problem(415, detail, headers={"Accept": ", ".join(sorted(YAML))}))
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = body[: error.start].decode("utf-8-sig", "replace")
        column = len(before) - (before.rfind("\n") + 1) + 1
        message = f"byte 0x{body[error.start]:02x} is not UTF-8; save the text as UTF-8"
        raise FlowInvalid([Problem(message, "", before.count("\n") + 1, column)]) from error


def same_name(source: str, namespace: str, flow_id: str) -> None:
    """Refuse a body that names another flow than the path.

    Raises:
        FlowInvalid: With the place of what differs; what is no YAML at all is for the parser to explain.
    """
    try:
        document = load(source)
    except SourceInvalid:
        return
    data: Any = document.data if isinstance(document.data, dict) else {}
    problems = [
        document.locate(Problem(f"the path names the flow's {name} `{wanted}`", path=(name,)))
        for name, wanted in (("id", flow_id), ("namespace", namespace))
        if name in data and str(data[name]) != wanted
    ]
    if problems:
        raise FlowInvalid(problems)


def match(newest: Revision, if_match: str | None) -> None:
    """Refuse when the sender has seen another revision (RFC 9110, section 13.1.1).

    Raises:
        Refused: With the entity tag it would have to name.
    """
    if if_match is None or if_match.strip() == "*":
        return
    current = etag(newest)
    if current not in (tag.strip() for tag in if_match.split(",")):
        detail = f"the flow is at revision {newest.registered.revision}; read it again before changing it"
        raise Refused(problem(412, detail, slug="flow-changed", headers={"ETag": current}))


def etag(revision: Revision) -> str:
    """The entity tag of a flow."""
    return f'"{revision.registered.revision}"'


def documents_of(text: str) -> list[str]:
    """The documents of a text, each with empty lines before it, so that places stay those of the whole text."""
    documents: list[str] = []
    line = 0
    for part in _NEXT_DOCUMENT.split(text):
        if _has_data(part) and len(documents) <= DOCUMENTS_MAX:
            documents.append("\n" * line + part)
        line += part.count("\n")
    return documents or [text]


def errors_of(problems: tuple[Problem, ...]) -> list[dict[str, Any]]:
    """Problems as a program reads them."""
    return [
        {"path": path_text(one.path), "line": one.line, "column": one.column, "message": one.message}
        for one in problems
    ]


def invalid(problems: tuple[Problem, ...]) -> HttpResponse:
    """422 with everything that is wrong."""
    detail = "\n".join(_placed(one) for one in problems)
    return problem(422, detail, slug="flow-invalid", more={"errors": errors_of(problems)})


def unknown(namespace: str, flow_id: str) -> HttpResponse:
    """404 for a flow nobody registered."""
    return problem(404, f"there is no flow {namespace}/{flow_id}", slug="flow-unknown")


def shown(revision: Revision, *, source: bool) -> HttpResponse:
    """A flow with its entity tag."""
    return json_response(flow_view(revision, source=source), headers={"ETag": etag(revision)})


def _verdict(engine: Engine, document: str) -> dict[str, Any]:
    try:
        flow = parse_flow(document, registry=engine.registry)
    except FlowInvalid as error:
        name = _name(document)
        wrong = {
            "constraints": "\n".join(_placed(one) for one in error.problems),
            "errors": errors_of(error.problems),
        }
        return {**name, **wrong, "warnings": []}
    return {"flow": flow.id, "namespace": flow.namespace, "warnings": list(flow.warnings)}


def _has_data(document: str) -> bool:
    """False where there is nothing but empty lines, comments and markers."""
    lines = map(str.strip, document.removeprefix("---").splitlines())
    return any(line and line != "..." and not line.startswith("#") for line in lines)


def _name(document: str) -> dict[str, Any]:
    """What an invalid flow calls itself, as far as that can be read."""
    try:
        data: Any = load(document).data
    except SourceInvalid:
        data = None
    read: Mapping[str, Any] = data if isinstance(data, dict) else {}
    return {"flow": str(read.get("id") or ""), "namespace": str(read.get("namespace") or "")}


def _placed(one: Problem) -> str:
    return f"{one.line}:{one.column}: {one.message}" if one.line else str(one)


def _searched(revision: Revision) -> str:
    registered = revision.registered
    description = revision.flow.description if revision.flow else ""
    return f"{registered.namespace}/{registered.flow}\n{description}"
