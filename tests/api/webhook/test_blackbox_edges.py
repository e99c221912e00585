"""Beside the rows of the black-box table: what their neighbours leave open, with the same senders."""

import base64
import gzip
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import RSAAlgorithm

from hookledger.api.cli import main
from hookledger.journal.events import DeliveryRejected, HandshakeAnswered, TriggerReceived

from ...runtime.triggers.webhook.handshakes.test_sns import PEM, TOPIC, URL, message  # noqa: TID252
from ...runtime.triggers.webhook.signatures.test_vectors import (  # noqa: TID252
    BODY,
    KEY,
    SLACK_BODY,
    V1_SECRET,
    WHPK,
    standard,
)
from .house import USER, Clock, flow, open_house
from .test_blackbox_signatures import FORM, signed

NOW = "1700000000"
V1 = "v1,HNkn2caO4INd1A7JpnFL50WigpEYa2CD5EL80IT/b90="
V1A = "v1a,8+CudfbD3R8i4ewHWc49m8C11VHTIigok5YCwuQ530IM39sPMOqmp2/fhWOeTPxBQAnaLnW7a96XKnGOxaE4Cg=="


def digest(body: bytes, secret: str = KEY) -> str:
    """GitHub's header."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


async def test_forms_of_a_header_that_are_none(tmp_path: Path) -> None:
    """
    Rows 6 to 10: without prefix, SHA-1 only, bytes beyond ASCII, cut, doubled in one line, very long: one and the same
    401; nothing starts, and the reason is in the journal alone.
    """
    right = digest(BODY)
    rows: list[bytes] = [
        right[7:].encode(), b"sha1=aa67a336e367d5f2c7f09fb625fcc3b598aeaf3b", right[:-1].encode(), b"sha256=",
        b"sha256=\xe9" + b"0" * 62, f"{right},{right}".encode(), f"{right} {right}".encode(), b"x" * 5000, b"",
        right.replace("sha256", "SHA256").replace("a", "g").encode(), b"sha256=" + "\u0661".encode() * 32,
    ]  # fmt: skip
    async with open_house(tmp_path, signed("GITHUB"), secrets={"S": KEY}) as house:
        answers = [await house.send(content=BODY, headers={b"X-Hub-Signature-256": value}) for value in rows]
        answers.append(
            await house.send(
                content=BODY, headers={"X-Hub-Signature": "sha1=aa67a336e367d5f2c7f09fb625fcc3b598aeaf3b"}
            )
        )
        answers.append(await house.send(content=BODY + b"x", headers={"X-Hub-Signature-256": right}))
        assert {answer.status_code for answer in answers} == {401}
        told = [{**answer.json(), "instance": ""} for answer in answers]  # that names the delivery
        assert told == [told[0]] * len(answers)
        assert answers[0].headers["content-type"] == "application/problem+json"
        rejected = await house.settled(len(answers), DeliveryRejected)
        assert {event.reason.partition("-")[0] for event in rejected} == {"signature"}
        assert (await house.send(content=BODY, headers={"X-Hub-Signature-256": right})).status_code == 200
        assert len(house.executions()) == 1


async def test_empty_and_compressed_bodies_are_signed_as_sent(tmp_path: Path) -> None:
    """
    Row 12: an empty body has a signature too; under Content-Encoding the compressed bytes are what is signed.
    """
    packed = gzip.compress(BODY)
    async with open_house(tmp_path, signed("GITHUB"), secrets={"S": KEY}) as house:
        assert (
            await house.send(content=b"", headers={"X-Hub-Signature-256": digest(b"")})
        ).status_code == 200
        coded = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        good = await house.send(content=packed, headers={**coded, "X-Hub-Signature-256": digest(packed)})
        assert good.json()["trigger"]["variables"]["body"] == json.loads(BODY)
        assert (
            await house.send(content=packed, headers={**coded, "X-Hub-Signature-256": digest(BODY)})
        ).status_code == 401
        assert len(house.executions()) == 2


async def test_lists_of_signatures(tmp_path: Path) -> None:
    """
    Rows 15 and 18: what is no signature in a list is passed over, v1 and v1a may stand in one; too many entries, a long
    id, a doubled id or time are 401.
    """
    both = flow(f"signature: {{preset: STANDARD_WEBHOOKS, secret: {V1_SECRET}, publicKeys: [{WHPK}]}}")
    good = [V1, V1A, f"{V1} {V1A}", f"v1,!!! v2,abc  v1a,AAAA , {V1}", f"v1,{'A' * 43}= {V1A}"]
    bad = ["", "v1", V1[3:], V1.replace("v1", "V1"), V1.replace(",", " "), " ".join(["v1,AAAA"] * 17 + [V1])]
    async with open_house(tmp_path, both) as house:
        for value in good:
            answer = await house.send(content=BODY, headers=dict(standard("msg_1", NOW, value)))
            assert answer.status_code == 200, value
        for value in bad:
            answer = await house.send(content=BODY, headers=dict(standard("msg_1", NOW, value)))
            assert answer.status_code == 401, value
        lines = list(standard("msg_1", NOW, V1))
        for doubled in lines:
            assert (await house.send(content=BODY, headers=[*lines, doubled])).status_code == 401, doubled
        for identifier in ("x" * 257, "msg 1", "é", ""):
            raw = hmac.digest(
                base64.b64decode(V1_SECRET[6:]), f"{identifier}.{NOW}.".encode() + BODY, "sha256"
            )
            headers = {
                name: value.encode()
                for name, value in standard(identifier, NOW, "v1," + base64.b64encode(raw).decode())
            }
            assert (await house.send(content=BODY, headers=headers)).status_code == 401, identifier
        schemes = [event.verification["scheme"] for event in house.events(TriggerReceived)]
        assert schemes[:2] == ["v1", "v1a"]


async def test_stripe_in_time(tmp_path: Path) -> None:
    """
    Rows 20 and 21: several v1 are tried, v0 never counts, and the future is as wrong as the past.
    """

    def header(at: int, *, scheme: str = "v1", more: str = "") -> dict[str, str]:
        made = hmac.digest(KEY.encode(), f"{at}.".encode() + BODY, "sha256").hex()
        return {"Stripe-Signature": f"t={at}{more},{scheme}={made}"}

    async with open_house(tmp_path, signed("STRIPE"), secrets={"S": KEY}) as house:
        now = house.clock.at // 1_000_000
        for given in (
            header(now),
            header(now, more=",v1=00,v1=zz,v0=aa"),
            header(now - 299),
            header(now + 299),
        ):
            assert (await house.send(content=BODY, headers=given)).status_code == 200, given
        wrong = [
            header(now, scheme="v0"), header(now + 302), header(now - 302), header(now, more=f",t={now}"),
            {"Stripe-Signature": header(now)["Stripe-Signature"].partition(",")[2]}, {"Stripe-Signature": f"t={now}"},
        ]  # fmt: skip
        for given in wrong:
            assert (await house.send(content=BODY, headers=given)).status_code == 401, given


async def test_slack_sends_again_and_other_bytes(tmp_path: Path) -> None:
    """
    Rows 22 and 24: a retried event starts nothing again, bytes that are no UTF-8 are judged like any other, and a time
    that is no number is 401.
    """

    def headers(body: bytes, at: str = NOW) -> dict[str, str]:
        made = hmac.digest(KEY.encode(), b"v0:" + at.encode() + b":" + body, "sha256").hex()
        return {"X-Slack-Signature": f"v0={made}", "X-Slack-Request-Timestamp": at, "Content-Type": FORM}

    event = b'{"event_id":"Ev1","type":"event_callback"}'
    source = signed("SLACK", more="deduplication: {}")
    async with open_house(tmp_path, source, secrets={"S": KEY}) as house:
        first = await house.send(content=event, headers=headers(event))
        again = await house.send(content=event, headers={**headers(event), "X-Slack-Retry-Num": "1"})
        assert first.json()["id"] == again.json()["id"]
        assert again.headers["idempotency-replayed"] == "true"
        assert (await house.send(content=b"\xff\xfe", headers=headers(b"\xff\xfe"))).status_code == 200
        for at in ("abc", "1e9", "", "-1", "0x1"):
            assert (await house.send(content=SLACK_BODY, headers=headers(SLACK_BODY, at))).status_code == 401


async def test_graph(tmp_path: Path) -> None:
    """
    Row 27: the validation token comes back decoded, as plain text that no browser sniffs, and starts nothing; a
    notification of another client state is not let in.
    """
    source = flow("handshake: [GRAPH]\nwhen: \"{{ trigger.body.value[0].clientState == 'ours' }}\"")
    async with open_house(tmp_path, source) as house:
        answer = await house.send(tail="?validationToken=Validation%3A+%3Cb%3E%20tok%C3%A9n")
        assert (answer.status_code, answer.text) == (200, "Validation: <b> tokén")
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert (await house.send(json={"value": [{"clientState": "theirs"}]})).status_code == 204
        assert (await house.send(json={"value": [{"clientState": "ours"}]})).status_code == 200
        assert [event.handshake for event in house.events(HandshakeAnswered)] == ["GRAPH"]
        assert len(house.executions()) == 1


async def test_sns_asks_only_when_it_may(tmp_path: Path) -> None:
    """
    Row 30: without `confirm` a subscription is recorded and not visited; a changed message or another topic is 401.
    """
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return PEM

    subscribe = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a:b&Token=t"
    confirm = message(Type="SubscriptionConfirmation", Token="t", SubscribeURL=subscribe, MessageId="m-2")
    source = flow(f'handshake: [{{type: SNS, topicArns: ["{TOPIC}"]}}]')
    async with open_house(tmp_path, source, services={"fetch": fetch}) as house:
        assert (await house.send(content=json.dumps(confirm).encode())).status_code == 200
        assert asked == [URL]
        assert house.executions() == []
        for wrong in (
            {**message(), "Message": "x"},
            {**message(), "Signature": "!!!"},
            message(TopicArn=TOPIC + "x"),
            {},
        ):
            assert (await house.send(content=json.dumps(wrong).encode())).status_code == 401, wrong
        assert (await house.send(content=b"no json")).status_code == 401
        assert asked == [URL]
        assert (await house.send(content=json.dumps(message()).encode())).status_code == 200


async def test_codings(tmp_path: Path) -> None:
    """
    Row 45: one coding that is known, whole and within the limit; anything else has its own answer.
    """
    packed = gzip.compress(BODY)
    rows = [
        ("gzip, gzip", gzip.compress(packed), 415), ("identity", BODY, 200), ("GZIP", packed, 200),
        ("x-gzip", packed, 200), ("compress", BODY, 415), ("gzip", BODY, 400),
        ("gzip", packed + b"more", 400), ("gzip", packed[:-1], 400),
        ("gzip", gzip.compress(bytes(2000)), 413), ("gzip", b"", 200),
    ]  # fmt: skip
    async with open_house(tmp_path, flow("bodyLimit: 1000")) as house:
        for coding, body, status in rows:
            answer = await house.send(content=body, headers={"Content-Encoding": coding})
            assert answer.status_code == status, (coding, answer.text)


async def test_a_new_key_of_a_key_set_is_found(tmp_path: Path) -> None:
    """
    Row 63: a token of a key that was added is accepted after one more look at the set; unknown keys do not make it ask
    at every request.
    """
    keys = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("one", "two")}
    known, asked = ["one"], []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        shown = [{**json.loads(RSAAlgorithm.to_jwk(keys[name].public_key())), "kid": name} for name in known]
        return json.dumps({"keys": shown}).encode()

    clock = Clock()
    claims = {"iss": "i", "aud": "a", "exp": clock.at // 1_000_000 + 100_000, "sub": "s"}

    def bearer(name: str, kid: str) -> dict[str, str]:
        return {
            "Authorization": "Bearer "
            + jwt.encode(claims, keys[name], algorithm="RS256", headers={"kid": kid})
        }

    way = "{type: JWT, jwksUri: 'https://idp/keys', issuer: i, audience: a, algorithms: [RS256]}"
    async with open_house(
        tmp_path, flow(f"authentication: [{way}]"), clock=clock, services={"fetch": fetch}
    ) as house:
        assert (await house.send(headers=bearer("one", "one"))).status_code == 200
        known.append("two")
        house.clock.move(600)
        assert (await house.send(headers=bearer("two", "two"))).status_code == 200
        before = len(asked)
        for _ in range(5):
            assert (await house.send(headers=bearer("two", "three"))).status_code == 401
        assert len(asked) <= before + 1
        assert (await house.send(headers=bearer("two", "one"))).status_code == 401


async def test_the_journal_alone_tells_the_verdict(tmp_path: Path) -> None:
    """
    Rows 32 and 70: after the secrets have changed, and with no secrets at all, the journal replays to the same state.
    """
    source = signed("GITHUB", more="cloudEvents: AUTO\nwait: true")
    event = json.dumps(
        {"specversion": "1.0", "id": "e1", "source": "/s", "type": "t", "data": {"a": 1}}
    ).encode()
    headers = {"X-Hub-Signature-256": digest(event), "Content-Type": "application/cloudevents+json"}

    def replayed(data: Path, execution: str) -> str:
        told = CliRunner().invoke(main, ["journal", "replay", execution, "--data", str(data)])
        assert told.exit_code == 0, told.output
        return told.output

    async with open_house(tmp_path, source, secrets={"S": KEY}) as house:
        execution = (await house.send(content=event, headers=headers)).json()["id"]
        first = replayed(house.data, execution)
    async with open_house(tmp_path, source, secrets={"S": "another"}) as house:
        assert (await house.send(content=event, headers=headers)).status_code == 401
        shown = (await house.client.get(f"/api/v1/main/executions/{execution}", auth=USER)).json()
        assert shown["trigger"]["variables"]["verification"]["preset"] == "GITHUB"
        assert "time" not in shown["trigger"]["variables"]["event"]
    assert replayed(tmp_path / "data", execution) == first


async def test_keys_of_the_author(tmp_path: Path) -> None:
    """
    Row 39: claims belong to a trigger and a key; the same id elsewhere, or after the window, is another delivery.
    """
    twice = "deduplication: {window: PT1H}"
    async with open_house(tmp_path, flow(twice), flow(twice, name="g")) as house:
        one = {"Idempotency-Key": "one"}
        first = (await house.send(headers=one)).json()["id"]
        assert (await house.send(headers={"Idempotency-Key": '"one"'})).json()["id"] == first
        assert (await house.send(flow="g", headers=one)).json()["id"] != first
        assert (await house.send(headers={"Idempotency-Key": "One"})).json()["id"] != first
        house.clock.move(3601)
        assert (await house.send(headers=one)).json()["id"] != first
        long = {"Idempotency-Key": "k" * 5000}
        assert (await house.send(headers=long)).json()["id"] == (await house.send(headers=long)).json()["id"]
        assert (await house.send(headers=[*one.items(), *one.items()])).status_code == 400


async def test_ed25519_from_elsewhere(tmp_path: Path) -> None:
    """
    Row 18: a v1a signature of a fresh key pair is accepted, one of another pair with the same id is not.
    """
    ours, theirs = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = "whpk_" + base64.b64encode(ours.public_key().public_bytes_raw()).decode()
    source = flow(f"signature: {{preset: STANDARD_WEBHOOKS, publicKeys: [{public}]}}")
    async with open_house(tmp_path, source) as house:
        for key, status in ((ours, 200), (theirs, 401)):
            made = base64.b64encode(key.sign(f"m.{NOW}.".encode() + BODY)).decode()
            answer = await house.send(content=BODY, headers=dict(standard("m", NOW, f"v1a,{made}")))
            assert answer.status_code == status


async def test_digests_are_of_the_bytes_as_sent(tmp_path: Path) -> None:
    """
    `trigger.bodyDigest` is there for every kind of body, and absent without one.
    """
    async with open_house(tmp_path, flow("")) as house:
        for content, more in ((b"\xff\x00", {}), (BODY, {"Content-Type": "application/json"})):
            found: Any = (await house.send(content=content, headers=more)).json()["trigger"]["variables"]
            assert found["bodyDigest"] == hashlib.sha256(content).hexdigest()
        assert "bodyDigest" not in (await house.send(method="GET")).json()["trigger"]["variables"]
