"""Every test vector and the signature rows of the black-box table, against the real server."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from hookledger.journal.events import DeliveryRejected, HandshakeAnswered, TriggerReceived
from hookledger.runtime.triggers.webhook.signatures import Draft, parse_signature, sign

from ...runtime.triggers.webhook.signatures.test_vectors import (  # noqa: TID252
    BODY,
    HUGE,
    KEY,
    SLACK_BODY,
    V1_SECRET,
    VECTORS,
    Lines,
    github,
    standard,
)
from .house import flow, open_house

FORM = "application/x-www-form-urlencoded"


def signed(preset: str, *, more: str = "", secret: str = "{{ secret('S') }}", **properties: Any) -> str:
    """A flow whose webhook checks signatures."""
    block = json.dumps({"preset": preset, "secret": secret, **properties})
    return flow(f"signature: {block}\npublicUrl: https://example.com/hook\n{more}")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector[0])
async def test_vectors(tmp_path: Path, vector: tuple[str, str, dict[str, Any], str, Lines, bytes]) -> None:
    """
    Section 2d: every vector is accepted over HTTP, and refused once a byte of the body is another.
    """
    name, preset, properties, secret, headers, body = vector
    properties = {**properties, "tolerance": HUGE}
    async with open_house(tmp_path, signed(preset, **properties), secrets={"S": secret}) as house:
        sent = dict(headers) if preset == "TWILIO" else {"Content-Type": "application/json", **dict(headers)}
        good = await house.send(content=body, headers=sent)
        assert good.status_code == 200, (name, good.text)
        bad = await house.send(content=body + b" ", headers=sent)
        assert bad.status_code == 401, name
        (received,) = house.events(TriggerReceived)
        assert received.body == body
        assert received.verification["preset"] in (preset, "GITLAB_TOKEN")


async def test_every_refusal_looks_the_same(tmp_path: Path) -> None:
    """
    Rows 6, 7, 8 and 10: missing, wrong and doubled signatures are one 401; hex may be upper case.
    """
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    source = signed("GITHUB", secret="It's a Secret to Everybody")
    async with open_house(tmp_path, source) as house:
        body = b"Hello, World!"
        assert (await house.send(content=body, headers=dict(github(digest.upper())))).status_code == 200
        doubled = [*github(digest), *github("0" * 64)]
        refused = [
            await house.send(content=body),
            await house.send(content=body, headers=dict(github("0" * 64))),
            await house.send(content=body, headers=doubled),
        ]
        assert {answer.status_code for answer in refused} == {401}
        bodies = [answer.json() for answer in refused]
        named = [body.pop("instance").rpartition(":")[2] for body in bodies]
        assert named == [answer.headers["x-delivery-id"] for answer in refused]
        assert all(body == bodies[0] for body in bodies)
        reasons = [event.reason for event in await house.settled(3, DeliveryRejected)]
        assert reasons == ["signature-missing", "signature-mismatch", "signature-duplicate"]


async def test_reserialised_json_is_refused(tmp_path: Path) -> None:
    """
    Row 11: the bytes are signed, not the data; the same JSON with other spaces is another body.
    """
    headers = dict(github("9d24bf8e0039f5cdf36b04ca1f1f4e0fded647d85a05016fd8952885352fad1a"))
    async with open_house(tmp_path, signed("GITHUB"), secrets={"S": KEY}) as house:
        body = '{"name":"héé☃"}'.encode()
        assert (await house.send(content=body, headers=headers)).status_code == 200
        again = json.dumps(json.loads(body)).encode()
        assert (await house.send(content=again, headers=headers)).status_code == 401


async def test_time_is_checked_both_ways(tmp_path: Path) -> None:
    """
    Rows 13, 14 and 16: old and future deliveries are refused alike; a time that is no digits is refused.
    """
    source = signed("STANDARD_WEBHOOKS")
    scheme = parse_signature({"preset": "STANDARD_WEBHOOKS", "secret": "x"}).scheme
    assert scheme is not None
    async with open_house(tmp_path, source, secrets={"S": V1_SECRET}) as house:
        now = house.clock.at // 1_000_000

        def at(seconds: int) -> dict[str, str]:
            made = sign(scheme, V1_SECRET, Draft(body=BODY, now=seconds, delivery_id="m1"))
            return dict(made.headers)

        assert (await house.send(content=BODY, headers=at(now + 299))).status_code == 200
        assert house.events(TriggerReceived)[0].verification["scheme"] == "v1"
        for wrong in (at(now + 302), at(now - 302)):
            assert (await house.send(content=BODY, headers=wrong)).status_code == 401
        for text in ("1614265330.0", "1.6e9", "+1614265330", "nan"):
            headers = {**at(now), "webhook-timestamp": text}
            assert (await house.send(content=BODY, headers=headers)).status_code == 401


async def test_rotation(tmp_path: Path) -> None:
    """
    Row 17: both secrets are taken while both are listed, and the journal says which one it was.
    """
    old = dict(standard("msg_1", "1700000000", "v1,HNkn2caO4INd1A7JpnFL50WigpEYa2CD5EL80IT/b90="))
    new = dict(standard("msg_1", "1700000000", "v1,ECsMu1NXPD9Lf3L/jp7jTYGNMR7i21LOMCZXBZLrI/w="))
    secrets = {"NEW": "whsec_c2Vjb25kLXNlY3JldC0yNC1ieXRlcyEh", "OLD": V1_SECRET}
    both = flow(
        "signature: {preset: STANDARD_WEBHOOKS, secrets: [\"{{ secret('NEW') }}\", \"{{ secret('OLD') }}\"]}"
    )
    async with open_house(tmp_path, both, secrets=secrets) as house:
        assert (await house.send(content=BODY, headers=old)).status_code == 200
        assert (await house.send(content=BODY, headers=new)).status_code == 200
        indexes = [event.verification["keyIndex"] for event in house.events(TriggerReceived)]
        assert indexes == [1, 0]
    (tmp_path / "two").mkdir()
    one = flow("signature: {preset: STANDARD_WEBHOOKS, secrets: [\"{{ secret('NEW') }}\"]}")
    async with open_house(tmp_path / "two", one, secrets=secrets) as house:
        assert (await house.send(content=BODY, headers=old)).status_code == 401


async def test_binary_bodies_round_trip(tmp_path: Path) -> None:
    """
    Row 19: bytes that are no text arrive as they were sent; `trigger.bodyDigest` is their SHA-256.
    """
    body = bytes.fromhex("fffe0062696e")
    headers = dict(standard("msg_bin", "1700000000", "v1,uXoyCxYx0Kgmi2hjPsKb2kzZ14LFjIh8NauKquqWxfo="))
    async with open_house(tmp_path, signed("STANDARD_WEBHOOKS"), secrets={"S": V1_SECRET}) as house:
        response = await house.send(
            content=body, headers={**headers, "Content-Type": "application/octet-stream"}
        )
        variables = response.json()["trigger"]["variables"]
        assert base64.b64decode(variables["body"]) == body
        assert variables["bodyDigest"] == hashlib.sha256(body).hexdigest()


async def test_slack(tmp_path: Path) -> None:
    """
    Rows 22 and 23: a slash command arrives as its form text; url_verification is echoed only when signed.
    """
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    headers = {
        "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        "X-Slack-Request-Timestamp": "1531420618",
        "Content-Type": FORM,
    }
    challenge = b'{"type":"url_verification","challenge":"3eZbrw1aB"}'
    scheme = parse_signature({"preset": "SLACK", "secret": "x"}).scheme
    assert scheme is not None
    async with open_house(tmp_path, signed("SLACK", tolerance=HUGE), secrets={"S": secret}) as house:
        form = await house.send(content=SLACK_BODY, headers=headers)
        assert form.json()["trigger"]["variables"]["body"] == SLACK_BODY.decode()
        made = sign(scheme, secret, Draft(body=challenge, now=1_700_000_000))
        echoed = await house.send(content=challenge, headers=dict(made.headers))
        assert (echoed.status_code, echoed.text) == (200, "3eZbrw1aB")
        assert echoed.headers["x-content-type-options"] == "nosniff"
        assert (await house.send(content=challenge)).status_code == 401
        assert len(house.executions()) == 1
        assert [event.handshake for event in house.events(HandshakeAnswered)] == ["SLACK"]


async def test_twilio_signs_the_public_url(tmp_path: Path) -> None:
    """
    Row 25: with `publicUrl` the URL Twilio called counts, whatever the Host header says.
    """
    source = flow(
        "signature: {preset: TWILIO, secret: '12345'}\n"
        "publicUrl: https://mycompany.com/myapp.php?foo=1&bar=2\ndeduplication: {}"
    ).replace("?foo=1&bar=2", "")
    form = {
        "CallSid": "CA1234567890ABCDE", "Digits": "1234", "From": "+14158675309", "To": "+18005551212",
        "Caller": "+14158675309",
    }  # fmt: skip
    body = b'{"property": "value", "boolean": true}'
    digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    json_headers = {"X-Twilio-Signature": "a9nBmqA0ju/hNViExpshrM61xv4=", "Content-Type": "application/json"}
    async with open_house(tmp_path, source) as house:
        tail = "?foo=1&bar=2"
        given = await house.send(
            tail=tail, data=form, headers={"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}
        )
        assert given.status_code == 200
        tail = f"{tail}&bodySHA256={digest}"
        assert (await house.send(tail=tail, content=body, headers=json_headers)).status_code == 200
        assert (await house.send(tail=tail, content=body + b" ", headers=json_headers)).status_code == 401


async def test_meta(tmp_path: Path) -> None:
    """
    Row 26: the subscription handshake needs the token; deliveries need the signature.
    """
    source = signed("META", more="handshake: [{type: META, verifyToken: \"{{ secret('V') }}\"}]")
    async with open_house(tmp_path, source, secrets={"S": KEY, "V": "token-1"}) as house:
        asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "token-1"}
        echoed = await house.send(method="GET", params=asked)
        assert (echoed.status_code, echoed.text) == (200, "1158201444")
        assert echoed.headers["content-type"].startswith("text/plain")
        assert echoed.headers["x-content-type-options"] == "nosniff"
        wrong = await house.send(method="GET", params={**asked, "hub.verify_token": "other"})
        assert wrong.status_code == 403
        assert (await house.send(content=BODY, headers=dict(github(_d1())))).status_code == 200
        assert len(house.executions()) == 1


def _d1() -> str:
    return "9a950a07b0d6dbb65a6d85a21ceea8837000eb4cd99d912e3ef46c03e4c9fd6d"


async def test_discord(tmp_path: Path) -> None:
    """
    Row 28: a signed ping is answered in kind; a bad signature is 401, which Discord probes for.
    """
    seed = bytes(range(32)).hex()
    public = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    scheme = parse_signature({"preset": "DISCORD", "secret": "x"}).scheme
    assert scheme is not None
    async with open_house(tmp_path, signed("DISCORD"), secrets={"S": public}) as house:
        body = b'{"type":1}'
        made = dict(sign(scheme, seed, Draft(body=body, now=1_700_000_000)).headers)
        answer = await house.send(content=body, headers=made)
        assert (answer.status_code, answer.json()) == (200, {"type": 1})
        assert (await house.send(content=b'{"type": 1}', headers=made)).status_code == 401
        assert house.executions() == []


async def test_a_digest_must_fit_the_body(tmp_path: Path) -> None:
    """
    Row 34: under RFC 9421 a valid signature over Content-Digest does not save an altered body.
    """
    scheme = parse_signature({"preset": "RFC9421", "secret": "x"}).scheme
    assert scheme is not None
    secret = "a shared secret of thirty-two bytes!"
    async with open_house(tmp_path, signed("RFC9421"), secrets={"S": secret}) as house:
        draft = Draft(body=BODY, now=1_700_000_000, url="https://example.com/hook", headers=())
        made = dict(sign(scheme, secret, draft).headers)
        assert (await house.send(content=BODY, headers=made)).status_code == 200
        assert (await house.send(content=BODY + b" ", headers=made)).status_code == 401


async def test_multipart_is_verified_over_raw_bytes(tmp_path: Path) -> None:
    """
    Row 49: a signed form with a file is accepted; part and field arrive, the file under its digest.
    """
    import hmac

    boundary = "----b"
    content = b"\x00\x01binary"
    body = (
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="note"\r\n\r\nhé\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="doc"; filename="../a b.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        + content
        + f"\r\n--{boundary}--\r\n".encode()
    )
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "X-Hub-Signature-256": "sha256=" + hmac.digest(KEY.encode(), body, "sha256").hex(),
    }
    async with open_house(tmp_path, signed("GITHUB"), secrets={"S": KEY}) as house:
        response = await house.send(content=body, headers=headers)
        assert response.status_code == 200, response.text
        variables = response.json()["trigger"]["variables"]
        assert variables["formFields"] == {"note": ["hé"]}
        (part,) = variables["parts"]
        assert (part["name"], part["filename"], part["size"]) == ("doc", "../a b.bin", len(content))
        assert part["sha256"] == hashlib.sha256(content).hexdigest()
        assert "body" not in variables
        stored = house.data / "files" / part["uri"].removeprefix("kestra:///")
        assert stored.read_bytes() == content
        assert (await house.send(content=body + b" ", headers=headers)).status_code == 401
        assert not list((house.data / "files" / "incoming").iterdir())


async def test_verdicts_are_read_on_replay(tmp_path: Path) -> None:
    """
    Row 70: what was found out is part of the journal; other secrets change nothing about it.
    """
    headers = dict(github(_d1()))
    async with open_house(tmp_path, signed("GITHUB"), secrets={"S": KEY}) as house:
        response = await house.send(content=BODY, headers=headers)
        execution = response.json()["id"]
        before = (
            await house.client.get(f"/api/v1/main/executions/{execution}", auth=("tester", "correct horse"))
        ).json()
        house.secrets["S"] = "another"
        after = (
            await house.client.get(f"/api/v1/main/executions/{execution}", auth=("tester", "correct horse"))
        ).json()
        assert before["trigger"]["variables"]["verification"] == after["trigger"]["variables"]["verification"]
        assert (await house.send(content=BODY, headers=headers)).status_code == 401


async def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    """
    Row 67: neither secrets, nor Authorization, nor signatures, nor the key are written down.
    """
    source = signed("GITHUB", more="deduplication: {}").replace("key: k", "key: the-url-key")
    async with open_house(tmp_path, source, secrets={"S": KEY}) as house:
        headers = {**dict(github(_d1())), "Authorization": "Bearer my-token", "Cookie": "sid=my-cookie"}
        assert (
            await house.send("the-url-key", content=BODY, headers=headers, tail="?access_token=my-access")
        ).status_code == 200
        assert (await house.send("the-url-key", content=b"x", headers=headers)).status_code == 401
        await house.settled(1, DeliveryRejected)
        disk = (
            b"".join(
                json.dumps(event.headers).encode() + event.query.encode() + event.path.encode()
                for event in house.events(TriggerReceived)
            )
            + repr(house.events(DeliveryRejected)).encode()
        )
        for secret in (KEY, "my-token", "my-cookie", "my-access", _d1(), "the-url-key"):
            assert secret.encode() not in disk, secret
