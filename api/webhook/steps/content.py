"""What kind of body a trigger takes: `accept`, `strictJson`, `schema`, and CloudEvents."""

import base64
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import msgspec

from hookledger.actors.off_loop import off_loop
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.redaction import Unredactable, redact_body
from hookledger.api.webhook.refusal import Refused
from hookledger.runtime.json_slices import TooManyValues
from hookledger.runtime.triggers.received import LARGE_BYTES, keep_body, read_body
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
            await off_loop(partial(parse_strict, exchange.body), size=len(exchange.body))
        except JsonProblem as error:
            raise Refused(
                400,
                "body-malformed",
                f"strictJson: {error.code}: {error}",
                detail=f"the body is not strict JSON: {error}",
            ) from error


class ReadBodyValue:
    """Reads a large body away from the event loop, and finds out what is kept out of the records.

    413 for JSON with too many values, 422 for a body in which the places of `redact` cannot be found.
    """

    name = "body value"

    async def __call__(self, exchange: Exchange) -> None:
        try:
            if len(exchange.body) < LARGE_BYTES:
                exchange.redacted_body  # noqa: B018 - computed, or refused, before anything else looks at the body
            else:
                await _read_large(exchange)
        except TooManyValues as error:
            raise Refused(
                413, "payload-too-large", f"JSON with {error}", detail=f"the JSON has {error}"
            ) from error
        except Unredactable as error:
            raise Refused(422, "body-unredactable", f"redact: {error}") from error


async def _read_large(exchange: Exchange) -> None:
    body, reading, rules = exchange.body, exchange.reading, exchange.settings.redaction

    def read() -> tuple[Any, bytes, Any]:
        value, redacted = read_body(body, *reading), redact_body(body, *reading, rules)
        return value, redacted, value if redacted is body else read_body(redacted, *reading)

    value, exchange.redacted_body, shown = await off_loop(read)
    exchange.large = (
        keep_body(body, *reading, value),
        keep_body(exchange.redacted_body, *reading, shown),
    )


class SchemaStep:
    """422 with JSON Pointers for a body that does not fit; the places are shown to authenticated callers only."""

    name = "schema"

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    async def __call__(self, exchange: Exchange) -> None:
        value = exchange.body_data
        violations = await off_loop(partial(self._schema.violations, value))
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
        read = partial(read_cloudevents, exchange.request.headers, exchange.body)
        found = await off_loop(read, size=len(exchange.body))
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
