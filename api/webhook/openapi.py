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
_ALWAYS: Final = {404: "not reachable with this key", 409: "disabled", 413: "the body is too large"}
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
    responses = {str(status): _response(text, status) for status, text in _statuses(settings).items()}
    operation: dict[str, Any] = {
        "operationId": f"{flow.namespace}.{flow.id}.{trigger.id}.{method.lower()}",
        "summary": f"trigger {trigger.id}",
        "responses": responses,
    }
    if method not in ("GET", "HEAD"):
        operation["requestBody"] = {"content": _content(settings)}
    if security := _security(flow, trigger, settings, schemes):
        operation["security"] = security
    return operation


def _statuses(settings: WebhookSettings) -> dict[int, str]:
    found = {200: "the execution, or its answer", **_ALWAYS}
    possible: tuple[tuple[bool, int, str], ...] = (
        (settings.wait, 500, "the execution failed"),
        (bool(settings.wait and settings.timeout), 202, "it goes on; see Location"),
        (bool(settings.authentication or settings.signature), 401, "not accepted"),
        (bool(settings.allowed_ips or settings.authentication), 403, "not allowed"),
        (bool(settings.accept), 415, "another media type is needed"),
        (settings.strict_json or settings.cloud_events != "OFF", 400, "the body is malformed"),
        (settings.batch is not None, 400, "the items are missing or too many"),
        (True, 422, "a rule, an input or the schema does not fit"),
        (True, 204, "a condition is not met"),
        (settings.rate_limit is not None, 429, "too many; see Retry-After"),
        (True, 503, "cannot be judged or taken now; see Retry-After"),
    )
    return found | {status: text for holds, status, text in possible if holds}


def _response(text: str, status: int) -> dict[str, Any]:
    return {"description": text, **({"content": _PROBLEM} if status >= 400 else {})}


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
