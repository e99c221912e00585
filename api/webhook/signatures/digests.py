"""Content-Digest (RFC 9530): the header that lets a signature over headers cover the body."""

import base64
import hashlib
from typing import Any, cast

import http_sf

DIGEST_HEADER = "content-digest"
ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


class BodyDigests:
    """Hashes a body as it arrives, with every algorithm that its Content-Digest may name."""

    def __init__(self) -> None:
        self._hashes = {name: make() for name, make in ALGORITHMS.items()}
        self.size = 0

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self.size += len(chunk)
        for one in self._hashes.values():
            one.update(chunk)

    def agrees(self, header: str) -> bool:
        """Say whether every digest in `header` that we know is right, and at least one is known."""
        stated = parse_digests(header)
        known = [
            self._hashes[name].digest() == digest for name, digest in stated.items() if name in ALGORITHMS
        ]
        return bool(known) and all(known)


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
