"""The handshakes of known senders, each a pure function from a request to an answer.

None means "not a handshake": the request goes on as a delivery. Sources: each
sender's documentation; CloudEvents HTTP Webhook 1.0.2 section 4.
"""

import base64
import hmac
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from hookledger.runtime.triggers.webhook.handshakes.model import (
    ECHO_CHARS_MAX,
    SAFE,
    Answer,
    Handshake,
    HandshakeRequest,
    HandshakeType,
    Refusal,
    json_answer,
    text_answer,
)

Outcome = Answer | Refusal | None
VISIBLE = re.compile(r"[!-~]{1,256}")
PROVEN = frozenset({HandshakeType.X, HandshakeType.ZOOM})
"""Answered with the HMAC of what the caller gave, often under the secret that signs deliveries."""
TOKEN_CHARS_MAX = 128
TOKEN = re.compile(rf"[A-Za-z0-9_=+/-]{{1,{TOKEN_CHARS_MAX}}}")
"""What such senders ask to be hashed. It is never JSON, and has no place for a time and a separator."""
EVENT_GRID_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


def meta(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """GET with hub.mode=subscribe: echo hub.challenge when hub.verify_token is ours."""
    if request.method != "GET" or request.parameter("hub.mode") != "subscribe":
        return None
    given, expected = request.parameter("hub.verify_token") or "", settings.verify_token or ""
    if not expected.strip() or not _equal(given, expected):
        return Refusal(kind=HandshakeType.META, reason="verify-token")
    return text_answer(HandshakeType.META, request.parameter("hub.challenge") or "")


def slack(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """POST with type url_verification: echo the challenge."""
    body = _posted(request)
    if body.get("type") != "url_verification":
        return None
    return text_answer(HandshakeType.SLACK, _text(body.get("challenge")))


def graph(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """POST with ?validationToken= and no body: echo the decoded token as plain text."""
    token = request.parameter("validationToken")
    if request.method != "POST" or token is None or request.body:
        return None
    return text_answer(HandshakeType.GRAPH, token)


def cloudevents(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """OPTIONS with WebHook-Request-Origin: agree for known origins, 405 for others."""
    origin = request.header("webhook-request-origin")
    if request.method != "OPTIONS" or origin is None:
        return None
    known = {one.lower() for one in settings.allowed_origins}
    if not origin.isascii() or not origin.isprintable() or not ({"*", origin.lower()} & known):
        return Refusal(kind=HandshakeType.CLOUDEVENTS, reason="origin", status=405)
    rate = "*" if settings.allowed_rate is None else str(settings.allowed_rate)
    agreed = (("WebHook-Allowed-Origin", origin), ("WebHook-Allowed-Rate", rate), ("Allow", "POST"))
    return Answer(kind=HandshakeType.CLOUDEVENTS, headers=(*agreed, *SAFE))


def discord(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """Signed ping: type 1 of interactions is answered in kind, type 0 of webhook events with 204."""
    body = _posted(request)
    kind = body.get("type")
    if type(kind) is not int or kind not in (0, 1) or "event" in body:
        return None  # type 1 with an event is a webhook event, not a ping
    if kind == 0:
        return Answer(kind=HandshakeType.DISCORD, status=204)
    return json_answer(HandshakeType.DISCORD, {"type": 1})


def zoom(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """endpoint.url_validation: prove that we know the secret by hashing plainToken."""
    body = _posted(request)
    if body.get("event") != "endpoint.url_validation":
        return None
    payload = body.get("payload")
    fields = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    token = _text(fields.get("plainToken"))
    key = settings.secret or secret
    if TOKEN.fullmatch(token) is None or not key.strip():
        return Refusal(kind=HandshakeType.ZOOM, reason="plain-token")
    answer = {"plainToken": token, "encryptedToken": _mac(key, token).hex()}
    return json_answer(HandshakeType.ZOOM, answer)


def x_crc(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """GET ?crc_token=: prove that we know the secret."""
    token = request.parameter("crc_token")
    if request.method != "GET" or token is None:
        return None
    key = settings.secret or secret
    if TOKEN.fullmatch(token) is None or not key.strip():
        return Refusal(kind=HandshakeType.X, reason="crc-token")
    digest = base64.b64encode(_mac(key, token)).decode()
    return json_answer(HandshakeType.X, {"response_token": f"sha256={digest}"})


def challenge(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """GET ?challenge= (Dropbox, Nylas): echo it as plain text."""
    given = request.parameter("challenge")
    if request.method != "GET" or given is None:
        return None
    return text_answer(settings.type, given)


def asana(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """POST with X-Hook-Secret: give the header back. Whoever asked Asana for the webhook gets the secret too."""
    given = request.header("x-hook-secret")
    if request.method != "POST" or given is None:
        return None
    if VISIBLE.fullmatch(given) is None:
        return Refusal(kind=HandshakeType.ASANA, reason="secret-length")
    return Answer(kind=HandshakeType.ASANA, headers=(("X-Hook-Secret", given), *SAFE))


def websub(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """GET with hub.mode: agree to subscribe to our topics, and to unsubscribe from all others."""
    mode, topic = request.parameter("hub.mode"), request.parameter("hub.topic")
    if request.method != "GET" or mode not in ("subscribe", "unsubscribe", "denied") or topic is None:
        return None
    if mode == "denied":
        return Answer(kind=HandshakeType.WEBSUB)
    if (mode == "subscribe") != (topic in settings.topics):
        return Refusal(kind=HandshakeType.WEBSUB, reason=f"{mode}: topic", status=404)
    return text_answer(HandshakeType.WEBSUB, request.parameter("hub.challenge") or "")


def github(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """The event `ping`, which says that the webhook was made and nothing else."""
    if request.method != "POST" or request.header("x-github-event") != "ping":
        return None
    return Answer(kind=HandshakeType.GITHUB, status=204)


def okta(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """GET with X-Okta-Verification-Challenge: echo it in JSON."""
    challenge = request.header("x-okta-verification-challenge")
    if request.method != "GET" or challenge is None:
        return None
    if not challenge or len(challenge) > ECHO_CHARS_MAX:
        return Refusal(kind=HandshakeType.OKTA, reason="challenge-length")
    return json_answer(HandshakeType.OKTA, {"verification": challenge})


def event_grid(request: HandshakeRequest, settings: Handshake, secret: str) -> Outcome:
    """A SubscriptionValidationEvent: give its code back."""
    items = request.json() if request.method == "POST" else None
    first: object = cast("list[object]", items)[0] if isinstance(items, list) and items else None
    event = cast("dict[str, Any]", first) if isinstance(first, dict) else {}
    if event.get("eventType") != EVENT_GRID_VALIDATION:
        return None
    data = event.get("data")
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    code = _text(fields.get("validationCode"))
    if not code or len(code) > ECHO_CHARS_MAX:
        return Refusal(kind=HandshakeType.EVENT_GRID, reason="challenge-length")
    return json_answer(HandshakeType.EVENT_GRID, {"validationResponse": code})


Handler = Callable[[HandshakeRequest, Handshake, str], Outcome]
# Asked before the signature: these requests are never signed, and the answer gives nothing away.
UNSIGNED: dict[HandshakeType, Handler] = {
    HandshakeType.META: meta,
    HandshakeType.GRAPH: graph,
    HandshakeType.CLOUDEVENTS: cloudevents,
    HandshakeType.X: x_crc,
    HandshakeType.DROPBOX: challenge,
    HandshakeType.NYLAS: challenge,
    HandshakeType.ASANA: asana,
    HandshakeType.WEBSUB: websub,
    HandshakeType.OKTA: okta,
}
# Asked only once the signature is right.
SIGNED: dict[HandshakeType, Handler] = {
    HandshakeType.SLACK: slack,
    HandshakeType.DISCORD: discord,
    HandshakeType.ZOOM: zoom,
    HandshakeType.EVENT_GRID: event_grid,
    HandshakeType.GITHUB: github,
}


def answer_handshake(
    request: HandshakeRequest, handshakes: Sequence[Handshake], *, verified: bool, secret: str = ""
) -> Outcome:
    """Answer the first handshake that the request is; None lets it go on as a delivery.

    Args:
        request: The request; its body may be empty for the unsigned step.
        handshakes: The trigger's entries, templates rendered.
        verified: False before the signature was checked (only handshakes that are
            never signed are considered), True afterwards (only the others).
        secret: The first secret of `signature`, for handshakes without their own.
    """
    handlers = SIGNED if verified else UNSIGNED
    outcomes = (handlers[one.type](request, one, secret) for one in handshakes if one.type in handlers)
    return next((outcome for outcome in outcomes if outcome is not None), None)


def is_token(body: bytes) -> bool:
    """Whether a body could be what a caller had hashed.

    Every signed payload contains the whole body, so it can only be such a token when the body is one, or empty.
    """
    return not body or TOKEN.fullmatch(body.decode("latin-1")) is not None


def answer_custom(settings: Handshake, *, matches: bool, body: str) -> Outcome:
    """Answer an author's own handshake; the caller evaluated `when` and rendered `body`."""
    if not matches:
        return None
    if len(body) > ECHO_CHARS_MAX:
        return Refusal(kind=HandshakeType.CUSTOM, reason="body-length")
    content_type = settings.content_type.partition(";")[0].strip().lower()
    headers = (("Content-Type", f"{content_type}; charset=utf-8"), *SAFE)
    encoded = b"" if settings.code == 204 else body.encode("utf-8", "replace")
    return Answer(kind=HandshakeType.CUSTOM, status=settings.code, headers=headers, body=encoded)


def _posted(request: HandshakeRequest) -> dict[str, Any]:
    return request.json_object() if request.method == "POST" else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(_bytes(given), _bytes(expected))


def _mac(key: str, text: str) -> bytes:
    return hmac.digest(_bytes(key), _bytes(text), "sha256")
