"""Who may call: fixed credentials, and tokens judged with the caller's clock."""

import base64
import json
import warnings
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm
from msgspec.structs import replace

from hookledger.runtime.triggers.webhook.admission.authentication import (
    AuthVerdict,
    Credentials,
    NeedKeys,
    authenticate,
    parse_authentication,
)
from hookledger.runtime.triggers.webhook.admission.jwks import JwksEntry, needs_fetch, read_jwks

NOW = 1_700_000_000
KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
URI = "https://idp.example/keys"
JWK = {**json.loads(RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "k1", "alg": "RS256"}
JWKS = read_jwks(json.dumps({"keys": [JWK, {"kty": "odd"}, 7]}).encode(), now=NOW)
CLAIMS = {"iss": "https://idp", "aud": "flows", "sub": "ann", "exp": NOW + 60, "roles": ["deploy"]}
JWT_WAY = {
    "type": "JWT", "issuer": "https://idp", "audience": "flows", "algorithms": ["RS256"], "jwksUri": URI,
}  # fmt: skip


def judge(raw: list[Any], *headers: tuple[str, str], now: float = NOW, **more: Any) -> AuthVerdict | NeedKeys:
    """Run one whole check."""
    ways, problems = parse_authentication(raw)
    assert problems == []
    return authenticate(ways, Credentials(headers=headers, now=now, **more))


def accepted(raw: list[Any], *headers: tuple[str, str], **more: Any) -> bool:
    """Say whether the check accepts."""
    verdict = judge(raw, *headers, **more)
    return isinstance(verdict, AuthVerdict) and verdict.accepted


def basic(text: str) -> tuple[str, str]:
    """A Basic header."""
    return "Authorization", "Basic " + base64.b64encode(text.encode()).decode()


def bearer(token: str) -> tuple[str, str]:
    """A Bearer header."""
    return "Authorization", f"Bearer {token}"


BASIC = {"type": "BASIC", "username": "ann", "password": "pä:ss"}
BEARER = {"type": "BEARER", "token": "t0k"}
HEADER = {"type": "HEADER", "name": "X-Api-Key", "value": "k"}
QUERY = {"type": "QUERY", "name": "access_token", "value": "q"}


def test_fixed_credentials() -> None:
    """
    The right value is accepted, another one, none, or the same twice is not.
    """
    assert accepted([BASIC], basic("ann:pä:ss"))
    assert not accepted([BASIC], basic("ann:pa:ss"))
    assert not accepted([BASIC], ("Authorization", "Basic !!"))
    assert accepted([BEARER], ("authorization", "bearer t0k"))
    assert not accepted([BEARER], bearer("t0k2"))
    assert accepted([HEADER], ("x-api-key", "k"))
    assert not accepted([HEADER], ("x-api-key", "k"), ("X-Api-Key", "k"))
    assert accepted([QUERY], query=(("access_token", "q"),))
    assert not accepted([QUERY], query=(("access_token", "q"), ("access_token", "q")))


def test_any_of_the_ways_is_enough() -> None:
    """
    The list is an any-of; the refusal names the schemes, never the reason.
    """
    assert accepted([BASIC, HEADER], ("X-Api-Key", "k"))
    refused = judge([BASIC, BEARER], bearer("x"))
    assert isinstance(refused, AuthVerdict)
    assert refused.status == 401
    assert refused.challenge == 'Basic realm="webhook", charset="UTF-8", Bearer realm="webhook"'


@pytest.mark.parametrize("way", [BASIC, BEARER, HEADER, QUERY])
def test_credentials_that_rendered_to_nothing_accept_nothing(way: dict[str, str]) -> None:
    """
    An empty secret never equals an empty or missing credential.
    """
    ways, _ = parse_authentication([way])
    empty = [replace(one, password="", token="", value="") for one in ways]
    headers = (basic("ann:"), ("X-Api-Key", ""), bearer(""))
    for header in headers:
        verdict = authenticate(empty, Credentials(headers=(header,), query=(("access_token", ""),)))
        assert isinstance(verdict, AuthVerdict)
        assert not verdict.accepted


def token(key: Any = KEY, algorithm: str = "RS256", kid: str | None = "k1", **changes: Any) -> str:
    """A signed token."""
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else {})


def test_a_good_token() -> None:
    """
    Signed by a listed key, for us, in time: accepted with its subject.
    """
    verdict = judge([JWT_WAY], bearer(token()), key_sets={URI: JWKS})
    assert isinstance(verdict, AuthVerdict)
    assert (verdict.accepted, verdict.principal) == (True, "ann")
    assert accepted([JWT_WAY], bearer(token(kid=None)), key_sets={URI: JWKS})
    assert accepted([{**JWT_WAY, "jwksUri": None, "publicKey": PUBLIC}], bearer(token()))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 61}, {"exp": None}, {"exp": "x"}, {"exp": 10**400}, {"nbf": NOW + 61}, {"aud": "other"},
        {"iss": "other"}, {"aud": None}, {"iss": None}, {"exp": float("nan")}, {"exp": float("inf")},
    ],
    ids=str,
)  # fmt: skip
def test_tokens_that_are_not_for_us_now(changes: dict[str, Any]) -> None:
    """
    Expired, early, malformed times, another audience or issuer: 401, by the caller's clock.
    """
    from jwt.api_jws import encode

    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    made = encode(json.dumps(claims).encode(), KEY, algorithm="RS256", headers={"kid": "k1"})
    verdict = judge([JWT_WAY], bearer(made), key_sets={URI: JWKS})
    assert isinstance(verdict, AuthVerdict)
    assert (verdict.accepted, verdict.status) == (False, 401)


def test_leeway() -> None:
    """
    A minute of clock difference by default.
    """
    assert accepted([JWT_WAY], bearer(token(exp=NOW - 59)), key_sets={URI: JWKS})
    assert not accepted([{**JWT_WAY, "leeway": "PT10S"}], bearer(token(exp=NOW - 59)), key_sets={URI: JWKS})


def test_algorithm_confusion() -> None:
    """
    `none`, and HS256 made with the public key's text, are refused whatever the configuration says.
    """
    nothing: Any = None
    unsigned = jwt.encode(CLAIMS, nothing, algorithm="none", headers={"kid": "k1"})
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"k1"}').rstrip(b"=")
    payload = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).rstrip(b"=")
    import hmac

    made = hmac.digest(PUBLIC.encode(), header + b"." + payload, "sha256")
    confused = b".".join([header, payload, base64.urlsafe_b64encode(made).rstrip(b"=")]).decode()
    for way in (JWT_WAY, {**JWT_WAY, "jwksUri": None, "publicKey": PUBLIC}):
        for one in (unsigned, confused):
            assert not accepted([way], bearer(one), key_sets={URI: JWKS})


def test_shared_secrets_must_be_long() -> None:
    """
    HS256 works with 32 bytes or more; a shorter secret accepts nothing (RFC 7518 section 3.2).
    """
    for secret, works in (("s" * 32, True), ("s" * 31, False)):
        way = {**JWT_WAY, "jwksUri": None, "secret": "{{ secret('J') }}", "algorithms": ["HS256"]}
        ways, problems = parse_authentication([way])
        assert problems == []
        rendered = [replace(one, secret=secret) for one in ways]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns while signing
            made = token(secret, "HS256")
        verdict = authenticate(rendered, Credentials(headers=(bearer(made),), now=NOW))
        assert isinstance(verdict, AuthVerdict)
        assert verdict.accepted == works
    assert parse_authentication([{**way, "secret": "short"}])[1][0].path == "authentication[0].secret"


def test_claims_decide_between_401_and_403() -> None:
    """
    A good token without the wanted claim is known but not allowed.
    """
    way = {**JWT_WAY, "claims": {"roles": "deploy"}}
    assert accepted([way], bearer(token()), key_sets={URI: JWKS})
    verdict = judge([way], bearer(token(roles=["read"])), key_sets={URI: JWKS})
    assert isinstance(verdict, AuthVerdict)
    assert (verdict.status, verdict.reason) == (403, "jwt-claims")


def test_key_sets_are_asked_for_and_not_too_often() -> None:
    """
    Missing or old: a need. An unknown name asks again after a minute, not before.
    """
    assert judge([JWT_WAY], bearer(token())) == NeedKeys(URI)
    assert accepted([JWT_WAY, BEARER], bearer("t0k"))
    assert not needs_fetch(JWKS, NOW + 3599, token())
    assert needs_fetch(JWKS, NOW + 3600, token())
    assert not needs_fetch(JWKS, NOW + 59, token(kid="k2"))
    assert needs_fetch(JWKS, NOW + 60, token(kid="k2"))
    assert read_jwks(b"junk", now=NOW) == JwksEntry(keys=(), fetched_at=NOW)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ([{"type": "BASIC", "username": "a"}], "authentication[0].password"),
        ([{"type": "JWT"}], "authentication[0].issuer"),
        ([{**JWT_WAY, "algorithms": ["none"]}], "authentication[0].algorithms"),
        ([{**JWT_WAY, "algorithms": ["HS256"]}], "authentication[0].algorithms"),
        ([{**JWT_WAY, "publicKey": "x"}], "authentication[0]"),
        ([{**JWT_WAY, "jwksUri": "http://idp/keys"}], "authentication[0].jwksUri"),
        ([BEARER, {"type": "MAGIC"}], "authentication[1].type"),
        ([], "authentication"),
        ("BASIC", "authentication"),
    ],
)
def test_problems_name_the_property(raw: Any, path: str) -> None:
    """
    What cannot work is refused when the flow loads, with the path of the property.
    """
    assert path in {problem.path for problem in parse_authentication(raw)[1]}


WAYS, _ = parse_authentication([BASIC, BEARER, HEADER, QUERY, JWT_WAY])


@given(
    st.text(max_size=60) | st.sampled_from(["Bearer a.b.c", "Bearer " + "e30." * 3, "Basic " + "A" * 9000])
)
def test_credentials_never_raise(text: str) -> None:
    """
    Any header ends in a refusal.
    """
    for name in ("Authorization", "X-Api-Key"):
        found = authenticate(WAYS, Credentials(headers=((name, text),), now=NOW, key_sets={URI: JWKS}))
        assert isinstance(found, AuthVerdict)
        assert not found.accepted or text in ("k", "Bearer t0k")
