"""`authentication`: who may call. A list of ways; one that fits is enough.

Signatures say who wrote a delivery; this says who may knock. Secrets are
compared as SHA-256 digests in constant time, and every way is tried.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from hookledger.runtime.triggers.webhook.admission.jwks import JwksEntry, needs_fetch
from hookledger.runtime.triggers.webhook.admission.jwt_tokens import JwtRules, check_token
from hookledger.runtime.triggers.webhook.admission.settings import (
    Problem,
    Settings,
    check,
    check_duration,
    duration_seconds,
    is_template,
    read_settings,
)

CREDENTIAL_CHARS_MAX = 8192


class AuthType(StrEnum):
    """The ways to authenticate."""

    BASIC = "BASIC"  # RFC 7617
    BEARER = "BEARER"  # RFC 6750, a fixed token
    HEADER = "HEADER"
    QUERY = "QUERY"
    JWT = "JWT"  # RFC 7519 as a bearer token
    MTLS = "MTLS"  # the client certificate that a trusted proxy hands on (RFC 9440)


class Authentication(Settings, frozen=True, kw_only=True):
    """One entry of the `authentication:` list. Templates are rendered by the caller before use."""

    type: AuthType
    username: str | None = None
    password: str | None = None
    token: str | None = None
    name: str | None = None
    value: str | None = None
    issuer: str | None = None
    audience: str | None = None
    jwks_uri: str | None = None
    public_key: str | None = None
    secret: str | None = None
    algorithms: tuple[str, ...] = ()
    leeway: str = "PT1M"
    claims: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    header: str = "Client-Cert"
    subjects: tuple[str, ...] = ()
    sans: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()


class AuthVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome. `reason` is for the journal, never for the caller."""

    accepted: bool
    type: AuthType | None = None
    principal: str | None = None  # user name, subject or header name; never a secret
    status: int = 200  # 401 not authenticated, 403 authenticated and not allowed
    reason: str | None = None
    challenge: str | None = None  # for WWW-Authenticate
    way: int | None = None  # index of the one that fits


class NeedKeys(msgspec.Struct, frozen=True):
    """A key set has to be fetched before the token can be judged; ask again with it."""

    jwks_uri: str


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a request brought. Query values are percent-decoded."""

    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...] = ()
    now: float = 0.0  # seconds since 1970-01-01 UTC
    key_sets: Mapping[str, JwksEntry] = {}
    behind_proxy: bool = False  # the connection comes from one of `server.trustedProxies`

    def header(self, name: str) -> str | None:
        """Return a header that is there exactly once."""
        return _only([value for key, value in self.headers if key.lower() == name.lower()])

    def bearer(self) -> str | None:
        """Return the token of `Authorization: Bearer`."""
        return self._after("bearer")

    def basic(self) -> bytes | None:
        """Return `user:password` of `Authorization: Basic`."""
        try:
            return base64.b64decode(self._after("basic") or "", validate=True) or None
        except (ValueError, binascii.Error):
            return None

    def _after(self, scheme: str) -> str | None:
        name, _, rest = (self.header("authorization") or "").partition(" ")
        return rest.strip() or None if name.lower() == scheme else None


def _only(values: Sequence[str]) -> str | None:
    return values[0] if len(values) == 1 and len(values[0]) <= CREDENTIAL_CHARS_MAX else None


Outcome = AuthVerdict | NeedKeys
REQUIRED: dict[AuthType, tuple[str, ...]] = {
    AuthType.BASIC: ("username", "password"),
    AuthType.BEARER: ("token",),
    AuthType.HEADER: ("name", "value"),
    AuthType.QUERY: ("name", "value"),
    AuthType.JWT: ("issuer", "audience", "algorithms"),
    AuthType.MTLS: (),
}


def parse_authentication(
    raw: object, *, path: str = "authentication"
) -> tuple[tuple[Authentication, ...], list[Problem]]:
    """Read the `authentication:` list; with the entries, and every problem with its path."""
    if not isinstance(raw, list | tuple) or not raw:
        return (), [Problem(path, "must be a list, e.g. [{type: BEARER, token: \"{{ secret('T') }}\"}]")]
    items: Sequence[object] = list(raw)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    read = [_read(item, f"{path}[{index}]") for index, item in enumerate(items)]
    return tuple(one for one, _ in read if one), [problem for _, found in read for problem in found]


def _read(raw: object, path: str) -> tuple[Authentication | None, list[Problem]]:
    entry, problems = read_settings(Authentication, raw, path)
    if entry is None:
        return None, problems
    kind = entry.type
    for name in REQUIRED[kind]:
        check(problems, f"{path}.{name}", not getattr(entry, name), f"is required for {kind.value}; add it")
    check_duration(problems, f"{path}.leeway", entry.leeway)
    if kind is AuthType.JWT:
        _check_jwt(problems, entry, path)
    unpinned = kind is AuthType.MTLS and not (entry.subjects or entry.sans or entry.fingerprints)
    check(problems, path, unpinned, "takes anybody's certificate; name `subjects`, `sans` or `fingerprints`")
    return (None if problems else entry), problems


def _check_jwt(problems: list[Problem], entry: Authentication, path: str) -> None:
    sources = [one for one in (entry.jwks_uri, entry.public_key, entry.secret) if one]
    check(problems, path, len(sources) != 1, "needs exactly one of jwksUri, publicKey or secret")
    none = any(one.lower() == "none" for one in entry.algorithms)
    check(problems, f"{path}.algorithms", none, "cannot contain none; list for example [RS256]")
    symmetric = [one for one in entry.algorithms if one.startswith("HS")]
    mixed = bool(symmetric) and entry.secret is None
    check(problems, f"{path}.algorithms", mixed, f"{symmetric} need `secret`; a public key is no secret")
    short = entry.secret is not None and not is_template(entry.secret) and len(entry.secret.encode()) < 32
    check(problems, f"{path}.secret", short, "is shorter than 32 bytes (RFC 7518 section 3.2); lengthen it")
    uri = entry.jwks_uri
    plain = uri is not None and not is_template(uri) and not uri.startswith("https://")
    check(problems, f"{path}.jwksUri", plain, "must begin with https://")


def authenticate(ways: Sequence[Authentication], credentials: Credentials) -> Outcome:
    """Judge the credentials against every way; the first that accepts wins.

    A way that needs a key set is asked for only when no other way accepts. An
    empty list accepts nothing: leave the step out instead.
    """
    outcomes = [_numbered(CHECKS[way.type](way, credentials), index) for index, way in enumerate(ways)]
    for wanted in (_accepts, _needs, _forbids):
        for outcome in outcomes:
            if wanted(outcome):
                return outcome
    reasons = [one.reason or "" for one in outcomes if isinstance(one, AuthVerdict)]
    return AuthVerdict(
        accepted=False, status=401, reason=",".join(reasons) or "no-ways", challenge=challenge(ways)
    )


def _numbered(outcome: Outcome, index: int) -> Outcome:
    return msgspec.structs.replace(outcome, way=index) if _accepts(outcome) else outcome


def _accepts(outcome: Outcome) -> bool:
    return isinstance(outcome, AuthVerdict) and outcome.accepted


def _needs(outcome: Outcome) -> bool:
    return isinstance(outcome, NeedKeys)


def _forbids(outcome: Outcome) -> bool:
    return isinstance(outcome, AuthVerdict) and outcome.status == 403


def challenge(ways: Sequence[Authentication]) -> str:
    """Return the WWW-Authenticate value for these ways; it never says what was wrong."""
    kinds = {way.type for way in ways}
    basic = ['Basic realm="webhook", charset="UTF-8"'] if AuthType.BASIC in kinds else []
    return ", ".join([*basic, 'Bearer realm="webhook"'] if kinds != {AuthType.BASIC} else basic)


def _fixed(way: Authentication, given: bytes | None, expected: str, principal: str) -> AuthVerdict:
    """Compare a fixed secret; an empty expected value never accepts."""
    right = hmac.compare_digest(_digest(given or b""), _digest(_utf8(expected)))
    if given is None or not expected.strip() or not right:
        return AuthVerdict(
            accepted=False, status=401, reason="credentials-missing" if given is None else "mismatch"
        )
    return AuthVerdict(accepted=True, type=way.type, principal=principal)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _wire(text: str | None) -> bytes | None:
    """Header text is Latin-1 to servers; a UTF-8 secret must still match."""
    if text is None:
        return None
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return _utf8(text)


def _basic(way: Authentication, credentials: Credentials) -> AuthVerdict:
    user, password = way.username or "", way.password or ""
    if not password.strip():
        return AuthVerdict(accepted=False, status=401, reason="secret-missing")
    return _fixed(way, credentials.basic(), f"{user}:{password}", user)


def _bearer(way: Authentication, credentials: Credentials) -> AuthVerdict:
    return _fixed(way, _wire(credentials.bearer()), way.token or "", "bearer")


def _header(way: Authentication, credentials: Credentials) -> AuthVerdict:
    name = way.name or ""
    return _fixed(way, _wire(credentials.header(name)), way.value or "", name)


def _query(way: Authentication, credentials: Credentials) -> AuthVerdict:
    name = way.name or ""
    given = _only([value for key, value in credentials.query if key == name])
    return _fixed(way, None if given is None else _utf8(given), way.value or "", name)


def _jwt(way: Authentication, credentials: Credentials) -> Outcome:
    token = credentials.bearer()
    if token is None:
        return AuthVerdict(accepted=False, status=401, reason="credentials-missing")
    entry = credentials.key_sets.get(way.jwks_uri) if way.jwks_uri else None
    if way.jwks_uri and needs_fetch(entry, credentials.now, token):
        return NeedKeys(way.jwks_uri)
    checked = check_token(token, rules_of(way), entry, credentials.now)
    if checked.reason is None:
        return AuthVerdict(accepted=True, type=AuthType.JWT, principal=checked.subject)
    status = 403 if checked.authenticated else 401
    return AuthVerdict(accepted=False, status=status, reason=checked.reason)


def _mtls(way: Authentication, credentials: Credentials) -> AuthVerdict:
    """Anybody can write a header: it counts only on a connection from one of our own proxies."""
    from hookledger.runtime.triggers.webhook.admission.client_cert import pinned, read_certificate

    text = credentials.header(way.header)
    if not credentials.behind_proxy or text is None:
        reason = "credentials-missing" if credentials.behind_proxy else "no-trusted-proxy"
        return AuthVerdict(accepted=False, status=401, reason=reason)
    certificate = read_certificate(text)
    if certificate is None:
        return AuthVerdict(accepted=False, status=401, reason="certificate-malformed")
    if not certificate.begins <= credentials.now <= certificate.ends:
        return AuthVerdict(accepted=False, status=401, reason="certificate-expired")
    if not pinned(certificate, way.subjects, way.sans, way.fingerprints):
        return AuthVerdict(accepted=False, status=403, reason=f"certificate of {certificate.subject}")
    return AuthVerdict(accepted=True, type=AuthType.MTLS, principal=certificate.subject)


def rules_of(way: Authentication) -> JwtRules:
    """Return the rules for tokens of a JWT entry."""
    return JwtRules(
        issuer=way.issuer or "",
        audience=way.audience or "",
        algorithms=way.algorithms,
        leeway_seconds=duration_seconds(way.leeway),
        claims=way.claims,
        public_key=way.public_key,
        secret=way.secret,
    )


CHECKS: dict[AuthType, Callable[[Authentication, Credentials], Outcome]] = {
    AuthType.BASIC: _basic,
    AuthType.BEARER: _bearer,
    AuthType.HEADER: _header,
    AuthType.QUERY: _query,
    AuthType.JWT: _jwt,
    AuthType.MTLS: _mtls,
}
