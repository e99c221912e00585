"""What kind of body a trigger takes: `accept`, `strictJson`, `schema`, and CloudEvents."""

import base64
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.refusal import Refused
from hookledger.runtime.triggers.received import body_value, content_type
from hookledger.runtime.triggers.webhook.admission.cloudevents import (
    CloudEvent,
    Mode,
    NotCloudEvents,
    read_cloudevents,
)
from hookledger.runtime.triggers.webhook.admission.media import is_accepted
from hookledger.runtime.triggers.webhook.admission.schema import Schema
from hookledger.runtime.triggers.webhook.admission.strict_json import JsonProblem, parse_strict


class Accept:
    """415 for a media type that is not on the list. A request without a body has none."""

    name = "accept"

    def __init__(self, accept: Sequence[str]) -> None:
        self._accept = tuple(accept)

    async def __call__(self, exchange: Exchange) -> None:
        kind = exchange.request.header("content-type")
        if exchange.body_bytes and not is_accepted(kind, self._accept):
            accepts = {"Accept": ", ".join(self._accept)}
            raise Refused(
                415, "unsupported-media-type", f"media type {(kind or 'none')[:80]}", headers=accepts
            )


class StrictJson:
    """400 for a JSON body that two parsers could read differently; other media types pass."""

    name = "strictJson"

    async def __call__(self, exchange: Exchange) -> None:
        media = (exchange.request.header("content-type") or "").partition(";")[0].strip().lower()
        if not exchange.body or not (media.endswith(("/json", "+json")) or not media):
            return
        try:
            parse_strict(exchange.body)
        except JsonProblem as error:
            raise Refused(
                400,
                "body-malformed",
                f"strictJson: {error.code}: {error}",
                detail=f"the body is not strict JSON: {error}",
            ) from error


class SchemaStep:
    """422 with JSON Pointers for a body that does not fit; the places are shown to authenticated callers only."""

    name = "schema"

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    async def __call__(self, exchange: Exchange) -> None:
        kind, charset = content_type(exchange.request.headers), exchange.settings.charset
        value = body_value(exchange.body, kind, charset) if exchange.body else None
        violations = self._schema.violations(value)
        if not violations:
            return
        reason = "; ".join(f"{one.pointer or '/'}: {one.message}" for one in violations[:5])
        errors = [msgspec.to_builtins(one) for one in violations]
        more: dict[str, Any] = {"errors": errors} if exchange.authenticated else {}
        raise Refused(422, "schema-violated", reason, more=more)


class CloudEventsStep:
    """`trigger.event`: the attributes and data of a CloudEvent. A batch is `trigger.events`."""

    name = "cloudEvents"

    def __init__(self, mode: Literal["AUTO", "REQUIRED"]) -> None:
        self._mode = mode

    async def __call__(self, exchange: Exchange) -> None:
        found = read_cloudevents(exchange.request.headers, exchange.body)
        if isinstance(found, NotCloudEvents):
            raise Refused(400, "cloudevent-invalid", found.problem, detail=found.problem)
        if found is None:
            if self._mode == "REQUIRED":
                raise Refused(415, "unsupported-media-type", "not a CloudEvent")
            return
        events = [plain_event(event) for event in found.events]
        if found.mode is Mode.BATCH:
            exchange.variables["events"] = events
            return
        exchange.variables["event"] = events[0]
        exchange.body_is_data = found.mode is Mode.BINARY
        exchange.dedup_hint = exchange.dedup_hint or found.events[0].dedup_key


def plain_event(event: CloudEvent) -> dict[str, Any]:
    """The event as JSON data; bytes become base64, and `dataEncoding` says so."""
    plain = event.plain()
    if isinstance(plain.get("data"), bytes):
        plain |= {"data": base64.b64encode(plain["data"]).decode(), "dataEncoding": "base64"}
    return plain
