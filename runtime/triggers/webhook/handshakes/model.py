"""The words of handshakes: what a sender may ask before it delivers, and what we may answer."""

import json
from enum import StrEnum
from typing import Any, cast

import msgspec

from hookledger.runtime.triggers.webhook.admission.settings import Settings

ECHO_CHARS_MAX = 4096
JSON_BYTES_MAX = 65_536  # a handshake is small; anything larger is a delivery

# An echoed value is never markup, never sniffed, never kept.
SAFE = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"))


class HandshakeType(StrEnum):
    """The handshakes we know by name."""

    META = "META"
    SLACK = "SLACK"
    GRAPH = "GRAPH"
    CLOUDEVENTS = "CLOUDEVENTS"
    SNS = "SNS"
    DISCORD = "DISCORD"
    ZOOM = "ZOOM"
    X = "X"
    DROPBOX = "DROPBOX"
    OKTA = "OKTA"
    EVENT_GRID = "EVENT_GRID"
    GITHUB = "GITHUB"
    ASANA = "ASANA"
    NYLAS = "NYLAS"
    WEBSUB = "WEBSUB"
    CUSTOM = "CUSTOM"


class Handshake(Settings, frozen=True, kw_only=True):
    """One entry of the `handshake:` list. Templates are rendered by the caller before use."""

    type: HandshakeType = HandshakeType.CUSTOM
    verify_token: str | None = None  # META
    secret: str | None = None  # ZOOM, X; absent: the secret of `signature`
    allowed_origins: tuple[str, ...] = ()  # CLOUDEVENTS; "*" allows every origin
    allowed_rate: int | None = None  # CLOUDEVENTS, requests per minute; absent: any
    topic_arns: tuple[str, ...] = ()  # SNS
    confirm: bool = False  # SNS: whether we may call SubscribeURL
    allow_sha1: bool = False  # SNS: accept SignatureVersion 1
    topics: tuple[str, ...] = ()  # WEBSUB: what we subscribe to
    when: str | None = None  # CUSTOM: an expression; the caller evaluates it
    code: int = 200  # CUSTOM
    content_type: str = "text/plain"  # CUSTOM
    body: str = ""  # CUSTOM: a template; the caller renders it


class HandshakeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as far as handshakes look at it. Query values are percent-decoded."""

    method: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def parameter(self, name: str) -> str | None:
        """Return a query value that is there exactly once."""
        found = [value for key, value in self.query if key == name]
        return found[0] if len(found) == 1 else None

    def header(self, name: str) -> str | None:
        """Return a header value that is there exactly once; names in any case."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if len(found) == 1 else None

    def json(self) -> Any:
        """Return the parsed body, or None when it is long, malformed or null."""
        if not self.body or len(self.body) > JSON_BYTES_MAX:
            return None
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None

    def json_object(self) -> dict[str, Any]:
        """Return the parsed body when it is an object, else an empty one."""
        value = self.json()
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What to send back; recorded as HandshakeAnswered, no execution begins."""

    kind: HandshakeType
    status: int = 200
    headers: tuple[tuple[str, str], ...] = SAFE
    body: bytes = b""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A handshake we do not agree to. `reason` is for the journal, never for the caller."""

    kind: HandshakeType
    reason: str
    status: int = 403


def text_answer(kind: HandshakeType, text: str) -> Answer | Refusal:
    """Echo a value as plain text, if it is short enough to be a challenge."""
    if not text or len(text) > ECHO_CHARS_MAX:
        return Refusal(kind=kind, reason="challenge-length")
    headers = (("Content-Type", "text/plain; charset=utf-8"), *SAFE)
    return Answer(kind=kind, headers=headers, body=text.encode("utf-8", "replace"))


def json_answer(kind: HandshakeType, value: object) -> Answer:
    """Answer with JSON, escaped to ASCII: a sender may ask for half a surrogate pair."""
    headers = (("Content-Type", "application/json"), *SAFE)
    return Answer(kind=kind, headers=headers, body=json.dumps(value, separators=(",", ":")).encode())
