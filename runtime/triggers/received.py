"""What a delivery becomes in a flow: `trigger.body`, `trigger.headers`, `trigger.parameters`.

A pure function of the recorded delivery. Members that do not exist are absent, so that a template which needs
one fails with a clear error unless it says `??` or `default`.
"""

import base64
import codecs
import hashlib
import json
from collections.abc import Iterable
from typing import Any, NoReturn
from urllib.parse import unquote

from hookledger.journal.events import TriggerReceived
from hookledger.runtime.expressions import CaseInsensitive

_TEXT_TYPES = frozenset(
    {"application/json", "application/xml", "application/x-www-form-urlencoded", "application/x-ndjson"}
)
_TEXT_SUFFIXES = ("+json", "+xml", "yaml", "csv", "ndjson", "jsonl", "javascript", "graphql")


def trigger_variables(received: TriggerReceived) -> dict[str, Any]:
    """Return the variable `trigger`."""
    if not received.method:
        return dict(received.variables)
    found: dict[str, Any] = {
        "headers": headers_map(received.headers),
        "parameters": parameters_map(received.query),
        **received.variables,
    }
    if "batch" in received.variables:
        found["body"] = found["item"] = _json_or_text(received.body.decode("utf-8", "replace"))
    elif received.body and "body" not in found:
        found["body"] = body_value(received.body, content_type(received.headers), received.charset)
    if received.raw_body and received.body:
        found["rawBody"] = base64.b64encode(received.body).decode()
    return {**found, **_about(received)}


def _about(received: TriggerReceived) -> dict[str, Any]:
    """What is known of the delivery beside its content; only what there is."""
    digest = received.body_sha256 or (hashlib.sha256(received.body).hexdigest() if received.body else "")
    known: dict[str, Any] = {
        "uri": received.body_uri,
        "bodyDigest": digest,
        "verification": received.verification,
        "traceparent": received.traceparent,
    }
    return {name: value for name, value in known.items() if value}


def content_type(headers: Iterable[tuple[str, str]]) -> str:
    """The first Content-Type header, or empty."""
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def headers_map(headers: Iterable[tuple[str, str]]) -> CaseInsensitive:
    """Name to list of values; names keep the sender's spelling, look-up ignores case."""
    found: dict[str, list[Any]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return CaseInsensitive(found)


def parameters_map(query: str) -> dict[str, list[str]]:
    """Name to list of values in order of appearance; percent-decoded as UTF-8, `+` stays a plus."""
    found: dict[str, list[str]] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            found.setdefault(unquote(name), []).append(unquote(value))
    return found


def body_value(body: bytes, content_type: str, charset: str = "") -> Any:
    """JSON objects and arrays become data whatever the content type says; other text stays text; binary is base64.

    `charset` is used where the content type names none; the default is UTF-8.
    """
    media, _, parameters = content_type.partition(";")
    if not is_text(media.strip().lower()):
        return base64.b64encode(body).decode()
    text = _decoded(body, parameters, charset or "utf-8")
    stripped = text.strip()
    return _json_or_text(text) if stripped[:1] in ("{", "[") else text


def is_text(media_type: str) -> bool:
    """True for types whose body is read as text; a missing type counts as text."""
    return (
        not media_type
        or media_type.startswith("text/")
        or media_type in _TEXT_TYPES
        or media_type.endswith(_TEXT_SUFFIXES)
    )


def _json_or_text(text: str) -> Any:
    """Anything behind the first value means it is no JSON document (NDJSON, say): then nothing may be cut off."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return whole_characters(value) if "\\ud" in text.lower() else value


def whole_characters(value: Any) -> Any:
    """The same data with U+FFFD for every half of a surrogate pair, which no UTF-8 can carry."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {whole_characters(key): whole_characters(item) for key, item in value.items()}
        case list():
            return [whole_characters(item) for item in value]
        case _:
            return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _decoded(body: bytes, parameters: str, charset: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"')
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = "utf-8"
    try:
        return body.decode(name, errors="replace")
    except (LookupError, ValueError):  # a codec that is no text encoding
        return body.decode("utf-8", errors="replace")
