"""Passwords as scrypt hashes (RFC 7914), in one line of text: `$scrypt$ln=17,r=8,p=1$SALT$HASH`.

`ln` is the binary logarithm of the cost; salt and hash are base64 without padding. The form is that of the password
hashing competition, so other tools can make it too.
"""

import base64
import binascii
import hashlib
import re
import secrets
from typing import Final

import msgspec

SCRYPT_N: Final = 2**17
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
UNSTORED_N: Final = 2**14
"""For what stands in the settings in clear: its hash is kept in memory only, so it protects nothing by its cost."""
_MEMORY_MAX: Final = 160 * 1024 * 1024
"""Of one check, bytes; there is one at a time."""
_LINE: Final = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
_SALT_BYTES: Final = 16
_DIGEST_BYTES_MIN: Final = 32


class PasswordHash(msgspec.Struct, frozen=True, kw_only=True):
    """A password nobody can read back."""

    salt: bytes
    digest: bytes
    n: int = SCRYPT_N
    r: int = SCRYPT_R
    p: int = SCRYPT_P

    def __str__(self) -> str:
        ln = self.n.bit_length() - 1
        return f"$scrypt$ln={ln},r={self.r},p={self.p}${_text(self.salt)}${_text(self.digest)}"


class HashInvalid(ValueError):
    """A text is no hash that can be used; says why."""


def hash_password(password: str, *, n: int = SCRYPT_N) -> PasswordHash:
    """Hash a password under a fresh salt. Takes about 0.4 s and 128 MiB at the default cost."""
    blank = PasswordHash(salt=secrets.token_bytes(_SALT_BYTES), digest=b"\0" * 64, n=n)
    return msgspec.structs.replace(blank, digest=derive(password, blank))


def derive(password: str, like: PasswordHash) -> bytes:
    """What a password hashes to under the salt and the cost of another hash."""
    return hashlib.scrypt(
        text_bytes(password),
        salt=like.salt,
        n=like.n,
        r=like.r,
        p=like.p,
        maxmem=_MEMORY_MAX,
        dklen=len(like.digest),
    )


def parse_hash(line: str) -> PasswordHash:
    """Read the text form.

    Raises:
        HashInvalid: It is none, or its cost is out of bounds.
    """
    found = _LINE.fullmatch(line.strip())
    if found is None:
        raise HashInvalid("is not of the form $scrypt$ln=17,r=8,p=1$SALT$HASH")
    ln, r, p = (int(part) for part in found.groups()[:3])
    if not 10 <= ln <= 20 or not r or not p or p > 8 or 128 * r * (2**ln + p) + 1024 > _MEMORY_MAX:
        raise HashInvalid("must have ln from 10, r and p from 1, p to 8, and need less than 160 MiB")
    try:
        salt, digest = (_bytes(part) for part in found.groups()[3:])
    except binascii.Error:
        raise HashInvalid("has a salt or a hash that is no base64") from None
    if len(digest) < _DIGEST_BYTES_MIN or len(salt) < _SALT_BYTES // 2:
        raise HashInvalid("is cut off")
    return PasswordHash(salt=salt, digest=digest, n=2**ln, r=r, p=p)


def text_bytes(text: str) -> bytes:
    """Text as bytes, whatever somebody typed."""
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
