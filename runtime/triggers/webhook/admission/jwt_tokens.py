"""JSON Web Tokens (RFC 7519): signature by PyJWT, times by the caller's clock.

PyJWT was chosen over joserfc because its core takes keys and an algorithm
list and nothing else is needed; its own JWKS client blocks and its time checks
read a clock, so neither is used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jwt
import msgspec

from hookledger.runtime.triggers.webhook.admission.jwks import JwksEntry, key_name
from hookledger.runtime.triggers.webhook.signatures.keys import SecretUnusable, load_public

KEYS_TRIED_MAX = 4
TIME_MAX = 10**15  # seconds; keeps sums with floats finite
OPTIONS: Any = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "require": ["exp", "iss", "aud"],
    "enforce_minimum_key_length": True,  # RFC 7518 section 3.2; a warning otherwise
}


class JwtRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a token must satisfy."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    leeway_seconds: float
    claims: Mapping[str, Any]  # each must be equal, or be contained in a claim that is a list
    public_key: str | None = None
    secret: str | None = None


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome; `authenticated` tells a wrong claim (403) from a wrong token (401)."""

    reason: str | None = None
    authenticated: bool = False
    subject: str | None = None


def check_token(token: str, rules: JwtRules, keys: JwksEntry | None, now: float) -> Checked:
    """Judge a token against the rules; keys come from the rules or from the key set."""
    claims, reason = None, "jwt-key-unknown"
    for key, algorithms in _keys(token, rules, keys):
        claims, reason = _decode(token, key, algorithms, rules)
        if claims is not None:
            break
    if claims is None:
        return Checked(reason=reason)
    if stale := _time_problem(claims, rules.leeway_seconds, now):
        return Checked(reason=stale)
    subject = str(claims.get("sub", ""))[:256]
    if not all(_holds(claims.get(name), wanted) for name, wanted in rules.claims.items()):
        return Checked(reason="jwt-claims", authenticated=True, subject=subject)
    return Checked(authenticated=True, subject=subject)


def _keys(token: str, rules: JwtRules, entry: JwksEntry | None) -> list[tuple[Any, Sequence[str]]]:
    """Return keys with the algorithms each may be used for: a public key never checks an HMAC."""
    if rules.secret is not None:
        symmetric = [one for one in rules.algorithms if one.startswith("HS")]
        return [(rules.secret, symmetric)] if rules.secret.strip() else []
    asymmetric = [one for one in rules.algorithms if not one.startswith("HS")]
    if rules.public_key is not None:
        try:
            return [(load_public(rules.public_key), asymmetric)]
        except SecretUnusable:
            return []
    named = entry.named(key_name(token))[:KEYS_TRIED_MAX] if entry else []
    loaded = (_load(key) for key in named if key.get("kty") != "oct")
    return [(key, asymmetric) for key in loaded if key is not None]


def _load(key: dict[str, Any]) -> Any:
    try:
        return jwt.PyJWK.from_dict(key)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _decode(
    token: str, key: Any, algorithms: Sequence[str], rules: JwtRules
) -> tuple[dict[str, Any] | None, str]:
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            audience=rules.audience,
            issuer=rules.issuer,
            options=OPTIONS,
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        return None, f"jwt-{type(error).__name__}"
    return claims, ""


def _time_problem(claims: dict[str, Any], leeway_seconds: float, now: float) -> str | None:
    expires, not_before = claims.get("exp"), claims.get("nbf", 0)
    if not (_is_time(expires) and _is_time(not_before)):
        return "jwt-times-malformed"
    if now >= float(expires or 0) + leeway_seconds:
        return "jwt-expired"
    return "jwt-not-yet-valid" if now < float(not_before) - leeway_seconds else None


def _is_time(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= TIME_MAX  # false for NaN too


def _holds(found: Any, wanted: Any) -> bool:
    return bool(found == wanted) or (isinstance(found, list) and wanted in found)
