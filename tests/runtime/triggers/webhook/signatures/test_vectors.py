"""The published test vectors, and those computed from the recipes, each through the public entry points."""

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hookledger.runtime.triggers.webhook.signatures import Draft, Scheme, Verdict, parse_signature, sign

Lines = Sequence[tuple[str, str]]


def scheme_of(preset: str, **more: Any) -> Scheme:
    """Return the scheme of a preset with further properties, failing on any problem."""
    configured = parse_signature({"preset": preset, "secret": "{{ secret('S') }}", **more})
    assert configured.scheme is not None, configured.problems
    return configured.scheme


def judge(scheme: Scheme, headers: Lines, body: bytes, secrets: Sequence[str], **more: Any) -> Verdict:
    """Run one whole check at the vectors' time."""
    request: dict[str, Any] = {"method": "POST", "url": "https://example.com/hook", "now": 1_700_000_000}
    return scheme.check(body, headers=headers, secrets=secrets, **{**request, **more})


HUGE = "PT876000H"
BODY = b'{"hello":"world"}'
KEY = "webhook-secret"
TS = "1700000000"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
D1 = "9a950a07b0d6dbb65a6d85a21ceea8837000eb4cd99d912e3ef46c03e4c9fd6d"
D7 = "v0=2e66cbaac6ae9b601327be5387a9b190d8a33b0d58f90b8618cdd3ffc12577aa"
V1_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
V9_SECRET = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
WHPK = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
DISCORD_KEY = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
D12_BODY = bytes.fromhex("fffe0062696e")
ECHO_BODY = b'{"hello": "world"}'


def standard(identifier: str, ts: str, signature: str, prefix: str = "webhook") -> Lines:
    """Headers of Standard Webhooks."""
    return [(f"{prefix}-id", identifier), (f"{prefix}-timestamp", ts), (f"{prefix}-signature", signature)]


def github(digest: str) -> Lines:
    """The header of GitHub."""
    return [("X-Hub-Signature-256", f"sha256={digest}")]


# name, preset, further properties, secret, headers, body
VECTORS: list[tuple[str, str, dict[str, Any], str, Lines, bytes]] = [
    ("V1", "STANDARD_WEBHOOKS", {}, V1_SECRET, standard(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
     b'{"test": 2432232314}'),
    ("V2", "SVIX", {}, "whsec_plJ3nmyCDGBKInavdOK15jsl", standard(
        "msg_loFOjxBNrRLzqYUf", "1731705121", "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=", "svix"),
     b'{"event_type":"ping","data":{"success":true}}'),
    ("V3", "GITHUB", {}, "It's a Secret to Everybody",
     github("757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"), b"Hello, World!"),
    ("V4", "BITBUCKET", {}, "It's a Secret to Everybody", [("X-Hub-Signature",
        "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")], b"Hello World!"),
    ("V5", "SLACK", {}, "8f742231b10e8888abcd99yyyzzz85a5", [
        ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ("X-Slack-Request-Timestamp", "1531420618")], SLACK_BODY),
    ("D1-github", "GITHUB", {}, KEY, github(D1), BODY),
    ("D1-meta", "META", {}, KEY, github(D1), BODY),
    ("D1-pagerduty", "PAGERDUTY", {}, KEY, [("X-PagerDuty-Signature", f"v1={'0' * 64},v1={D1}")], BODY),
    ("D1-gitea", "GITEA", {}, KEY, [("X-Gitea-Signature", D1)], BODY),
    ("D1-linear", "LINEAR", {}, KEY, [("Linear-Signature", D1.upper())], BODY),
    ("D2", "GITHUB", {"header": "X-Hub-Signature", "prefix": "sha1=", "algorithm": "SHA1"}, KEY,
     [("X-Hub-Signature", "sha1=aa67a336e367d5f2c7f09fb625fcc3b598aeaf3b")], BODY),
    ("D3", "GITEA", {"algorithm": "SHA512"}, KEY, [("X-Gitea-Signature",
        "18b51a23ee0434c0cc0d70d41318bca538e5a2f45091bd5ad85aa530ee6f10dbca7d7c7c1f51c2ce15ae49d0697bea34897716557"
        "db1be30d0083824608ba1f4")], BODY),
    ("D4", "SHOPIFY", {}, KEY, [("X-Shopify-Hmac-SHA256", "mpUKB7DW27ZabYWiHO6og3AA60zZnZEuPvRsA+TJ/W0=")],
     BODY),
    ("D4-hookdeck", "HOOKDECK", {}, KEY, [("X-Hookdeck-Signature", "AAAA"), ("X-Hookdeck-Signature-2",
        "mpUKB7DW27ZabYWiHO6og3AA60zZnZEuPvRsA+TJ/W0=")], BODY),
    ("D5", "STRIPE", {}, KEY, [("Stripe-Signature",
        f"t={TS},v1=00,v1=98f24312b150b536722565a5d70001eeef005ae9770bd0d7c2c396dc394e4ffd,v0=zz")], BODY),
    ("D6", "STRIPE", {}, "whsec_test_secret", [("Stripe-Signature",
        "t=1614265330,v1=3c5817089d739023dd6190f70a3757e04f7a2fd8b5dab12c2e000f51970dccff")],
     b'{"id":"evt_test_webhook","object":"event"}'),
    ("D7-slack", "SLACK", {}, KEY, [("X-Slack-Signature", D7), ("X-Slack-Request-Timestamp", TS)], BODY),
    ("D7-zoom", "ZOOM", {}, KEY, [("x-zm-signature", D7), ("x-zm-request-timestamp", TS)], BODY),
    ("D7-customerio", "CUSTOMER_IO", {}, KEY, [("X-CIO-Signature", D7[3:]), ("X-CIO-Timestamp", TS)], BODY),
    ("D8", "ZENDESK", {}, KEY, [
        ("X-Zendesk-Webhook-Signature", "IuGvs8J2Bydrhhjpie6nRjUrZTkh1gdeNsecKBF6iVo="),
        ("X-Zendesk-Webhook-Signature-Timestamp", TS)], BODY),
    ("D9", "HUBSPOT", {}, KEY, [
        ("X-HubSpot-Signature-v3", "vGSyb1sofbw/U9mhuinrirI1ah3ay4VSEcBvoq049GQ="),
        ("X-HubSpot-Request-Timestamp", "1700000000000")], BODY),
    ("D10", "STANDARD_WEBHOOKS", {}, V1_SECRET,
     standard("msg_1", TS, "v1,HNkn2caO4INd1A7JpnFL50WigpEYa2CD5EL80IT/b90="), BODY),
    ("D11", "GITLAB", {}, "whsec_c2Vjb25kLXNlY3JldC0yNC1ieXRlcyEh",
     standard("msg_1", TS, "v1,ECsMu1NXPD9Lf3L/jp7jTYGNMR7i21LOMCZXBZLrI/w="), BODY),
    ("D12", "STANDARD_WEBHOOKS", {}, V1_SECRET,
     standard("msg_bin", TS, "v1,uXoyCxYx0Kgmi2hjPsKb2kzZ14LFjIh8NauKquqWxfo="), D12_BODY),
    ("D13", "STANDARD_WEBHOOKS", {}, V1_SECRET,
     standard("msg_empty", TS, "v1,LrOGikvEp3ovC4ipwU5sfXzzFy9SMN1tDL3jPPGtLmc="), b""),
    ("D14", "STANDARD_WEBHOOKS", {}, WHPK, standard("msg_1", TS,
        "v1a,8+CudfbD3R8i4ewHWc49m8C11VHTIigok5YCwuQ530IM39sPMOqmp2/fhWOeTPxBQAnaLnW7a96XKnGOxaE4Cg=="),
     BODY),
    ("D15", "DISCORD", {}, DISCORD_KEY, [("X-Signature-Ed25519",
        "b7d146f919135a52fdead5e9f048eef2c2bd9cd6c97457239b8d4f31cb45d57f4665f7d4646bf4049a8c37da287d1592818e5bb6f"
        "3c5956dc4d54cb4590a4708"), ("X-Signature-Timestamp", TS)], BODY),
    ("D17-unicode", "GITHUB", {}, KEY,
     github("9d24bf8e0039f5cdf36b04ca1f1f4e0fded647d85a05016fd8952885352fad1a"), '{"name":"héé☃"}'.encode()),
    ("D17-empty", "GITHUB", {}, KEY,
     github("1001c524b535a8aef76c14f33c851aa4a586e98253232319990ba8e2be464ba9"), b""),
]  # fmt: skip


@pytest.mark.parametrize("row", VECTORS, ids=[row[0] for row in VECTORS])
def test_published_signatures_are_accepted(row: tuple[str, str, dict[str, Any], str, Lines, bytes]) -> None:
    """
    Every vector of the senders' documentation verifies, and nothing near it does.
    """
    _, preset, more, secret, headers, body = row
    scheme = scheme_of(preset, tolerance=HUGE, **more)
    verdict = judge(scheme, headers, body, [secret])
    assert verdict.accepted
    assert verdict.reason is None
    assert verdict.key_index == 0
    assert not judge(scheme, headers, body + b" ", [secret]).accepted


TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_FORM = (
    b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309"
)
FORM_TYPE = ("Content-Type", "application/x-www-form-urlencoded")
SHARED = ("X-Twilio-Webhooks-Signature-Settings", "key=sharedkey_1,algorithm=HMAC_SHA256")
V8_BODY = b'{"property": "value", "boolean": true}'
V8_URL = f"{TWILIO_URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
TWILIO = [
    ("V6", TWILIO_URL, TWILIO_FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", ()),
    ("V6-443", "https://mycompany.com:443/myapp.php?foo=1&bar=2", TWILIO_FORM,
     "kvajT1Ptam85bY51eRf/AJRuM3w=", ()),
    ("V6-443-hidden", TWILIO_URL, TWILIO_FORM, "kvajT1Ptam85bY51eRf/AJRuM3w=", ()),
    ("V6-80", "http://mycompany.com/myapp.php?foo=1&bar=2", TWILIO_FORM, "0ZXoZLH/DfblKGATFgpif+LLRf4=", ()),
    ("V6-1234", "http://mycompany.com:1234/myapp.php?foo=1&bar=2", TWILIO_FORM,
     "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", ()),
    ("V7", TWILIO_URL, b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234",
     "IK+Dwps556ElfBT0I3Rgjkr1wJU=", ()),
    ("V8", V8_URL, V8_BODY, "a9nBmqA0ju/hNViExpshrM61xv4=", ()),
    ("D16", TWILIO_URL, TWILIO_FORM, "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=", (SHARED,)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "url", "body", "signature", "more"), TWILIO, ids=[row[0] for row in TWILIO])
def test_twilio_forms_json_and_ports(
    name: str, url: str, body: bytes, signature: str, more: tuple[tuple[str, str], ...]
) -> None:
    """
    Twilio signs URL and sorted fields; a default port may be written or not; JSON goes by its digest.
    """
    headers = [("X-Twilio-Signature", signature), FORM_TYPE, *more]
    verdict = judge(scheme_of("TWILIO"), headers, body, ["12345"], url=url)
    assert verdict.accepted, (name, verdict.reason)
    assert not judge(scheme_of("TWILIO"), headers, body + b"x", ["12345"], url=url).accepted
    assert not judge(scheme_of("TWILIO"), headers, body, ["12345"], url=url + "x").accepted


RFC_HEADERS = [
    ("Host", "example.com"),
    ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("Content-Type", "application/json"),
    ("Content-Length", "18"),
]
RFC_URL = "https://example.com/foo?param=Value&Pet=dog"
V9_INPUT = 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
V9 = "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"
V10_INPUT = (
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");'
    'created=1618884473;keyid="test-key-ed25519"'
)
V10 = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
V10_KEY = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="


@pytest.mark.parametrize(
    ("source", "signature", "secrets", "public_keys"),
    [(V9_INPUT, V9, [V9_SECRET], []), (V10_INPUT, V10, [], [V10_KEY])],
    ids=["V9", "V10"],
)
def test_rfc9421_appendix(source: str, signature: str, secrets: list[str], public_keys: list[str]) -> None:
    """
    The signatures of RFC 9421 B.2.5 and B.2.6 verify, and stop doing so when a covered header changes.
    """
    scheme = scheme_of("RFC9421", tolerance=HUGE, secretEncoding="BASE64", components=["date", "@authority"])
    headers = [*RFC_HEADERS, ("Signature-Input", source), ("Signature", signature)]
    verdict = judge(scheme, headers, ECHO_BODY, secrets, url=RFC_URL, public_keys=public_keys)
    assert verdict.accepted, verdict.reason
    assert verdict.timestamp == 1618884473
    other = [(name, "text/plain" if name == "Content-Type" else text) for name, text in headers]
    assert not judge(scheme, other, ECHO_BODY, secrets, url=RFC_URL, public_keys=public_keys).accepted


D19_URL = "https://example.com/api/v1/main/executions/webhook/company.team/f/k"
D19_INPUT = (
    'sig1=("@method" "@path" "@authority" "content-digest");created=1700000000;keyid="k1";alg="hmac-sha256"'
)
D19_HEADERS = [
    ("Content-Digest", "sha-256=:k6I5cakU5erL8KjSUVTNownDwccvu5kU1Hxg88toFYg=:"),
    ("Signature-Input", D19_INPUT),
    ("Signature", "sig1=:w46frCp2O+EgnxgIo5SrZKov9QEjzR18BV4gDl2lR0w=:"),
]


def test_rfc9421_with_content_digest() -> None:
    """
    D18 and D19: a covered Content-Digest binds the body; another body is refused as such.
    """
    scheme = scheme_of("RFC9421")
    verdict = judge(scheme, D19_HEADERS, BODY, [KEY], url=D19_URL)
    assert verdict.accepted, verdict.reason
    assert verdict.scheme == "hmac-sha256"
    changed = judge(scheme, D19_HEADERS, b'{"hello":"w0rld"}', [KEY], url=D19_URL)
    assert changed.reason == "body-digest-mismatch"


def test_v1_with_one_changed_character_fails() -> None:
    """
    V1's negative half: the last character before `=` changed to A is refused.
    """
    headers = standard(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="
    )
    scheme = scheme_of("STANDARD_WEBHOOKS", tolerance=HUGE)
    assert not judge(scheme, headers, b'{"test": 2432232314}', [V1_SECRET]).accepted


def test_signing_makes_the_published_values() -> None:
    """
    `sign` reproduces D5, D10, D14 and D15 byte for byte.
    """
    draft = Draft(body=BODY, now=1_700_000_000, delivery_id="msg_1")
    seed = bytes(range(32))
    assert Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex() == DISCORD_KEY
    whsk = "whsk_" + base64.b64encode(seed).decode()
    expected = {
        ("STRIPE", KEY): f"t={TS},v1=98f24312b150b536722565a5d70001eeef005ae9770bd0d7c2c396dc394e4ffd",
        ("STANDARD_WEBHOOKS", V1_SECRET): "v1,HNkn2caO4INd1A7JpnFL50WigpEYa2CD5EL80IT/b90=",
        ("STANDARD_WEBHOOKS", whsk): (
            "v1a,8+CudfbD3R8i4ewHWc49m8C11VHTIigok5YCwuQ530IM39sPMOqmp2/fhWOeTPxBQAnaLnW7a96XKnGOxaE4Cg=="
        ),
        ("DISCORD", seed.hex()): (
            "b7d146f919135a52fdead5e9f048eef2c2bd9cd6c97457239b8d4f31cb45d57f4665f7d4646bf4049a8c37da287d1592"
            "818e5bb6f3c5956dc4d54cb4590a4708"
        ),
    }
    for (preset, secret), value in expected.items():
        assert value in dict(sign(scheme_of(preset), secret, draft).headers).values()
