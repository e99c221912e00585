"""Small machines that take the body in chunks and say at the end which signature they would have made."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hookledger.runtime.triggers.webhook.signatures.keys import Key
from hookledger.runtime.triggers.webhook.signatures.model import Algorithm

Around = tuple[bytes, bytes]  # what is signed before and after the body

HASHES = {
    Algorithm.SHA1: "sha1",
    Algorithm.SHA256: "sha256",
    Algorithm.SHA384: "sha384",
    Algorithm.SHA512: "sha512",
}


class Engine(Protocol):
    """Checks one key."""

    index: int

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        ...

    def matches(self, candidates: Sequence[bytes]) -> bool:
        """Say whether one candidate is right; looks at all of them."""
        ...


class HmacEngine:
    """Hashes as the bytes arrive: one state for each key and each spelling of the payload."""

    def __init__(self, key: Key, arounds: Sequence[Around]) -> None:
        self.index = key.index
        name = HASHES[key.algorithm]
        self._states = [(hmac.new(key.secret, before, name), after) for before, after in arounds]

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        for state, _ in self._states:
            state.update(chunk)

    def matches(self, candidates: Sequence[bytes]) -> bool:
        """Say whether one candidate is right; looks at all of them."""
        return any_equal([self._digest(state, after) for state, after in self._states], candidates)

    @staticmethod
    def _digest(state: hmac.HMAC, after: bytes) -> bytes:
        final = state.copy()
        final.update(after)
        return final.digest()


class TokenEngine:
    """No signature at all: the header is the secret. Digests are compared, so lengths do not show."""

    def __init__(self, key: Key) -> None:
        self.index = key.index
        self._digest = hashlib.sha256(key.secret).digest()

    def update(self, chunk: bytes) -> None:
        """The body is not covered."""

    def matches(self, candidates: Sequence[bytes]) -> bool:
        """Say whether one candidate is right; looks at all of them."""
        return any_equal([self._digest], [hashlib.sha256(candidate).digest() for candidate in candidates])


class Ed25519Engine:
    """RFC 8032 needs the whole message twice, so the body is kept; `body` is shared between keys."""

    def __init__(self, index: int, key: Ed25519PublicKey, around: Around, body: bytearray) -> None:
        self.index = index
        self._key, self._around, self._body = key, around, body

    def update(self, chunk: bytes) -> None:
        """The verifier fills the shared buffer."""

    def matches(self, candidates: Sequence[bytes]) -> bool:
        """Say whether one candidate is right; looks at all of them."""
        message = self._around[0] + bytes(self._body) + self._around[1]
        return sum(self._is_signature(candidate, message) for candidate in candidates) > 0

    def _is_signature(self, candidate: bytes, message: bytes) -> bool:
        try:
            self._key.verify(candidate, message)
        except InvalidSignature:
            return False
        return True


def any_equal(expected: Sequence[bytes], candidates: Sequence[bytes]) -> bool:
    """Compare every pair in constant time, without stopping at the first match."""
    found = 0
    for one in expected:
        for other in candidates:
            found |= hmac.compare_digest(one, other)
    return found == 1


def first_match(engines: Sequence[tuple[Engine, Sequence[bytes]]]) -> int | None:
    """Return the lowest index of a matching key; every key is checked all the same."""
    matched = [engine.index for engine, candidates in engines if engine.matches(candidates)]
    return min(matched, default=None)
