"""Whatever a caller sends, the answer is a documented one. The long run is tests/fuzz/fuzz_webhook.py."""

from collections.abc import AsyncIterator
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookledger.actors import Engine
from hookledger.api.http import HttpRequest
from hookledger.api.webhook.handler import WebhookHandler, WebhookLimits
from hookledger.journal.memory import MemoryStore

from .house import HOOK, flow, open_house

LIMITS = WebhookLimits(body_bytes_max=100_000, wait_seconds_max=5)
TRIGGERS = (
    "wait: true",
    "signature: {preset: STRIPE, secret: secret-secret}",
    "signature: {preset: STANDARD_WEBHOOKS, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}",
    "signature: {preset: RFC9421, secret: a shared secret of thirty-two bytes!}",
    "authentication: [{type: BASIC, username: u, password: pass-pass}, {type: QUERY, name: q, value: abc-abc}]",
    "deduplication: {key: '{{ trigger.body.id }}'}",
    "deduplication: {}\nwait: true",
    "strictJson: true\nschema: {type: object}",
    "cloudEvents: REQUIRED",
    "handshake: [GRAPH, DROPBOX, OKTA, EVENT_GRID, {type: META, verifyToken: abc}]\ncors: {origins: ['*']}",
    'wait: true\nresponse: {code: "{{ trigger.body.c }}", headers: {X: "{{ trigger.body.h }}"}}',
)
DOCUMENTED = {200, 202, 204, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503}
NAMES = st.sampled_from(
    [
        "Content-Type",
        "Content-Encoding",
        "Authorization",
        "Idempotency-Key",
        "Prefer",
        "Stripe-Signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "Signature",
        "Signature-Input",
        "Content-Digest",
        "ce-specversion",
        "ce-id",
        "ce-source",
        "ce-type",
        "Origin",
        "traceparent",
        "X-Forwarded-For",
        "Content-Length",
        "Host",
    ]
)
LATIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60)
USUAL = st.sampled_from(
    [
        "application/json",
        "gzip",
        "deflate",
        "multipart/form-data; boundary=b",
        "1.0",
        "t=1,v1=00",
        "v1,AAAA",
        "wait=1",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "1700000000",
        "Basic dTpw",
        "Bearer x",
    ]
)
BODIES = st.binary(max_size=500) | st.sampled_from(
    [
        b"{}",
        b'{"id":1,"c":201,"h":"a\\r\\nb"}',
        b'{"a":"\\ud800"}',
        b"[" * 2000,
        b"--b\r\n\r\n",
        b'{"c":"\\ud800"}',
    ]
)


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    """The body in two parts."""
    for part in (body[: len(body) // 2], body[len(body) // 2 :]):
        if part:
            yield part


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    trigger=st.sampled_from(TRIGGERS),
    method=st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "HEAD", "\x00"]),
    key=st.sampled_from(["k", "k", "k", "wrong", "%ff", ""]),
    query=LATIN
    | st.sampled_from(["hub.mode=subscribe&hub.verify_token=abc", "validationToken=x", "challenge=y"]),
    headers=st.lists(st.tuples(NAMES, LATIN | USUAL), max_size=6),
    body=BODIES,
)
async def test_every_answer_is_documented(
    trigger: str, method: str, key: str, query: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    """
    No exception, no undocumented status, no header that could split an answer, for any request to any trigger.
    """
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(flow(trigger))
        handler = WebhookHandler(engine, LIMITS)
        request = HttpRequest(
            method=method,
            raw_path=f"{HOOK}/t/f/{key}",
            raw_query=query,
            headers=tuple(headers),
            body=chunks(body),
            peer="192.0.2.1",
        )
        response = await handler.handle(request)
    assert response.status in DOCUMENTED
    assert response.status != 500 or "response" in trigger
    for name, value in response.headers:
        assert not set("\r\n\x00") & set(name + value)
        value.encode("latin-1")


async def test_half_a_surrogate_pair_ends_nothing(tmp_path: Path) -> None:
    """
    A JSON body may escape half a character; the flow sees U+FFFD, because no journal and no answer could carry it.
    """
    async with open_house(tmp_path, flow("wait: true")) as house:
        answer = await house.send(content=b'{"\\ud800":"a\\ud83d\\ude00\\udc00"}')
        assert answer.status_code == 200
        assert answer.json()["trigger"]["variables"]["body"] == {"\ufffd": "a\U0001f600\ufffd"}
