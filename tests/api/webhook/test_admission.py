"""Who may come in and who is greeted: client certificates behind a proxy, and the handshakes of further senders."""

import base64
import datetime
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hookledger.journal.events import DeliveryRejected, HandshakeAnswered, TriggerReceived

from ...runtime.triggers.webhook.signatures.test_vectors import BODY, KEY, github  # noqa: TID252
from .house import NOW_US, flow, open_house

D1 = "9a950a07b0d6dbb65a6d85a21ceea8837000eb4cd99d912e3ef46c03e4c9fd6d"
NOW = datetime.datetime.fromtimestamp(NOW_US / 1_000_000, datetime.UTC)
PROXY = [("server.trustedProxies", ["127.0.0.0/8"])]


def certificate(name: str = "sender", *, host: str = "sender.example", days: int = 10) -> x509.Certificate:
    """A certificate that is valid from yesterday on."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = NOW - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )


def rfc9440(one: x509.Certificate) -> str:
    """A structured byte sequence of the DER form."""
    return f":{base64.b64encode(one.public_bytes(serialization.Encoding.DER)).decode()}:"


async def test_certificates_from_a_trusted_proxy(tmp_path: Path) -> None:
    """
    MTLS takes the certificate that a trusted proxy hands on, in both spellings, when it is one that was named.
    """
    good = certificate()
    fingerprint = good.fingerprint(hashes.SHA256()).hex()
    pem = quote(good.public_bytes(serialization.Encoding.PEM).decode(), safe="")
    sources = (
        flow("authentication: [{type: MTLS, subjects: [CN=sender]}]"),
        flow("authentication: [{type: MTLS, sans: [Sender.Example], header: X-Client}]", name="g"),
        flow(f"authentication: [{{type: MTLS, fingerprints: ['{fingerprint.upper()}']}}]", name="h"),
        flow("authentication: [{type: MTLS, subjects: [CN=sender], sans: [other.example]}]", name="i"),
    )
    async with open_house(tmp_path, *sources, settings=PROXY) as house:
        for name, header, value in (
            ("f", "Client-Cert", rfc9440(good)),
            ("f", "Client-Cert", pem),
            ("g", "X-Client", pem),
            ("h", "Client-Cert", rfc9440(good)),
        ):
            answer = await house.send(flow=name, headers={header: value})
            assert answer.status_code == 200, answer.text
        verification = house.events(TriggerReceived)[0].verification
        assert verification == {"authentication": "MTLS", "principal": "CN=sender"}
        assert rfc9440(good).encode() not in house.on_disk()
        for status, headers in (
            (401, {}),
            (401, {"Client-Cert": "rubbish"}),
            (401, {"Client-Cert": ":AAAA:"}),
            (401, {"Client-Cert": rfc9440(certificate(days=1))[:-20]}),
            (403, {"Client-Cert": rfc9440(certificate("other"))}),
        ):
            assert (await house.send(headers=headers)).status_code == status
        assert (await house.send(flow="i", headers={"Client-Cert": rfc9440(good)})).status_code == 403
        house.clock.move(10 * 86_400)
        assert (await house.send(headers={"Client-Cert": rfc9440(good)})).status_code == 401
        reasons = [event.reason for event in await house.settled(7, DeliveryRejected)]
        assert reasons[-1] == "authentication: certificate-expired"
        assert reasons[4] == "authentication: certificate of CN=other"


async def test_certificates_from_anybody_else_count_for_nothing(tmp_path: Path) -> None:
    """
    Without a trusted proxy in front the header is the caller's own invention: 401.
    """
    source = flow("authentication: [{type: MTLS, subjects: [CN=sender]}]")
    async with open_house(tmp_path, source) as house:
        assert (await house.send(headers={"Client-Cert": rfc9440(certificate())})).status_code == 401
        (event,) = await house.settled(1, DeliveryRejected)
        assert event.reason == "authentication: no-trusted-proxy"


async def test_github_says_hello(tmp_path: Path) -> None:
    """
    GitHub's signed `ping` is answered 204 and starts nothing, unless the author wants it; an unsigned one is 401.
    """
    signed = "signature: {preset: GITHUB, secret: \"{{ secret('S') }}\"}"
    asked = flow(f"{signed}\nhandshake: NONE", name="g")
    async with open_house(tmp_path, flow(signed), asked, secrets={"S": KEY}) as house:
        ping = {**dict(github(D1)), "X-GitHub-Event": "ping"}
        assert (await house.send(content=BODY, headers=ping)).status_code == 204
        assert (await house.send(content=BODY + b" ", headers=ping)).status_code == 401
        assert [event.handshake for event in house.events(HandshakeAnswered)] == ["GITHUB"]
        assert house.executions() == []
        assert (await house.send(content=BODY, headers={**ping, "X-GitHub-Event": "push"})).status_code == 200
        assert (await house.send(flow="g", content=BODY, headers=ping)).status_code == 200
        assert len(house.executions()) == 2


async def test_asana_and_hubs(tmp_path: Path) -> None:
    """
    Asana gets its secret back before any signature can be checked, and it is not kept; a hub learns our topics.
    """
    asana = "signature: {header: X-Hook-Signature, secret: \"{{ secret('ASANA') }}\"}\nhandshake: [ASANA]"
    hub = 'handshake: [{type: WEBSUB, topics: ["https://blog.example/feed"]}]'
    async with open_house(tmp_path, flow(asana), flow(hub, name="g")) as house:
        answered = await house.send(headers={"X-Hook-Secret": "b537207f20cbfa02"})
        assert (answered.status_code, answered.headers["x-hook-secret"]) == (200, "b537207f20cbfa02")
        assert b"b537207f20cbfa02" not in house.on_disk()
        query = "?hub.mode={}&hub.topic={}&hub.challenge=c%20c&hub.lease_seconds=864000"
        agreed = await house.send(
            flow="g", method="GET", tail=query.format("subscribe", "https%3A%2F%2Fblog.example%2Ffeed")
        )
        assert (agreed.status_code, agreed.text) == (200, "c c")
        assert agreed.headers["x-content-type-options"] == "nosniff"
        other = await house.send(flow="g", method="GET", tail=query.format("subscribe", "https%3A%2F%2Fevil"))
        assert other.status_code == 404
        assert house.executions() == []
        assert (await house.send(flow="g", content=b"<feed/>")).status_code == 200


async def test_origins_of_cloudevents(tmp_path: Path) -> None:
    """
    `cloudEvents.allowedOrigins` answers the handshake of the specification with the rate the author allows.
    """
    source = flow("cloudEvents: {mode: AUTO, allowedOrigins: [events.example], allowedRate: 120}")
    other = flow("cloudEvents: REQUIRED\nallowedOrigins: ['*']", name="g")
    async with open_house(tmp_path, source, other) as house:
        asked = {"WebHook-Request-Origin": "events.example", "WebHook-Request-Rate": "1000"}
        agreed = await house.send(method="OPTIONS", headers=asked)
        names = ("webhook-allowed-origin", "webhook-allowed-rate", "allow")
        assert [agreed.headers[name] for name in names] == ["events.example", "120", "POST"]
        refused = await house.send(method="OPTIONS", headers={"WebHook-Request-Origin": "evil.example"})
        assert refused.status_code == 405
        assert "webhook-allowed-origin" not in refused.headers
        beside = await house.send(flow="g", method="OPTIONS", headers=asked)
        assert [beside.headers[name] for name in names] == ["events.example", "*", "POST"]
