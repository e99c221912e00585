"""Handshakes: what is echoed, what is refused, and what is left alone."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookledger.runtime.triggers.webhook.handshakes import (
    Answer,
    Handshake,
    HandshakeRequest,
    HandshakeType,
    Refusal,
    answer_custom,
    answer_handshake,
    parse_handshakes,
)

EVERY = tuple(
    Handshake(
        type=kind,
        verify_token="vt",
        secret="webhook-secret",
        allowed_origins=("sender.example",),
        topics=("/t",),
    )
    for kind in HandshakeType
)


def post(body: Any, **more: Any) -> HandshakeRequest:
    """A POST with a JSON body."""
    return HandshakeRequest(method="POST", body=json.dumps(body).encode(), **more)


def get(**query: str) -> HandshakeRequest:
    """A GET with a query; `_` in names stands for a dot."""
    return HandshakeRequest(
        method="GET", query=tuple((k.replace("hub_", "hub."), v) for k, v in query.items())
    )


def only(kind: str) -> tuple[Handshake, ...]:
    """The one entry of this type."""
    return tuple(one for one in EVERY if one.type == kind)


META = {"hub_mode": "subscribe", "hub_verify_token": "vt", "hub_challenge": "<script>1</script>"}
WEBSUB = {"hub_topic": "/t", "hub_challenge": "c", "hub_lease_seconds": "60"}
OPTIONS = HandshakeRequest(method="OPTIONS", headers=(("WebHook-Request-Origin", "Sender.example"),))
EVIL = HandshakeRequest(method="OPTIONS", headers=(("webhook-request-origin", "evil"),))
GRAPH = HandshakeRequest(method="POST", query=(("validationToken", "a b<c>"),))
EVENT_GRID = [{
    "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c-1"},
}]  # fmt: skip
PLAIN = {"event": "endpoint.url_validation", "payload": {"plainToken": "plain123"}}
ENCRYPTED = "f04746fc6c7e33029d84fe8687700e397d50d87b1bbe097050121ec8187ec1e7"
CRC = b'{"response_token":"sha256=ek/NEOad46ZA6UArmQeGCpvc0ORLJhyg/J0kcAR8jNQ="}'
ZOOMED = f'{{"plainToken":"plain123","encryptedToken":"{ENCRYPTED}"}}'.encode()

ANSWERS: list[tuple[str, HandshakeRequest, bool, int, bytes]] = [
    ("META", get(**META), False, 200, b"<script>1</script>"),
    ("SLACK", post({"type": "url_verification", "challenge": "c"}), True, 200, b"c"),
    ("GRAPH", GRAPH, False, 200, b"a b<c>"),
    ("CLOUDEVENTS", OPTIONS, False, 200, b""),
    ("DISCORD", post({"type": 1}), True, 200, b'{"type":1}'),
    ("DISCORD", post({"type": 0}), True, 204, b""),
    ("ZOOM", post(PLAIN), True, 200, ZOOMED),
    ("X", get(crc_token="crc123"), False, 200, CRC),
    ("DROPBOX", get(challenge="c"), False, 200, b"c"),
    ("OKTA", HandshakeRequest(method="GET", headers=(("X-Okta-Verification-Challenge", "c"),)), False, 200,
     b'{"verification":"c"}'),
    ("EVENT_GRID", post(EVENT_GRID), True, 200, b'{"validationResponse":"c-1"}'),
    ("GITHUB", post({"zen": "z"}, headers=(("x-github-event", "ping"),)), True, 204, b""),
    ("ASANA", HandshakeRequest(method="POST", headers=(("X-Hook-Secret", "b537"),)), False, 200, b""),
    ("NYLAS", get(challenge="c"), False, 200, b"c"),
    ("WEBSUB", get(**{**WEBSUB, "hub_mode": "subscribe"}), False, 200, b"c"),
    ("WEBSUB", get(**{**WEBSUB, "hub_mode": "unsubscribe", "hub_topic": "/other"}), False, 200, b"c"),
    ("WEBSUB", get(**{**WEBSUB, "hub_mode": "denied"}), False, 200, b""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "request_", "verified", "status", "body"), ANSWERS)
def test_each_sender_gets_the_answer_it_wants(
    kind: str, request_: HandshakeRequest, verified: bool, status: int, body: bytes
) -> None:
    """
    The documented answer, plain text or JSON, never sniffed and never kept; only in its own step.
    """
    answer = answer_handshake(request_, only(kind), verified=verified)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (status, body)
    headers = dict(answer.headers)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "html" not in headers.get("Content-Type", "")
    assert answer_handshake(request_, only(kind), verified=not verified) is None
    assert answer_handshake(request_, (), verified=verified) is None


@pytest.mark.parametrize(
    ("kind", "request_", "verified", "status"),
    [
        ("META", get(**{**META, "hub_verify_token": "other"}), False, 403),
        ("META", get(**{**META, "hub_challenge": "x" * 4097}), False, 403),
        ("GRAPH", HandshakeRequest(method="POST", query=(("validationToken", ""),)), False, 403),
        ("CLOUDEVENTS", EVIL, False, 405),
        ("SLACK", post({"type": "url_verification", "challenge": ["c"]}), True, 403),
        ("ZOOM", post({"event": "endpoint.url_validation"}), True, 403),
        ("ASANA", HandshakeRequest(method="POST", headers=(("X-Hook-Secret", "x" * 257),)), False, 403),
        ("WEBSUB", get(**{**WEBSUB, "hub_mode": "subscribe", "hub_topic": "/other"}), False, 404),
        ("WEBSUB", get(**{**WEBSUB, "hub_mode": "unsubscribe"}), False, 404),
    ],
)  # fmt: skip
def test_refusals(kind: str, request_: HandshakeRequest, verified: bool, status: int) -> None:
    """
    A wrong token, an origin we do not know, or an overlong challenge is refused.
    """
    refusal = answer_handshake(request_, only(kind), verified=verified)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status


@pytest.mark.parametrize(
    "request_",
    [
        post({"type": 1, "event": {"type": "ENTITLEMENT_CREATE"}}),
        post({"type": True}),
        post({"type": "event_callback", "challenge": "c"}),
        HandshakeRequest(method="POST", query=(("validationToken", "t"),), body=b"{}"),
        HandshakeRequest(method="POST", body=b"[" * 60_000),
        HandshakeRequest(method="GET"),
    ],
)
def test_deliveries_are_left_alone(request_: HandshakeRequest) -> None:
    """
    What only resembles a handshake goes on as a delivery.
    """
    assert answer_handshake(request_, EVERY, verified=True) is None
    assert answer_handshake(request_, EVERY, verified=False) is None


def test_an_empty_verify_token_accepts_nothing() -> None:
    """
    A secret that rendered to nothing must not equal a missing one.
    """
    empty = get(**{**META, "hub_verify_token": ""})
    for token in ("", "  ", None):
        outcome = answer_handshake(
            empty, [Handshake(type=HandshakeType.META, verify_token=token)], verified=False
        )
        assert isinstance(outcome, Refusal)


def test_cloudevents_headers() -> None:
    """
    The agreed origin, the rate and the method are in the answer.
    """
    entry = Handshake(type=HandshakeType.CLOUDEVENTS, allowed_origins=("*",), allowed_rate=120)
    answer = answer_handshake(OPTIONS, [entry], verified=False)
    assert isinstance(answer, Answer)
    agreed = dict(answer.headers)
    assert agreed["WebHook-Allowed-Origin"] == "Sender.example"
    assert (agreed["WebHook-Allowed-Rate"], agreed["Allow"]) == ("120", "POST")


def test_custom() -> None:
    """
    An author's own answer is given when its condition held, with a harmless content type.
    """
    entry = Handshake(when="{{ x }}", content_type="application/json", code=201)
    answer = answer_custom(entry, matches=True, body="{}")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (201, b"{}")
    assert answer_custom(entry, matches=False, body="{}") is None
    assert isinstance(answer_custom(entry, matches=True, body="x" * 5000), Refusal)


def test_configuration() -> None:
    """
    AUTO follows the preset, NONE switches off, a list names types or blocks; problems name their entry.
    """
    assert [one.type for one in parse_handshakes(None, preset="SLACK")[0]] == ["SLACK"]
    assert parse_handshakes("NONE", preset="SLACK") == ((), ())
    assert parse_handshakes("AUTO", preset="STRIPE") == ((), ())
    good, none = parse_handshakes(["GRAPH", {"type": "META", "verifyToken": "t"}])
    assert [one.type for one in good] == ["GRAPH", "META"]
    assert none == ()
    raw = ["META", {"when": "x", "contentType": "text/html", "code": 500}, {"type": "SNS"}, "ODD"]
    found = {problem.path for problem in parse_handshakes(raw)[1]}
    assert found == {
        "handshake[0].verifyToken", "handshake[1].contentType", "handshake[1].code",
        "handshake[2].topicArns", "handshake[3].type",
    }  # fmt: skip
    assert parse_handshakes(7)[1][0].path == "handshake"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["url_verification"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "event", "payload", "challenge", "data", "eventType"]), inner
        )
    ),
    max_leaves=6,
)
PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["hub.mode", "hub.challenge", "hub.verify_token", "validationToken", "challenge",
                         "crc_token", "webhook-request-origin", "x-okta-verification-challenge"]),
        st.text(max_size=9) | st.just("subscribe") | st.just("\udc80"),
    ),
    max_size=4,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "OPTIONS", "PUT"]), query=PAIRS, headers=PAIRS,
    body=st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()), verified=st.booleans(),
)  # fmt: skip
def test_handshakes_never_raise(method: str, query: Any, headers: Any, body: bytes, verified: bool) -> None:
    """
    Any request ends in an answer, a refusal or nothing.
    """
    request = HandshakeRequest(method=method, query=tuple(query), headers=tuple(headers), body=body)
    outcome = answer_handshake(request, EVERY, verified=verified, secret="s")
    assert outcome is None or isinstance(outcome, Answer | Refusal)
