"""The rules that hold for every preset: caps, duplicates, rotation, and failing closed."""

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from hookledger.runtime.triggers.webhook.signatures import (
    Draft,
    Reason,
    Scheme,
    Verdict,
    parse_signature,
    sign,
)

NOW = 1_700_000_000
BODY = b'{"hello":"world"}'
V1_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ROTATED = "whsec_c2Vjb25kLXNlY3JldC0yNC1ieXRlcyEh"
D1 = "sha256=9a950a07b0d6dbb65a6d85a21ceea8837000eb4cd99d912e3ef46c03e4c9fd6d"
D10 = "v1,HNkn2caO4INd1A7JpnFL50WigpEYa2CD5EL80IT/b90="
D11 = "v1,ECsMu1NXPD9Lf3L/jp7jTYGNMR7i21LOMCZXBZLrI/w="


def scheme_of(preset: str, **more: Any) -> Scheme:
    """Return a scheme, failing on any problem."""
    configured = parse_signature({"preset": preset, "secret": "x", **more})
    assert configured.scheme is not None, configured.problems
    return configured.scheme


def check(
    preset: str,
    headers: Sequence[tuple[str, str]],
    secrets: Sequence[str],
    now: float = NOW,
    body: bytes = BODY,
) -> Verdict:
    """Run one whole check."""
    return scheme_of(preset).check(
        body, method="POST", url="https://example.com/hook", headers=headers, now=NOW, secrets=secrets
    )


def standard(signature: str, ts: str = str(NOW), identifier: str = "msg_1") -> list[tuple[str, str]]:
    """Headers of Standard Webhooks."""
    return [("webhook-id", identifier), ("Webhook-Timestamp", ts), ("WEBHOOK-SIGNATURE", signature)]


@pytest.mark.parametrize("secrets", [[], [""], ["  \n"], ["good", ""]])
@pytest.mark.parametrize("preset", ["GITHUB", "STANDARD_WEBHOOKS", "DISCORD", "TWILIO", "RFC9421", "GITLAB"])
def test_without_a_secret_everything_is_refused(preset: str, secrets: list[str]) -> None:
    """
    No secret, an empty one, or an empty one among good ones: refused as our own fault (503).
    """
    verdict = check(preset, [("X-Hub-Signature-256", D1)], secrets)
    assert verdict.reason is Reason.SECRET_MISSING
    assert verdict.unavailable


@pytest.mark.parametrize(
    ("preset", "secret"),
    [("STANDARD_WEBHOOKS", "whsec_!!"), ("DISCORD", "abcd"), ("ONFLEET", "xyz"), ("GITHUB", "\ud800")],
)
def test_an_unusable_secret_fails_closed(preset: str, secret: str) -> None:
    """
    A secret that is not of the preset's form refuses every delivery, before the body is read.
    """
    verdict = check(preset, [], [secret])
    assert verdict.reason is Reason.SECRET_UNUSABLE
    assert verdict.unavailable


@pytest.mark.parametrize("secret", [V1_SECRET, "v1," + V1_SECRET, V1_SECRET[6:], f" {V1_SECRET}\n"])
def test_standard_webhooks_secret_forms(secret: str) -> None:
    """
    With or without prefix, with a pasted version or blanks: the same key.
    """
    assert check("STANDARD_WEBHOOKS", standard(D10), [secret]).accepted


def test_rotation_says_which_secret_matched() -> None:
    """
    Any listed secret accepts, the verdict names it; once removed it is refused.
    """
    secrets = [ROTATED, V1_SECRET]
    assert check("STANDARD_WEBHOOKS", standard(D10), secrets).key_index == 1
    assert check("STANDARD_WEBHOOKS", standard(D11), secrets).key_index == 0
    assert check("STANDARD_WEBHOOKS", standard(f"v1,AAAA v9,zz {D10}"), secrets).key_index == 1
    assert not check("STANDARD_WEBHOOKS", standard(D10), [ROTATED]).accepted


@pytest.mark.parametrize(
    ("preset", "headers", "reason"),
    [
        ("GITHUB", [], Reason.SIGNATURE_MISSING),
        ("GITHUB", [("X-Hub-Signature-256", D1), ("x-hub-signature-256", D1)], Reason.SIGNATURE_DUPLICATE),
        ("GITHUB", [("X-Hub-Signature-256", D1[7:])], Reason.SIGNATURE_MALFORMED),
        ("GITHUB", [("X-Hub-Signature-256", "sha256=é")], Reason.SIGNATURE_MALFORMED),
        ("GITHUB", [("X-Hub-Signature-256", "sha256=" + "a" * 5000)], Reason.SIGNATURE_TOO_LONG),
        ("GITHUB", [("X-Hub-Signature-256", D1[:-2])], Reason.SIGNATURE_MISMATCH),
        ("PAGERDUTY", [("X-PagerDuty-Signature", ",".join(["v1=00"] * 17))], Reason.SIGNATURE_TOO_LONG),
        ("STRIPE", [("Stripe-Signature", "t=1700000000,t=1700000000,v1=00")], Reason.TIMESTAMP_DUPLICATE),
        ("STRIPE", [("Stripe-Signature", "v1=00")], Reason.TIMESTAMP_MISSING),
        ("SLACK", [("X-Slack-Signature", "v0=00")], Reason.TIMESTAMP_MISSING),
    ],
)
def test_malformed_heads_are_refused_before_the_body(
    preset: str, headers: list[tuple[str, str]], reason: Reason
) -> None:
    """
    Missing, repeated, overlong or undecodable signatures never reach the body and never raise.
    """
    verifier = scheme_of(preset).begin(
        method="POST", url="https://example.com/", headers=headers, now=NOW, secrets=["webhook-secret"]
    )
    assert verifier.finish().reason is reason
    assert (verifier.early is None) == (reason is Reason.SIGNATURE_MISMATCH)


@pytest.mark.parametrize(
    "ts",
    [
        "1700000000.0",
        "1.7e9",
        "+1700000000",
        " nan",
        "",
        "1_700_000_000",
        "17٠٠٠٠٠٠٠٠",
        "1" * 14,
        "-1",
        "0x1",
    ],
)
def test_times_are_digits_and_nothing_else(ts: str) -> None:
    """
    What float() or int() would read is refused unless it is 1 to 13 ASCII digits.
    """
    headers = [line if line[1] != "T" else (line[0], ts) for line in standard(D10, "T")]
    assert check("STANDARD_WEBHOOKS", headers, [V1_SECRET]).reason is Reason.TIMESTAMP_MALFORMED


@pytest.mark.parametrize("identifier", ["", "a b", "é", "x" * 257])
def test_ids_are_visible_ascii(identifier: str) -> None:
    """
    A delivery id is 1 to 256 visible ASCII characters.
    """
    assert (
        check("STANDARD_WEBHOOKS", standard(D10, identifier=identifier), [V1_SECRET]).reason == "id-malformed"
    )


def test_upper_case_hex_is_the_same_signature() -> None:
    """
    Hex is accepted in either case.
    """
    headers = [("X-Hub-Signature-256", D1[:7] + D1[7:].upper()), ("X-GitHub-Delivery", "g-1")]
    verdict = check("GITHUB", headers, ["webhook-secret"])
    assert verdict.accepted
    assert (verdict.scheme, verdict.delivery_id) == ("sha256", "g-1")


def test_svix_accepts_the_standard_header_names() -> None:
    """
    Svix sends its own names or the standard ones; families are not mixed.
    """
    assert check("SVIX", standard(D10), [V1_SECRET]).accepted
    mixed = [("svix-signature", D10), *standard(D10)[:2]]
    assert check("SVIX", mixed, [V1_SECRET]).reason is Reason.ID_MISSING


def test_gitlab_tokens_and_signatures_side_by_side() -> None:
    """
    While a project moves from a token to a signing token either is accepted, and the index is right.
    """
    secrets = ["plain-token", V1_SECRET]
    assert check("GITLAB", [("X-Gitlab-Token", "plain-token")], secrets).key_index == 0
    assert check("GITLAB", standard(D10), secrets).key_index == 1
    assert not check("GITLAB", [("X-Gitlab-Token", V1_SECRET)], secrets).accepted
    assert not check("GITLAB", [("X-Gitlab-Token", "plain-tokeN")], ["plain-token"]).accepted


def test_non_ascii_tokens_compare_by_their_bytes() -> None:
    """
    Servers hand headers over as Latin-1; a UTF-8 token still matches.
    """
    seen = "schlüssel".encode().decode("latin-1")
    assert check("GITLAB_TOKEN", [("X-Gitlab-Token", seen)], ["schlüssel"]).accepted


def test_what_cannot_stream_is_bounded() -> None:
    """
    Ed25519 and Twilio forms keep the body, up to a limit; beyond it they refuse and keep nothing more.
    """
    seed = bytes(range(32))
    made = sign(scheme_of("DISCORD"), seed.hex(), Draft(body=b"x" * 100, now=NOW))
    key = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    verifier = scheme_of("DISCORD").begin(
        method="POST", url="https://example.com/", headers=made.headers, now=NOW, secrets=[key],
        buffer_bytes_max=50,
    )  # fmt: skip
    for _ in range(10):
        verifier.update(b"x" * 10)
    assert verifier.finish().reason is Reason.BODY_TOO_LARGE


def test_twilio_refuses_bodies_its_signature_does_not_cover() -> None:
    """
    A JSON body without bodySHA256 is not covered by anything.
    """
    signature = base64.b64encode(bytes(20)).decode()
    headers = [("X-Twilio-Signature", signature), ("Content-Type", "application/json")]
    assert check("TWILIO", headers, ["12345"]).reason is Reason.BODY_NOT_COVERED


def test_rfc9421_needs_the_digest_of_a_body() -> None:
    """
    With a body, content-digest must be covered unless the author lists `components`.
    """
    bare = scheme_of("RFC9421", components=["@method"])
    made = sign(bare, "a shared secret", Draft(body=BODY, now=NOW))
    assert check("RFC9421", made.headers, ["a shared secret"]).reason is Reason.BODY_NOT_COVERED
    request: dict[str, Any] = {
        "method": "POST",
        "url": "https://localhost/",
        "headers": made.headers,
        "now": NOW,
    }
    assert bare.check(BODY, secrets=["a shared secret"], **request).accepted
    wanting = scheme_of("RFC9421", components=["@path"])
    verdict = wanting.check(BODY, secrets=["a shared secret"], **request)
    assert verdict.reason is Reason.COMPONENT_NOT_COVERED


def test_v1a_and_v1_in_one_list() -> None:
    """
    A sender moving to public keys sends both; each secret checks its own kind.
    """
    whsk = "whsk_" + base64.b64encode(bytes(range(32))).decode()
    whpk = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
    scheme = scheme_of("STANDARD_WEBHOOKS")
    made = dict(sign(scheme, whsk, Draft(body=BODY, now=NOW, delivery_id="msg_1")).headers)
    both = standard(f"{D10} {made['webhook-signature']}")
    assert check("STANDARD_WEBHOOKS", both, [whpk]).scheme == "v1a"
    assert check("STANDARD_WEBHOOKS", both, [V1_SECRET, whpk]).key_index == 0
    assert check("STANDARD_WEBHOOKS", both, [ROTATED, whpk]).key_index == 1
