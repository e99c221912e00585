"""Key sets (RFC 7517) as data, and when to fetch them again.

A token names its key. An unknown name may mean that the issuer has rotated,
or that somebody is making names up: so it asks for a fetch at most once a
minute.
"""

from typing import Any, cast

import msgspec

TTL_SECONDS = 3600.0
RETRY_SECONDS = 60.0
STALE_SECONDS_MAX = 86_400.0  # how long keys outlive fetches that fail
KEYS_MAX = 64
DOCUMENT_BYTES_MAX = 262_144


class JwksEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A fetched key set; `keys` empty records a failed fetch, so that it is not repeated at once."""

    keys: tuple[dict[str, Any], ...]
    fetched_at: float  # seconds on the caller's clock
    tried_at: float = 0.0  # the last fetch, when it failed

    def wanted(self, now: float) -> bool:
        """Say whether a fetch is due."""
        return self.rested(now) and (now - self.fetched_at >= TTL_SECONDS or not self.keys)

    def rested(self, now: float) -> bool:
        """Say whether the last fetch is long enough ago for another one."""
        return now - max(self.fetched_at, self.tried_at) >= RETRY_SECONDS

    def named(self, kid: str | None) -> list[dict[str, Any]]:
        """Return the keys a token may mean: those of its name, or all when it has none."""
        return [key for key in self.keys if kid is None or key.get("kid") == kid]

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the keys as JSON texts, for the `public_keys` of a signature with `jwksUri`."""
        return tuple(msgspec.json.encode(key).decode() for key in self.keys)


def read_jwks(document: bytes, *, now: float) -> JwksEntry:
    """Return the key set of a fetched document; anything unusable is left out."""
    if len(document) > DOCUMENT_BYTES_MAX:
        return JwksEntry(keys=(), fetched_at=now)
    try:
        value: Any = msgspec.json.decode(document, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, ValueError):
        return JwksEntry(keys=(), fetched_at=now)
    try:
        items = msgspec.convert(value.get("keys"), list[Any])[:KEYS_MAX]
    except msgspec.ValidationError:
        items = []
    keys = (cast("dict[str, Any]", item) for item in items if isinstance(item, dict))
    return JwksEntry(keys=tuple(keys), fetched_at=now)


def is_jwks(document: bytes) -> bool:
    """Say whether a document is a key set at all; one without keys takes them all back."""
    try:
        value: Any = msgspec.json.decode(document, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, ValueError):
        return False
    return len(document) <= DOCUMENT_BYTES_MAX and isinstance(value.get("keys"), list)


def key_name(token: str) -> str | None:
    """Return the `kid` of a token, unverified; None when there is none or the token is malformed."""
    import jwt

    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return kid if isinstance(kid, str) else None


def needs_fetch(entry: JwksEntry | None, now: float, token: str) -> bool:
    """Say whether the set must be fetched (again) before this token can be judged."""
    if entry is None:
        return True
    return entry.wanted(now) or (entry.rested(now) and not entry.named(key_name(token)))


def after_failure(entry: JwksEntry | None, now: float) -> JwksEntry:
    """Return what is known after a fetch that failed: good keys for a day, then none."""
    if entry is None or now - entry.fetched_at > STALE_SECONDS_MAX:
        return JwksEntry(keys=(), fetched_at=now)
    return msgspec.structs.replace(entry, tried_at=now)
