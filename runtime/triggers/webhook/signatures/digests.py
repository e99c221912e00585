"""Content-Digest (RFC 9530): the header that lets a signature over headers cover the body."""

import base64
import hashlib
from typing import Any, cast

import http_sf

DIGEST_HEADER = "content-digest"
ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


class BodyDigests:
    """Hashes a body as it arrives, with the algorithms that its Content-Digest names and we know."""

    def __init__(self, header: str) -> None:
        self._stated = parse_digests(header)
        self._hashes = {name: make() for name, make in ALGORITHMS.items() if name in self._stated}
        self.size = 0

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self.size += len(chunk)
        for one in self._hashes.values():
            one.update(chunk)

    def agree(self) -> bool:
        """Say whether every digest that we know is right, and at least one is known."""
        right = [one.digest() == self._stated[name] for name, one in self._hashes.items()]
        return bool(right) and all(right)


def parse_digests(header: str) -> dict[str, bytes]:
    """Return the digests of a Content-Digest header by algorithm; none when it is malformed."""
    try:
        members = cast(dict[str, Any], http_sf.parse(header.encode("latin-1"), tltype="dictionary"))
    except (ValueError, TypeError):
        return {}
    return {name: value for name, (value, _) in members.items() if isinstance(value, bytes)}


def content_digest(body: bytes) -> str:
    """Return the header value for a body, SHA-256."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
