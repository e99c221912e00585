"""All webhooks of a server as an OpenAPI 3.1 document. Keys are parameters: the document gives nothing away."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hookledger.actors.engine import Engine
from hookledger.api.webhook.route import PREFIXES
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.flow.templates import source_of
from hookledger.runtime.triggers.webhook import WebhookSettings

_PROBLEM: Final = {
    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
}
_ALWAYS: Final = {
    200: "the execution, or its answer",
    204: "a condition is not met",
    400: "the body or its framing is malformed",
    404: "not reachable with this key",
    408: "the body was not sent in time",
    409: "disabled",
    413: "the body is too large",
    415: "another media type or coding is needed",
    422: "a rule, an input or the schema does not fit",
    429: "too many; see Retry-After",
    503: "cannot be judged or taken now; see Retry-After",
}
_WAYS: Final[dict[str, dict[str, str]]] = {
    "BASIC": {"type": "http", "scheme": "basic"},
    "BEARER": {"type": "http", "scheme": "bearer"},
    "JWT": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "MTLS": {"type": "mutualTLS"},
}


def openapi_document(engine: Engine, public_url: str, version: str) -> dict[str, Any]:
    """Describe every webhook of every flow that takes deliveries."""
    paths: dict[str, Any] = {}
    schemes: dict[str, Any] = {}
    for revision in engine.flows:
        if revision.flow is not None and (triggers := _webhooks(revision.flow)):
            path = f"{PREFIXES[0]}{revision.flow.namespace}/{revision.flow.id}/{{key}}"
            paths[path] = _path_item(revision.flow, triggers, schemes)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Webhooks", "version": version},
        "paths": paths,
        "components": {"schemas": {"Problem": _problem_schema()}, "securitySchemes": schemes},
    }
    return {**document, "servers": [{"url": public_url.rstrip("/")}]} if public_url else document


def _webhooks(flow: Flow) -> list[tuple[Trigger, WebhookSettings]]:
    return [
        (trigger, trigger.settings)
        for trigger in flow.triggers
        if isinstance(trigger.settings, WebhookSettings) and not trigger.disabled
    ]


def _path_item(
    flow: Flow, triggers: Iterable[tuple[Trigger, WebhookSettings]], schemes: dict[str, Any]
) -> dict[str, Any]:
    """The webhooks of one flow share a path; their keys tell them apart."""
    item: dict[str, Any] = {
        "summary": f"{flow.namespace}/{flow.id}",
        "parameters": [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}],
    }
    for trigger, settings in triggers:
        for method in settings.methods:
            known = item.get(method.lower())
            made = _operation(flow, trigger, settings, method, schemes)
            item[method.lower()] = made if known is None else _merged(known, made)
    return item


def _operation(
    flow: Flow, trigger: Trigger, settings: WebhookSettings, method: str, schemes: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{flow.namespace}.{flow.id}.{trigger.id}.{method.lower()}",
        "summary": f"trigger {trigger.id}",
        "responses": _responses(settings),
    }
    if method not in ("GET", "HEAD"):
        operation["requestBody"] = {"content": _content(settings)}
    if security := _security(flow, trigger, settings, schemes):
        operation["security"] = security
    return operation


def _responses(settings: WebhookSettings) -> dict[str, Any]:
    """Every status this webhook can answer with; what its author renders can be any."""
    checked = bool(settings.authentication or settings.signature or settings.handshakes)
    possible: tuple[tuple[bool, int, str], ...] = (
        (settings.wait, 202, "it goes on; see Location"),
        (settings.wait, 500, "the execution failed"),
        (settings.wait, 504, "it did not end in time and goes on"),
        (checked, 401, "not accepted"),
        (checked or bool(settings.allowed_ips), 403, "not allowed"),
        (bool(settings.previous_keys), 410, "this key is no longer used"),
        (settings.response is not None, 500, "the answer could not be made"),
        (settings.batch is not None, 400, "the items are missing or too many"),
    )
    found = _ALWAYS | {status: text for holds, status, text in possible if holds}
    responses = {str(status): _response(text, status) for status, text in sorted(found.items())}
    own, rendered = _own_codes(settings)
    responses |= {code: {"description": "the author's own"} for code in own}
    return responses | ({"default": {"description": "as the flow decides"}} if rendered else {})


def _own_codes(settings: WebhookSettings) -> tuple[list[str], bool]:
    """Codes that the author names, and whether others are rendered."""
    given = settings.response
    answers = () if given is None else (given.success, given.failed)
    trees = [settings.response_code, *(answer.code for answer in answers if answer is not None)]
    codes = [str(source_of(tree)) for tree in trees if tree is not None]
    codes += [str(settings.on_mismatch.code)] if settings.on_mismatch is not None else []
    asked = [source_of(tree) for tree in settings.handshakes]
    codes += [str(one["code"]) for one in asked if "code" in one]
    return [code for code in codes if code.isdecimal()], not all(code.isdecimal() for code in codes)


def _response(text: str, status: int) -> dict[str, Any]:
    return {"description": text, **({"content": _PROBLEM} if status >= 400 and status != 500 else {})}


def _content(settings: WebhookSettings) -> dict[str, Any]:
    schema: Any = settings.schema.document if settings.schema is not None else {}
    kinds = settings.accept or (("application/json",) if settings.schema is not None else ("*/*",))
    return {kind: {"schema": schema} for kind in kinds}


def _security(
    flow: Flow, trigger: Trigger, settings: WebhookSettings, schemes: dict[str, Any]
) -> list[dict[str, list[str]]]:
    """Any way of `authentication`, each together with the signature's header."""
    signed: dict[str, list[str]] = {}
    if settings.signature is not None:
        recipe = settings.signature.scheme.recipe
        header = recipe.families[0].signature[0] if recipe.families else "Signature"
        name = f"signature-{recipe.preset}"
        schemes[name] = {"type": "apiKey", "in": "header", "name": header}
        signed[name] = []
    found: list[dict[str, list[str]]] = []
    for tree in settings.authentication:
        way: Mapping[str, Any] = source_of(tree)
        kind = str(way["type"])
        place = {"type": "apiKey", "in": kind.lower(), "name": str(way.get("name", ""))}
        name = kind if kind in _WAYS else f"{kind}-{way.get('name', '')}"
        schemes[name] = _WAYS.get(kind, place)
        found.append({name: [], **signed})
    return found or ([signed] if signed else [])


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two webhooks of one flow take the same method: what either answers, what either takes."""
    merged = {**first, "summary": f"{first['summary']}, {second['summary']}"}
    merged["responses"] = {**second["responses"], **first["responses"]}
    bodies = [one["requestBody"]["content"] for one in (first, second) if "requestBody" in one]
    if len(bodies) == 2 and bodies[0] != bodies[1]:
        merged["requestBody"] = {"content": {"*/*": {"schema": {}}}}
    if first.get("security") != second.get("security"):
        merged["security"] = [*first.get("security", [{}]), *second.get("security", [{}])]
    return merged


def _problem_schema() -> dict[str, Any]:
    """RFC 9457."""
    texts = {name: {"type": "string"} for name in ("type", "title", "detail")}
    return {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {**texts, "status": {"type": "integer"}, "executionId": {"type": "string"}},
    }
