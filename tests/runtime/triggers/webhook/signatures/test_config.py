"""What an author may write under `signature:`, and what is said when it does not work."""

import base64
import json
from typing import Any

import pytest

from hookledger.runtime.triggers.webhook import signatures
from hookledger.runtime.triggers.webhook.admission.jwks import read_jwks
from hookledger.runtime.triggers.webhook.signatures import PRESETS, Draft, parse_signature, sign

SECRET = "{{ secret('S') }}"


def problems(raw: Any) -> dict[str, str]:
    """Return the problems of a block by path."""
    return {problem.path: problem.message for problem in parse_signature(raw).problems}


@pytest.mark.parametrize(
    ("raw", "path", "part"),
    [
        ({"preset": "GITHUBB", "secret": SECRET}, "signature.preset", "did you mean GITHUB?"),
        ({"preset": "GITHUB"}, "signature.secret", "is required"),
        ({"preset": "GITHUB", "secret": ""}, "signature.secret", "empty"),
        ({"preset": "GITHUB", "secrets": [SECRET, ""]}, "signature.secrets[1]", "empty"),
        ({"preset": "GITHUB", "secrets": [SECRET] * 6}, "signature.secrets", "at most 5"),
        ({"preset": "GITHUB", "secret": SECRET, "secrets": [SECRET]}, "signature.secrets", "beside"),
        ({"preset": "GITHUB", "secret": SECRET, "tolerance": "5m"}, "signature.tolerance", "PT5M"),
        ({"preset": "GITHUB", "secret": SECRET, "tolerence": "PT5M"}, "signature.tolerence", "`tolerance`"),
        ({"preset": "GITHUB", "secret": 7}, "signature.secret", "expected a text"),
        ({"preset": "TWILIO", "secret": SECRET, "payload": "{body}"}, "signature.payload", "remove it"),
        ({"preset": "GITHUB", "secret": SECRET, "components": ["a"]}, "signature.components", "RFC9421"),
        ({"secret": SECRET}, "signature.header", "is required"),
        ({"header": "X", "secret": SECRET, "payload": "{timestamp}"}, "signature.payload", "{body}"),
        ({"header": "X", "secret": SECRET, "payload": "{body}{x}"}, "signature.payload", "unknown field {x}"),
        ({"header": "X", "secret": SECRET, "payload": "{body}}"}, "signature.payload", "stray"),
        ({"header": "X", "secret": SECRET, "payload": "{timestamp}{body}"}, "signature.timestampHeader", ""),
        ({"header": "X", "secret": SECRET, "payload": "{id}{body}"}, "signature.idHeader", "required"),
        ({"header": "X", "secret": SECRET, "format": "PREFIXED"}, "signature.prefix", "required"),
        ({"header": "X", "secret": SECRET, "algorithm": "MD5"}, "signature.algorithm", "MD5"),
        ("GITHUB", "signature", "mapping"),
    ],
)  # fmt: skip
def test_problems_name_the_property_and_the_remedy(raw: Any, path: str, part: str) -> None:
    """
    Each mistake is reported at its property path, with what to write instead; the scheme is withheld.
    """
    assert part in problems(raw)[path]
    assert parse_signature(raw).scheme is None


def test_all_problems_at_once() -> None:
    """
    An author sees the whole list, not the first mistake.
    """
    found = problems({"preset": 1, "format": "ODD", "secrets": "x", "bogus": 1})
    assert set(found) == {f"signature.{name}" for name in ("preset", "format", "secrets", "bogus")}


def test_the_generic_example() -> None:
    """
    The custom scheme of the documentation works with nothing but section 5's properties.
    """
    raw = {
        "header": "X-Acme-Signature", "format": "PAIRS", "payload": "{timestamp}.{body}",
        "algorithm": "SHA256", "encoding": "HEX", "secret": SECRET, "tolerance": "PT5M",
    }  # fmt: skip
    scheme = parse_signature(raw).scheme
    assert scheme is not None
    made = sign(scheme, "s3cret", Draft(body=b"hi", now=1_700_000_000))
    assert made.headers[0][1].startswith("t=1700000000,v1=")
    request: dict[str, Any] = {"method": "POST", "url": "https://x/", "headers": made.headers}
    assert scheme.check(b"hi", secrets=["s3cret"], now=1_700_000_100, **request).accepted
    assert not scheme.check(b"hi", secrets=["s3cret"], now=1_700_000_301, **request).accepted


def test_a_payload_of_everything() -> None:
    """
    Method, path, URL, a named header, id and time can all be signed around the body.
    """
    raw = {
        "header": "X-Sig", "encoding": "BASE64URL", "algorithm": "SHA512", "idHeader": "X-Id",
        "payload": "{method} {path} {url} {header:X-Tenant} {id} {timestamp} {body} end",
        "timestampHeader": "X-Time", "timestampUnit": "ISO8601", "secret": SECRET, "secretEncoding": "HEX",
    }  # fmt: skip
    scheme = parse_signature(raw).scheme
    assert scheme is not None
    tenant = ("X-Tenant", "acme")
    made = sign(scheme, "00ff", Draft(body=b"hi", now=1_700_000_000, url="https://h/p?q", headers=(tenant,)))
    request: dict[str, Any] = {"url": "https://h/p?q", "now": 1_700_000_000, "secrets": ["00ff"]}
    assert scheme.check(b"hi", method="POST", headers=[tenant, *made.headers], **request).accepted
    assert not scheme.check(b"hi", method="PUT", headers=[tenant, *made.headers], **request).accepted
    missing = scheme.check(b"hi", method="POST", headers=made.headers, **request)
    assert missing.reason == "header-missing"


def test_the_public_names() -> None:
    """
    A wider surface is a visible change.
    """
    assert signatures.__all__ == [
        "BUFFER_BYTES_MAX", "PRESETS", "Algorithm", "Configured", "DedupSource", "Draft", "Encoding",
        "Format", "Problem", "Reason", "Recipe", "Scheme", "SecretEncoding", "SecretUnusable", "Signature",
        "SignedRequest", "TimestampUnit", "Verdict", "Verifier", "parse_signature", "sign", "to_recipe",
    ]  # fmt: skip


def test_keys_of_a_key_set() -> None:
    """
    A fetched key set gives the public keys of a signature with `jwksUri`; no secret is needed then.
    """
    raw = {"preset": "STANDARD_WEBHOOKS", "jwksUri": "https://sender.example/keys"}
    scheme = parse_signature(raw).scheme
    assert scheme is not None
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}
    keys = read_jwks(json.dumps({"keys": [jwk]}).encode(), now=0)
    whsk = "whsk_" + base64.b64encode(bytes(range(32))).decode()
    made = sign(scheme, whsk, Draft(body=b"{}", now=1_700_000_000))
    request: dict[str, Any] = {"method": "POST", "url": "https://x/", "now": 1_700_000_000}
    request["headers"] = made.headers
    assert scheme.check(b"{}", public_keys=keys.texts, **request).accepted
    assert scheme.check(b"{}", **request).unavailable


def test_methods_narrow_the_check() -> None:
    """
    A signature applies to every method unless the author lists some.
    """
    scheme = parse_signature({"preset": "META", "secret": SECRET, "methods": ["post"]}).scheme
    assert scheme is not None
    assert (scheme.covers("POST"), scheme.covers("GET")) == (True, False)
    everywhere = parse_signature({"preset": "META", "secret": SECRET}).scheme
    assert everywhere is not None
    assert everywhere.covers("GET")


def test_every_preset_loads_and_says_where_its_ids_are() -> None:
    """
    The table of presets is complete; a preset's deduplication source is a header or a body path.
    """
    wanted = {
        "GITHUB", "STRIPE", "SLACK", "SHOPIFY", "STANDARD_WEBHOOKS", "SVIX", "GITLAB", "GITLAB_TOKEN",
        "BITBUCKET", "TWILIO", "DISCORD", "META", "ZOOM", "HUBSPOT", "PAGERDUTY", "GITEA", "ZENDESK",
        "HOOKDECK", "LINEAR", "RFC9421",
    }  # fmt: skip
    assert wanted <= set(PRESETS)
    for preset in PRESETS:
        assert parse_signature({"preset": preset, "secret": SECRET}).problems == ()
    assert PRESETS["GITHUB"].dedup.header == "X-GitHub-Delivery"
    assert PRESETS["PAGERDUTY"].dedup.body == ("event", "id")
