"""The vectors of section 2d that sign more than the body, over HTTP: Twilio's URLs, RFC 9421, handshakes' digests."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hookledger.journal.events import HandshakeAnswered, TriggerReceived
from hookledger.runtime.triggers.webhook.signatures import Draft, parse_signature, sign

from ...runtime.triggers.webhook.signatures.test_vectors import (  # noqa: TID252
    BODY,
    D19_HEADERS,
    ECHO_BODY,
    FORM_TYPE,
    HUGE,
    KEY,
    RFC_HEADERS,
    TWILIO,
    V1_SECRET,
    V9,
    V9_INPUT,
    V9_SECRET,
    V10,
    V10_INPUT,
    V10_KEY,
    standard,
)
from .house import HOOK, flow, open_house


async def test_twilio(tmp_path: Path) -> None:
    """
    V6 to V8 and D16: the public URL counts, with or without its default port; another body or URL is 401 (row 25).
    """
    sources: list[str] = []
    for index, (_, url, _, _, _) in enumerate(TWILIO):
        public = url.partition("?")[0]
        block = f"signature: {{preset: TWILIO, secret: '12345'}}\npublicUrl: '{public}'"
        sources.append(flow(block, name=f"f{index}"))
    async with open_house(tmp_path, *sources) as house:
        for index, (name, url, body, signature, more) in enumerate(TWILIO):
            headers = dict([("X-Twilio-Signature", signature), FORM_TYPE, *more])
            if name == "V8":
                headers["Content-Type"] = "application/json"
            where: Any = {"flow": f"f{index}", "tail": f"?{urlsplit(url).query}", "headers": headers}
            assert (await house.send(content=body, **where)).status_code == 200, name
            assert (await house.send(content=body + b"x", **where)).status_code == 401, name
            where["tail"] += "x"
            assert (await house.send(content=body, **where)).status_code == 401, name
        assert len(house.executions()) == len(TWILIO)


@pytest.mark.parametrize(
    ("given", "signature", "secret"),
    [
        (V9_INPUT, V9, f'secret: "{V9_SECRET}", secretEncoding: BASE64'),
        (V10_INPUT, V10, f'publicKeys: ["{V10_KEY}"]'),
    ],
    ids=["V9", "V10"],
)
async def test_rfc9421_appendix(tmp_path: Path, given: str, signature: str, secret: str) -> None:
    """
    V9 and V10: B.2.5 and B.2.6 of RFC 9421 are accepted; with another Date they are 401.
    """
    source = flow(
        f"signature: {{preset: RFC9421, {secret}, tolerance: {HUGE}, components: [date, '@authority']}}\n"
        "publicUrl: https://example.com/foo"
    )
    headers = {name: value for name, value in RFC_HEADERS if name not in ("Host", "Content-Length")}
    headers |= {"Signature-Input": given, "Signature": signature}
    async with open_house(tmp_path, source) as house:
        tail = "?param=Value&Pet=dog"
        good = await house.send(tail=tail, content=ECHO_BODY, headers=headers)
        assert good.status_code == 200, good.text
        assert house.events(TriggerReceived)[0].verification["timestamp"] == 1618884473
        headers["Date"] = "Tue, 20 Apr 2021 02:07:56 GMT"
        assert (await house.send(tail=tail, content=ECHO_BODY, headers=headers)).status_code == 401


async def test_rfc9421_with_a_digest(tmp_path: Path) -> None:
    """
    D18 and D19: the digest is covered and must fit; without it, or with another body, 401 (rows 33, 34).
    """
    source = flow(f"signature: {{preset: RFC9421, secret: {KEY}}}").replace(
        "namespace: t", "namespace: company.team"
    )
    path, headers = f"{HOOK}/company.team/f/k", dict(D19_HEADERS)
    settings = [("server.publicUrl", "https://example.com")]
    async with open_house(tmp_path, source, settings=settings) as house:
        assert (await house.client.post(path, content=BODY, headers=headers)).status_code == 200
        assert (await house.client.post(path, content=BODY + b" ", headers=headers)).status_code == 401
        assert (await house.client.put(path, content=BODY, headers=headers)).status_code == 401
        del headers["Content-Digest"]
        assert (await house.client.post(path, content=BODY, headers=headers)).status_code == 401
        assert len(house.executions()) == 1


async def test_v1_with_one_character_changed(tmp_path: Path) -> None:
    """
    V1's negative half: the last character before `=` changed to A is 401.
    """
    source = flow(f"signature: {{preset: STANDARD_WEBHOOKS, secret: {V1_SECRET}, tolerance: {HUGE}}}")
    identifier, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    async with open_house(tmp_path, source) as house:
        for last, status in (("E", 200), ("A", 401)):
            made = f"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O{last}="
            headers = dict(standard(identifier, "1614265330", made))
            assert (await house.send(content=body, headers=headers)).status_code == status


async def test_zoom_and_x(tmp_path: Path) -> None:
    """
    D20: Zoom's plain token and X's crc_token come back as their digests, signed or not as their sender has it.
    """
    scheme = parse_signature({"preset": "ZOOM", "secret": "x"}).scheme
    assert scheme is not None
    question: Any = {"event": "endpoint.url_validation", "payload": {"plainToken": "plain123"}}
    body = json.dumps(question).encode()
    sources = (
        flow(f"signature: {{preset: ZOOM, secret: {KEY}}}"),
        flow(f"handshake: [{{type: X, secret: {KEY}}}]", name="x"),
    )
    async with open_house(tmp_path, *sources) as house:
        made = dict(sign(scheme, KEY, Draft(body=body, now=1_700_000_000)).headers)
        answer = await house.send(content=body, headers=made)
        assert answer.json() == {
            "plainToken": "plain123",
            "encryptedToken": "f04746fc6c7e33029d84fe8687700e397d50d87b1bbe097050121ec8187ec1e7",
        }
        assert (await house.send(content=body)).status_code == 401
        crc = await house.send(flow="x", method="GET", params={"crc_token": "crc123"})
        assert crc.json() == {"response_token": "sha256=ek/NEOad46ZA6UArmQeGCpvc0ORLJhyg/J0kcAR8jNQ="}
        assert [event.handshake for event in house.events(HandshakeAnswered)] == ["ZOOM", "X"]
        assert house.executions() == []
