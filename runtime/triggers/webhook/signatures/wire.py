"""Reads single values off the wire: headers, timestamps, encoded bytes. Malformed is None, not raised."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from hookledger.runtime.triggers.webhook.signatures.model import Encoding, Reason, TimestampUnit

HEADER_CHARS_MAX = 4096
ID_CHARS_MAX = 256
MILLIS_FROM = 10**11  # seconds reach it in the year 5138, milliseconds did in 1973

HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")
DIGITS = re.compile(r"[0-9]{1,13}")
ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
VISIBLE = re.compile(r"[\x21-\x7e]+")

Headers = Iterable[tuple[str, str]]


class HeaderTable:
    """Headers by lower-case name, every line kept: two of one name are an attack until shown otherwise."""

    def __init__(self, headers: Headers) -> None:
        self._given = list(headers)
        self._lines: dict[str, list[str]] = {}
        for name, value in self._given:
            self._lines.setdefault(name.lower(), []).append(value)

    def lines(self) -> list[tuple[str, str]]:
        """Return every header line as given."""
        return self._given

    def all(self, name: str) -> list[str]:
        """Return every line of this name, in order."""
        return self._lines.get(name.lower(), [])

    def first(self, name: str) -> str | None:
        """Return the line of this name when there is exactly one, else None."""
        lines = self.all(name)
        return lines[0] if len(lines) == 1 else None


def decode_hex(text: str) -> bytes | None:
    """Return the bytes of hex text in either case, or None."""
    return bytes.fromhex(text) if HEX.fullmatch(text) else None


def _decode_base64(text: str, alphabet: re.Pattern[str]) -> bytes | None:
    if not alphabet.fullmatch(text):
        return None
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
    # One signature has one spelling: unused low bits of the last character must be zero.
    return decoded if base64.b64encode(decoded).decode().rstrip("=") == bare else None


def decode_base64(text: str) -> bytes | None:
    """Return the bytes of standard base64 (padding optional), or None."""
    return _decode_base64(text, BASE64)


def decode_base64url(text: str) -> bytes | None:
    """Return the bytes of URL-safe base64 (padding optional), or None."""
    return _decode_base64(text, BASE64URL)


DECODE: dict[Encoding, Callable[[str], bytes | None]] = {
    Encoding.HEX: decode_hex,
    Encoding.BASE64: decode_base64,
    Encoding.BASE64URL: decode_base64url,
}
ENCODE: dict[Encoding, Callable[[bytes], str]] = {
    Encoding.HEX: bytes.hex,
    Encoding.BASE64: lambda data: base64.b64encode(data).decode(),
    Encoding.BASE64URL: lambda data: base64.urlsafe_b64encode(data).decode(),
}


def _seconds(text: str) -> int | None:
    return int(text) if DIGITS.fullmatch(text) else None


def _millis(text: str) -> int | None:
    return int(text) // 1000 if DIGITS.fullmatch(text) else None


def _either(text: str) -> int | None:
    value = _seconds(text)
    if value is None:
        return iso_seconds(text)
    return value // 1000 if value >= MILLIS_FROM else value


def iso_seconds(text: str) -> int | None:
    """Return the whole seconds since 1970 of an RFC 3339 time, or None."""
    if not ISO_TIME.fullmatch(text):
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return None


READ_TIME: dict[TimestampUnit, Callable[[str], int | None]] = {
    TimestampUnit.SECONDS: _seconds,
    TimestampUnit.MILLIS: _millis,
    TimestampUnit.AUTO: _either,
    TimestampUnit.ISO8601: iso_seconds,
}


def _iso(now: float) -> str:
    return datetime.fromtimestamp(int(now), tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: UP017


WRITE_TIME: dict[TimestampUnit, Callable[[float], str]] = {
    TimestampUnit.SECONDS: lambda now: str(int(now)),
    TimestampUnit.AUTO: lambda now: str(int(now)),
    TimestampUnit.MILLIS: lambda now: str(int(now * 1000)),
    TimestampUnit.ISO8601: _iso,
}


def freshness(timestamp: int, now: float, tolerance_seconds: float) -> Reason | None:
    """Return why a time is not fresh: too far back, or too far ahead. Both bounds are inclusive."""
    if now - timestamp > tolerance_seconds:
        return Reason.TIMESTAMP_TOO_OLD
    if timestamp - now > tolerance_seconds:
        return Reason.TIMESTAMP_IN_FUTURE
    return None


def is_id(text: str) -> bool:
    """Say whether this may be a delivery id: 1 to 256 visible ASCII characters."""
    return len(text) <= ID_CHARS_MAX and VISIBLE.fullmatch(text) is not None
