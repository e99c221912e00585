"""What a delivery becomes in a flow: `trigger.body`, `trigger.headers`, `trigger.parameters`.

A pure function of the recorded delivery. Members that do not exist are absent, so that a template which needs
one fails with a clear error unless it says `??` or `default`.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote_plus
from weakref import WeakValueDictionary

from hookledger.journal.events import TriggerReceived
from hookledger.runtime.charsets import charset_of, decoded
from hookledger.runtime.expressions import CaseInsensitive
from hookledger.runtime.json_slices import TooManyValues, loads

LARGE_BYTES: Final = 256 * 1024
"""A body from this size on is read away from the event loop (`LargeBody`)."""
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")

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
        found["body"] = found["item"] = json_or_text(received.body.decode("utf-8", "replace"))
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
    """Name to list of values in order of appearance; percent-decoded as UTF-8, `+` is a space."""
    found: dict[str, list[str]] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return found


class LargeBody:
    """The value of a large body. While somebody keeps this, `body_value` gives the same value at once."""

    __slots__ = ("__weakref__", "value")

    def __init__(self, value: Any) -> None:
        self.value = value


_large: "WeakValueDictionary[tuple[bytes, str, str], LargeBody]" = WeakValueDictionary()


def known_body(body: bytes, content_type: str, charset: str) -> LargeBody | None:
    """What somebody keeps of a large body; None when it is small or nobody does."""
    return _large.get((body, content_type, charset)) if len(body) >= LARGE_BYTES else None


def keep_body(body: bytes, content_type: str, charset: str, value: Any) -> LargeBody:
    """Let others find the value of a large body for as long as the result is kept."""
    return _large.setdefault((body, content_type, charset), LargeBody(value))


def body_value(body: bytes, content_type: str, charset: str = "") -> Any:
    """JSON objects and arrays become data whatever the content type says; other text stays text; binary is base64.

    `charset` is used where the content type names none that is known; the default is UTF-8. The value may be shared.
    """
    known = known_body(body, content_type, charset)
    if known is not None:
        return known.value
    try:
        return read_body(body, content_type, charset)
    except TooManyValues:
        return decoded(body, charset_of(content_type), charset)


def read_body(body: bytes, content_type: str, charset: str) -> Any:
    """The same, read anew. A large body takes its time; in a thread it lets others run meanwhile.

    Raises:
        TooManyValues: The JSON has more arrays and objects than are read.
    """
    if not is_text(media_of(content_type)):
        return base64.b64encode(body).decode()
    return text_value(decoded(body, charset_of(content_type), charset))


def text_value(text: str) -> Any:
    """A JSON object or array as data, any other text as it is."""
    return json_or_text(text) if text.lstrip()[:1] in ("{", "[") else text


def remark(received: TriggerReceived, body: object) -> str:
    """What a person should know of a delivery's body; empty when there is nothing.

    Args:
        body: `trigger.body` as the flow sees it.
    """
    media = media_of(content_type(received.headers))
    if isinstance(body, str) and body and is_json(media) and not _is_json_text(body):
        return f"the body claims to be {media} and is no JSON: it was taken as text; `strictJson: true` refuses that"
    return ""


def _is_json_text(text: str) -> bool:
    """Whether text is a JSON document; objects and arrays would have become data."""
    if text.lstrip()[:1] in ("{", "["):
        return False
    try:
        loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def media_of(content_type: str) -> str:
    """The media type in lower case; one that cannot be read counts as absent."""
    media = content_type.partition(";")[0].strip().lower()
    return media if _MEDIA_TYPE.fullmatch(media) else ""


def is_text(media_type: str) -> bool:
    """True for types whose body is read as text; a missing type counts as text."""
    return (
        not media_type
        or media_type.startswith("text/")
        or media_type in _TEXT_TYPES
        or media_type.endswith(_TEXT_SUFFIXES)
    )


def is_json(media_type: str) -> bool:
    """True for types whose body is one JSON document."""
    return media_type.endswith(("/json", "+json"))


def json_or_text(text: str) -> Any:
    """Anything behind the first value means it is no JSON document (NDJSON, say): then nothing may be cut off."""
    try:
        return json_value(text)
    except (ValueError, RecursionError):
        return text


def json_value(text: str) -> Any:
    """The value of a JSON document; halves of surrogate pairs become U+FFFD.

    Raises:
        ValueError, RecursionError: It is none, or nests too deeply.
    """
    value = loads(text)
    return whole_characters(value) if "\\ud" in text or "\\uD" in text else value


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
