"""What somebody who knows a webhook's address and no secret gets out of it: no signature, no script, no credential."""

import base64
import hmac
import json
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import trio
import trio.testing

from hookledger.api.html import SANDBOX
from hookledger.api.webhook.keysets import KeySets
from hookledger.runtime.triggers.webhook.signatures import (
    PRESETS,
    Draft,
    Reason,
    Verdict,
    parse_signature,
    sign,
)
from hookledger.runtime.triggers.webhook.signatures.template import uses
from tests.api.webhook.house import House, flow, open_house

SECRET: Final = "the secret of the signature"
X_SIGNED: Final = (
    "handshake: [{{type: X}}]\n"
    "signature: {{header: X-Signature, format: PREFIXED, prefix: 'sha256=', encoding: BASE64, "
    "payload: '{payload}', timestampHeader: X-Time, secret: {secret}}}\nmethods: [GET, POST]\n{more}"
)


def signed(message: bytes) -> str:
    """What X signs with."""
    return "sha256=" + base64.b64encode(hmac.digest(SECRET.encode(), message, "sha256")).decode()


async def asked(house: House, token: str, name: str = "f") -> str:
    """What the handshake says to a token; empty when it is refused."""
    answer = await house.send(flow=name, method="GET", params={"crc_token": token})
    return str(answer.json()["response_token"]) if answer.status_code == 200 else ""


@pytest.mark.parametrize("more", ["", "fetchType: STORE\n", "fetchType: NONE\n"])
async def test_a_handshake_signs_no_delivery(tmp_path: Path, more: str) -> None:
    """
    The handshake of X hashes what anybody gives it, under the secret that signs deliveries. It takes no JSON, and a
    body that could be a token is no delivery: nothing that it signs is ever accepted.
    """
    plain = X_SIGNED.format(payload="{body}", secret=json.dumps(SECRET), more=more)
    timed = X_SIGNED.format(payload="{timestamp}{body}", secret=json.dumps(SECRET), more=more)
    async with open_house(tmp_path, flow(plain), flow(timed, name="timed")) as house:
        for forged in (
            '{"paid":true}',
            "",
            "a b",
            "paid.",
            "<b>",
            "é",
            "a" * 129,
            '"paid"',
            "[1]",
            "a=b&c=d",
        ):
            assert await asked(house, forged) == "", forged
            for headers in ({"X-Signature": "sha256="}, {"X-Signature": signed(b"x")}, {}):
                assert (await house.send(content=forged.encode(), headers=headers)).status_code == 401
        now = str(int(house.clock.now() / 1_000_000))
        for token, name, body in (
            ("a=b", "f", "a=b"),
            ("12345", "f", "12345"),
            (now + "a=b", "timed", "a=b"),
            (now, "timed", ""),
        ):
            made = await asked(house, token, name)
            assert made == signed(token.encode())
            headers = {"X-Signature": made, "X-Time": now}
            assert (await house.send(flow=name, content=body.encode(), headers=headers)).status_code == 401
            assert (await house.send(flow=name, method="GET", headers=headers)).status_code == 401
        real = b'{"paid":true}'
        assert (await house.send(content=real, headers={"X-Signature": signed(real)})).status_code == 200
        assert len(house.executions()) == 1


async def test_zoom_signs_no_delivery(tmp_path: Path) -> None:
    """
    Zoom's handshake too hashes what it is given: only what can be no signed payload of its own.
    """
    way = f"handshake: [{{type: ZOOM, secret: {json.dumps(SECRET)}}}]"
    async with open_house(tmp_path, flow(way)) as house:
        for token, status in (
            ("v0:1700000000:{}", 403),
            ("plain123", 200),
            ("a" * 129, 403),
            ('{"a":1}', 403),
        ):
            question = {"event": "endpoint.url_validation", "payload": {"plainToken": token}}
            answer = await house.send(json=question)
            assert answer.status_code == status, token
            assert ("encryptedToken" in answer.text) is (status == 200)


def closed(answer: httpx.Response) -> None:
    """A browser runs nothing of it and takes it for nothing else, whatever the author wrote."""
    policies = answer.headers.get_list("content-security-policy")
    assert policies[-1] == SANDBOX["Content-Security-Policy"], (answer.request.url, policies)
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"], answer.request.url


async def test_no_answer_of_a_webhook_runs_in_a_browser(tmp_path: Path) -> None:
    """
    Handshakes, an author's own answers, tasks that answer, outputs, streams, repetitions and refusals: all of them are
    sandboxed and not sniffed, and no header of an author opens them.
    """
    html = "response: {contentType: text/html, body: '<script>1</script>', headers: {x-content-type-options: none, "
    html += "Content-Security-Policy: \"script-src 'unsafe-inline'\"}}"
    respond = '  - {id: r, type: io.hookledger.core.Respond, contentType: text/html, body: "<b>"}'
    outputs = "outputs: [{id: x, type: STRING, value: <b>}]\n"
    sources = (
        flow("handshake: [GRAPH, {type: META, verifyToken: v}]\nmethods: [GET, POST]", name="shake"),
        flow(html, name="html"),
        flow("wait: true", name="task", tasks=respond),
        flow(
            "wait: true\nreturnOutputs: true\nresponseContentType: text/plain", name="outputs", more=outputs
        ),
        flow("wait: true\nresponse: {contentType: text/event-stream}", name="stream"),
        flow("deduplication: {key: one}\nwait: true", name="again"),
        flow("authentication: [{type: BEARER, token: right}]", name="closed"),
    )
    async with open_house(tmp_path, *sources) as house:
        graph = await house.send(flow="shake", tail="?validationToken=%3Cscript%3E")
        assert (graph.status_code, graph.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        closed(graph)
        closed(await house.send(flow="shake", method="GET", tail="?hub.mode=subscribe&hub.verify_token=no"))
        for name in ("html", "task", "outputs", "stream", "again", "again"):
            answer = await house.send(flow=name)
            assert answer.status_code == 200, (name, answer.text)
            closed(answer)
        assert answer.headers["idempotency-replayed"] == "true"
        refusals = (
            ({"flow": "closed"}, 401),
            ({"key": "wrong"}, 404),
            ({"flow": "html", "method": "PATCH"}, 405),
        )
        for sent, status in refusals:
            answer = await house.send(**sent)
            assert answer.status_code == status
            closed(answer)


GUESSED: Final = {
    "BEARER": ("authentication: [{type: BEARER, token: right}]", "Authorization", "Bearer {}"),
    "HEADER": ("authentication: [{type: HEADER, name: X-Api-Key, value: right}]", "X-Api-Key", "{}"),
    "BASIC": ("authentication: [{type: BASIC, username: u, password: right}]", "Authorization", "Basic {}"),
    "TOKEN": ("signature: {preset: GITLAB_TOKEN, secret: right}", "X-Gitlab-Token", "{}"),
    "GITLAB": ("signature: {preset: GITLAB, secret: right}", "X-Gitlab-Token", "{}"),
}


@pytest.mark.parametrize("way", GUESSED)
async def test_guessing_the_secret_of_a_webhook_is_stopped(tmp_path: Path, way: str) -> None:
    """
    Who failed a hundred times at a webhook learns nothing more, not even that a guess was right. Who was right from
    there before goes on, and so does everybody elsewhere; with time the others may try again.
    """
    settings, header, form = GUESSED[way]

    def credential(secret: str) -> str:
        return form.format(base64.b64encode(f"u:{secret}".encode()).decode() if way == "BASIC" else secret)

    trusted = [("server.trustedProxies", ["127.0.0.1"])]
    async with open_house(tmp_path, flow(settings), settings=trusted) as house:

        async def send(secret: str, address: str) -> int:
            headers = {header: credential(secret), "X-Forwarded-For": address}
            return (await house.send(headers=headers)).status_code

        assert await send("right", "2001:db8::1") == 200
        answers = [await send(f"guess {number}", f"2001:db8::{number:x}") for number in range(101)]
        assert answers == [401] * 100 + [429]
        assert await send("right", "2001:db8::2") == 200
        assert await send("right", "192.0.2.1") == 200
        guesses = [await send(f"guess {number}", "192.0.2.2") for number in range(101)]
        assert guesses == [401] * 100 + [429]
        assert await send("right", "192.0.2.2") == 429
        house.clock.move(seconds=2)
        assert await send("right", "192.0.2.2") == 200


JOINED: Final = [
    name
    for name, recipe in PRESETS.items()
    if uses(recipe.payload, "id") and recipe.families[0].id is not None
]


@pytest.mark.parametrize("preset", [*JOINED, "of one's own"])
def test_a_signed_id_ends_where_it_ends(preset: str) -> None:
    """
    What is signed joins id, time and body with dots, so an id with a dot could be read as a shorter id with another
    time: it is refused. The signature of (m2.NOW, 5, b) is none of (m2, NOW, "5." + b).
    """
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    settings: dict[str, Any] = {"preset": preset, "secret": secret}
    mark = "."
    if preset not in PRESETS:
        mark = "--"
        settings = {
            "header": "webhook-signature", "payload": "{id}--{timestamp}--{body}", "idHeader": "webhook-id",
            "timestampHeader": "webhook-timestamp", "format": "VERSIONED_LIST", "encoding": "BASE64", "secret": secret,
            "secretEncoding": "WHSEC",
        }  # fmt: skip
    scheme = parse_signature(settings).scheme
    assert scheme is not None
    family, now, key = scheme.recipe.families[0], 1_700_000_000, base64.b64decode(secret[6:])

    def verdict(identifier: str, timestamp: int, body: bytes, message: str) -> Verdict:
        made = base64.b64encode(hmac.digest(key, message.encode(), "sha256")).decode()
        headers = (
            (family.id or "", identifier),
            (family.timestamp or "", str(timestamp)),
            (family.signature[0], f"v1,{made}"),
        )
        return scheme.check(body, method="POST", url="https://h/", headers=headers, now=now, secrets=[secret])

    message = f"m2{mark}{now}{mark}5{mark}b"
    assert verdict("m2", now, f"5{mark}b".encode(), message).accepted
    shifted = verdict(f"m2{mark}{now}", 5, b"b", message)
    assert (shifted.accepted, shifted.reason) == (False, Reason.ID_MALFORMED)
    longer = f"a{mark}b{mark}{now}{mark}c"
    assert verdict(f"a{mark}b", now, b"c", longer).reason is Reason.ID_MALFORMED
    with pytest.raises(ValueError, match="id-malformed"):
        sign(scheme, secret, Draft(body=b"b", now=now, delivery_id=f"m2{mark}x"))


async def test_a_replay_is_stopped_by_what_is_signed(tmp_path: Path) -> None:
    """
    GITHUB's delivery id is no part of the signature: a replay under another id starts the flow again, as
    docs/webhooks/signatures.md says. A key of what is signed, such as the body's digest, stops it.
    """
    signature = f"signature: {{preset: GITHUB, secret: {json.dumps(SECRET)}}}\n"
    sources = (
        flow(signature + "deduplication: {window: PT1H}", name="by-id"),
        flow(signature + "deduplication: {key: '{{ trigger.bodyDigest }}', window: PT1H}", name="by-body"),
    )
    body = b'{"action":"opened"}'
    made = {"X-Hub-Signature-256": f"sha256={hmac.digest(SECRET.encode(), body, 'sha256').hex()}"}
    async with open_house(tmp_path, *sources) as house:
        for name, expected in (("by-id", 2), ("by-body", 1)):
            before = len(house.executions())
            for delivery in ("one", "two"):
                headers = {**made, "X-GitHub-Delivery": delivery, "Content-Type": "application/json"}
                assert (await house.send(flow=name, content=body, headers=headers)).status_code == 200
            assert len(house.executions()) - before == expected, name
    document = (Path(__file__).parents[3] / "docs/webhooks/signatures.md").read_text("utf-8")
    assert "trigger.bodyDigest" in document
    assert "deduplication is what stops that" not in document


async def test_a_failed_refetch_keeps_good_keys(autojump_clock: trio.testing.MockClock) -> None:
    """
    When a key set cannot be fetched again, or what comes is none, the keys that were good stay for a day; it is asked
    for once a minute. A set that has no keys any more takes them back, and after a day nothing is accepted.
    """
    good, url = b'{"keys":[{"kty":"oct","kid":"a","k":"MTIz"}]}', "https://idp.example/keys"
    answers: list[bytes | Exception] = []
    asked = 0

    async def fetch(url: str) -> bytes:
        nonlocal asked
        asked += 1
        await trio.lowlevel.checkpoint()
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    sets, hour = KeySets(fetch), 3600.0
    answers[:] = [good, OSError("down"), b"<html>", b'{"error":"x"}']
    for now in (0.0, hour, 2 * hour, 3 * hour):
        await sets.fetch(url, now)
        assert [key["kid"] for key in sets.known[url].keys] == ["a"], now
    assert not sets.known[url].wanted(3 * hour + 59)
    assert sets.known[url].wanted(3 * hour + 60)
    answers[:] = [b'{"keys":[]}']
    await sets.fetch(url, 4 * hour)
    assert sets.known[url].keys == ()
    answers[:] = [good, OSError("down"), OSError("down")]
    await sets.fetch(url, 5 * hour)
    await sets.fetch(url, 29 * hour)
    assert sets.known[url].keys
    await sets.fetch(url, 30 * hour)
    assert sets.known[url].keys == ()
    assert asked == 8
