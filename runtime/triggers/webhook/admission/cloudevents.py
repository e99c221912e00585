"""CloudEvents 1.0 over HTTP: structured, binary and batch mode, as plain values.

Nothing is invented: an event without `time` has none, so that a replay gives
the same values. Source: CloudEvents core and HTTP protocol binding, 1.0.2.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, cast
from urllib.parse import unquote

import msgspec

from hookledger.runtime.charsets import charset_of, decoded
from hookledger.runtime.triggers.received import is_json, is_text, json_or_text, json_value, media_of
from hookledger.runtime.triggers.webhook.admission.media import media_type
from hookledger.runtime.triggers.webhook.signatures.wire import HeaderTable, iso_seconds

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
EVENTS_MAX = 1000
REQUIRED = ("id", "source", "specversion", "type")
OPTIONAL = ("subject", "time", "datacontenttype", "dataschema")
NAME = re.compile(r"[a-z0-9]{1,64}")
VALUE_CHARS_MAX = 8192


class Mode(StrEnum):
    """How the events came."""

    STRUCTURED = "STRUCTURED"
    BINARY = "BINARY"
    BATCH = "BATCH"


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event; `trigger.event` shows exactly these names, extensions beside them."""

    id: str
    source: str
    type: str
    specversion: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: dict[str, Any] = {}
    data: Any = None
    """Data or text; bytes where it is neither."""

    def plain(self) -> dict[str, Any]:
        """Return the attributes as one flat mapping; absent ones are left out."""
        known = {name: getattr(self, name) for name in (*REQUIRED, *OPTIONAL)}
        present = {name: value for name, value in known.items() if value is not None}
        return {**present, **self.extensions, **({} if self.data is None else {"data": self.data})}

    @property
    def dedup_key(self) -> str:
        """What identifies the event."""
        return dedup_key(self.source, self.id)


def dedup_key(source: str, event_id: str) -> str:
    """Source and id together identify an event (core, section 3.1)."""
    return f"{source}\n{event_id}"


class CloudEvents(msgspec.Struct, frozen=True):
    """The events of one delivery."""

    mode: Mode
    events: tuple[CloudEvent, ...]


class NotCloudEvents(msgspec.Struct, frozen=True):
    """The delivery says it is CloudEvents and is not; answer 400."""

    problem: str


def read_cloudevents(headers: Sequence[tuple[str, str]], body: bytes) -> CloudEvents | NotCloudEvents | None:
    """Return the delivery's events; None when it does not claim to have any."""
    table = HeaderTable(headers)
    media = media_type(table.first("content-type"))
    try:
        if media == STRUCTURED:
            return CloudEvents(Mode.STRUCTURED, (_structured(_json(body)),))
        if media == BATCH:
            return CloudEvents(Mode.BATCH, _batch(_json(body)))
        if table.all("ce-specversion"):
            return CloudEvents(Mode.BINARY, (_binary(table, media, body),))
    except _Malformed as error:
        return NotCloudEvents(str(error))
    return None


class _Malformed(ValueError):
    pass


def _json(body: bytes) -> Any:
    try:
        return json_value(decoded(body, errors="strict"))
    except (RecursionError, ValueError) as error:
        raise _Malformed("the body is not JSON") from error


def _content(body: bytes, content_type: str) -> Any:
    """What bytes are by their type: text as text, JSON as data; without one JSON if it parses, else text or bytes."""
    media = media_of(content_type)
    if not is_text(media):
        return body
    try:
        text = decoded(body, charset_of(content_type), errors="strict")
    except UnicodeDecodeError:
        return body
    if "\0" in text:
        return body
    return json_or_text(text) if not media or is_json(media) else text


def _batch(value: Any) -> tuple[CloudEvent, ...]:
    if not isinstance(value, list):
        raise _Malformed("a batch must be a JSON array")
    items: list[Any] = [*value]  # pyright: ignore[reportUnknownVariableType]
    if len(items) > EVENTS_MAX:
        raise _Malformed(f"a batch has at most {EVENTS_MAX} events")
    return tuple(_structured(item) for item in items)


def _structured(value: Any) -> CloudEvent:
    if not isinstance(value, dict):
        raise _Malformed("an event must be a JSON object")
    fields = {name: item for name, item in cast("dict[str, Any]", value).items() if item is not None}
    data = fields.pop("data", None)
    encoded = fields.pop("data_base64", None)
    if encoded is not None:
        if data is not None:
            raise _Malformed("an event has either data or data_base64")
        data = _content(_from_base64(encoded), str(fields.get("datacontenttype", "")))
    return _event(fields, data)


def _from_base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise _Malformed("data_base64 is not base64") from error


def _binary(table: HeaderTable, media: str | None, body: bytes) -> CloudEvent:
    fields: dict[str, Any] = {}
    for name, value in table.lines():
        key = name.lower()
        if key.startswith("ce-"):
            if key[3:] in fields:
                raise _Malformed(f"the header {key} is there twice")
            fields[key[3:]] = unquote(value.strip().strip('"'))
    if content_type := table.first("content-type"):
        fields["datacontenttype"] = content_type
    if not body:
        return _event(fields, None)
    return _event(fields, _json(body) if media and is_json(media) else _content(body, content_type or ""))


def _event(fields: dict[str, Any], data: Any) -> CloudEvent:
    for name in REQUIRED:
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise _Malformed(f"the attribute {name} is missing or empty")
    if fields["specversion"] != "1.0":
        raise _Malformed("only specversion 1.0 is known")
    for name, value in fields.items():
        _check_attribute(name, value)
    known = {name: fields.pop(name) for name in (*REQUIRED, *OPTIONAL) if name in fields}
    return CloudEvent(**known, extensions=fields, data=data)


def _check_attribute(name: str, value: Any) -> None:
    if NAME.fullmatch(name) is None:
        raise _Malformed("an attribute name has only a-z and 0-9")
    text = isinstance(value, str)
    if not text and (name in OPTIONAL or not isinstance(value, bool | int)):
        raise _Malformed(f"the attribute {name} has the wrong type")
    if text and len(value) > VALUE_CHARS_MAX:
        raise _Malformed(f"the attribute {name} is longer than {VALUE_CHARS_MAX} characters")
    if name == "time" and iso_seconds(str(value)) is None:
        raise _Malformed("the attribute time is not an RFC 3339 time")
