"""Who may use the API: one user and password, kept as a scrypt hash, compared in constant time."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec
import trio

FILE: Final = "credentials.json"
DEFAULT_USER: Final = "admin"
SCRYPT_N: Final = 2**15
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
_SCRYPT_MEMORY_MAX: Final = 64 * 1024 * 1024


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What the data directory keeps."""

    username: str
    salt: str
    """Hex."""
    hash: str
    """scrypt (RFC 7914) of the password, hex."""
    n: int = SCRYPT_N
    r: int = SCRYPT_R
    p: int = SCRYPT_P


class Credentials:
    """Checks Basic credentials. The slow hash is computed once per password that turns out right."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._cache_key = secrets.token_bytes(32)
        self._good: bytes = b""
        self._hashing = trio.CapacityLimiter(1)

    @property
    def username(self) -> str:
        """The name that may log in."""
        return self._stored.username

    async def check(self, authorization: str | None) -> str | None:
        """Return the user's name for a right `Authorization` header, None for any other."""
        if authorization is None:
            return None
        digest = hmac.digest(self._cache_key, authorization.encode("utf-8", "surrogateescape"), "sha256")
        if self._good and hmac.compare_digest(digest, self._good):
            return self._stored.username
        username, password = parse_basic(authorization)
        if username is None or password is None:
            return None
        if await self.matches(username, password):
            self._good = digest
            return self._stored.username
        return None

    async def matches(self, username: str, password: str) -> bool:
        """Compare name and password; takes as long for a wrong name as for a wrong password."""
        computed = await trio.to_thread.run_sync(self._hash, password, limiter=self._hashing)
        same_name = hmac.compare_digest(_bytes(username), _bytes(self._stored.username))
        same_password = hmac.compare_digest(computed, bytes.fromhex(self._stored.hash))
        return same_name & same_password

    def _hash(self, password: str) -> bytes:
        return _scrypt(password, self._stored)


def parse_basic(authorization: str) -> tuple[str | None, str | None]:
    """Split `Basic <base64(user:password)>` (RFC 7617); (None, None) for anything else."""
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None, None
    username, colon, password = decoded.partition(":")
    return (username, password) if colon else (None, None)


class Opened(msgspec.Struct, frozen=True):
    """Credentials, where they come from, and the password if it was made just now."""

    credentials: Credentials
    origin: str
    generated: str = ""


def open_credentials(directory: Path, *, username: str = "", password: str = "") -> Opened:
    """Take what the settings say; otherwise what the directory keeps; otherwise make a password, once."""
    path = directory / FILE
    if password:
        return Opened(Credentials(hashed(username or DEFAULT_USER, password)), "the settings")
    if path.exists():
        stored = msgspec.json.decode(path.read_bytes(), type=Stored)
        return Opened(Credentials(stored), str(path))
    generated = secrets.token_urlsafe(18)
    stored = hashed(username or DEFAULT_USER, generated)
    directory.mkdir(parents=True, exist_ok=True)
    _write_private(path, msgspec.json.encode(stored))
    return Opened(Credentials(stored), str(path), generated)


def hashed(username: str, password: str) -> Stored:
    """Hash a password under a fresh salt."""
    stored = Stored(username=username, salt=secrets.token_hex(16), hash="")
    return msgspec.structs.replace(stored, hash=_scrypt(password, stored).hex())


def _scrypt(password: str, stored: Stored) -> bytes:
    return hashlib.scrypt(
        _bytes(password),
        salt=bytes.fromhex(stored.salt),
        n=stored.n,
        r=stored.r,
        p=stored.p,
        maxmem=_SCRYPT_MEMORY_MAX,
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
