"""The API as an OpenAPI 3.1 document, made from the table of routes and the types it checks and answers with."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

import msgspec

from hookledger.api.call import BODY_BYTES_MAX
from hookledger.api.http import PROBLEM
from hookledger.api.identity.cookies import SESSION
from hookledger.api.queries import is_list
from hookledger.api.route import PREFIXES, Reply, Route
from hookledger.api.shapes import Problem

_PARAMETER: Final = re.compile(r"<(?:path:)?(\w+)>")
_SCHEMES: Final = {
    "basic": {"type": "http", "scheme": "basic"},
    "token": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION},
}
"""How a caller can say who it is; a session's cookie comes from the console."""
_TEXTS: Final = {
    304: "what the entity tag names is unchanged",
    400: "a parameter is unknown or not of its type, or the path is malformed",
    401: "this needs credentials",
    403: "the credentials are not granted this",
    404: "it is not there",
    409: "it is not possible in the present state; `detail` says why",
    412: "somebody else was faster; read it again",
    413: f"the body has more than {BODY_BYTES_MAX} bytes",
    415: "the body is said to be of a type this route does not take",
    422: "what was sent is understood but wrong; `detail` says what",
}


class Document:
    """The description of a table; made when it is first asked for."""

    def __init__(self) -> None:
        self._table: tuple[Route, ...] = ()
        self._version = ""

    def of(self, table: Iterable[Route], version: str) -> None:
        """Say what is described."""
        self._table, self._version = tuple(table), version

    def made(self) -> Mapping[str, Any]:
        """The document as plain data."""
        return self._made

    @cached_property
    def _made(self) -> Mapping[str, Any]:
        return openapi(self._table, self._version)


def openapi(table: Iterable[Route], version: str) -> dict[str, Any]:
    """Describe routes; their paths are those with the tenant."""
    table = tuple(table)
    schemas = _Schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        path = route.prefixes[0] + _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Hookledger",
            "version": version,
            "description": f"Below `{PREFIXES[0]}`; `{PREFIXES[1]}` without the tenant answers too.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": _SCHEMES,
        },
        "security": [{name: []} for name in _SCHEMES],
        "tags": [{"name": name} for name in dict.fromkeys(map(_tag, table))],
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))  # a tuple is no array
    return plain


class _Schemas:
    """Schemas of every type a table names; those with a name are components."""

    def __init__(self, table: Iterable[Route]) -> None:
        self._known: dict[str, Any] = {}
        types = dict.fromkeys(map(repr, found := [Problem, *_types(table)]))
        unique = [next(one for one in found if repr(one) == name) for name in types]
        made, self.components = msgspec.json.schema_components(
            unique, ref_template="#/components/schemas/{name}"
        )
        self._known = dict(zip(types, made, strict=True))

    def of(self, kind: Any) -> Any:
        """The schema of one of the types."""
        return self._known[repr(kind)]


def _types(table: Iterable[Route]) -> Iterator[Any]:
    for route in table:
        yield from (kind for kind in route.body.values() if kind is not bytes)
        if route.answers is not None and route.answers.type is not None:
            yield route.answers.type
        yield from (field.type for field in _fields(route))


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [_tag(route)],
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas)],
        "responses": dict(_responses(route, schemas)),
    }
    if route.body:
        content = {
            name: {"schema": {} if kind is bytes else schemas.of(kind)} for name, kind in route.body.items()
        }
        operation["requestBody"] = {"content": content, "required": _body_required(route)}
    if route.needs is None:
        operation["security"] = []
    else:
        operation["x-permission"] = str(route.needs)
    return operation


def _body_required(route: Route) -> bool:
    """True unless no body at all is as good as an empty JSON object, or anything is taken."""
    if not {bytes, Any}.isdisjoint(route.body.values()):
        return bytes not in route.body.values()
    try:
        msgspec.convert({}, route.body.get("application/json", str))
    except msgspec.ValidationError:
        return True
    return False


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameters(route: Route, schemas: _Schemas) -> Iterator[dict[str, Any]]:
    for field in _fields(route):
        schema = _without_null(schemas.of(field.type))
        if isinstance(field.default, str | int | bool):
            schema["default"] = field.default
        several = {"style": "form", "explode": True} if is_list(field.type) else {}
        yield {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "schema": schema,
            **several,
        }


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter is text: one that may be left out is not null because of that."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return rest | kinds[0] if len(kinds) == 1 else dict(schema)


def _responses(route: Route, schemas: _Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    yield (
        ("204", {"description": "done"})
        if route.answers is None
        else (str(route.answers.status), _reply(route.answers, schemas))
    )
    always = {400, *((401, 403) if route.needs is not None else ()), *((413,) if route.body else ())}
    for status in sorted({*always, *route.errors}):
        described: dict[str, Any] = {"description": _TEXTS.get(status, HTTPStatus(status).phrase)}
        if status >= HTTPStatus.BAD_REQUEST:
            described["content"] = {PROBLEM: {"schema": schemas.of(Problem)}}
        yield str(status), described


def _reply(reply: Reply, schemas: _Schemas) -> dict[str, Any]:
    schema = {"type": "string"} if reply.type is None else schemas.of(reply.type)
    if reply.content_type == "text/event-stream":
        schema = _events(schema)
    return {"description": "the answer", "content": {reply.content_type: {"schema": schema}}}


def _fields(route: Route) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(route.query) if route.query is not None else ()


def _events(schema: Any) -> dict[str, Any]:
    """One server-sent event: its fields, with JSON in `data`."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    names = {"type": "string", "enum": ["start", "progress", "end"]}
    return {"type": "object", "properties": {"id": names, "data": data}}


def operation_id(route: Route) -> str:
    """`getExecutionsSearch`: the method and what stands in the path."""
    words: list[str] = re.findall(r"[A-Za-z0-9]+", f"{route.method.lower()} {route.path}")
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


def _tag(route: Route) -> str:
    return str(route.path).split("/")[1].partition(".")[0]
