"""Twilio signs the public URL and, for forms, every field; for other bodies the URL carries their SHA-256.

Source: Twilio's "Webhooks security" page. Forms must be complete before they
can be sorted, so they are kept up to a limit; other bodies are only hashed.
"""

import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import SplitResult, parse_qsl, unquote_to_bytes, urlencode, urlsplit, urlunsplit

from hookledger.runtime.triggers.webhook.signatures.candidates import read_candidates, wire_bytes
from hookledger.runtime.triggers.webhook.signatures.engines import HASHES, any_equal
from hookledger.runtime.triggers.webhook.signatures.keys import Key, Secrets, load_keys
from hookledger.runtime.triggers.webhook.signatures.model import Algorithm, Reason, Verdict
from hookledger.runtime.triggers.webhook.signatures.recipe import Recipe
from hookledger.runtime.triggers.webhook.signatures.request import Incoming
from hookledger.runtime.triggers.webhook.signatures.verifier import (
    BUFFER_BYTES_MAX,
    Verifier,
    refuse,
    unsigned_id,
)
from hookledger.runtime.triggers.webhook.signatures.wire import HeaderTable

SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"
BODY_DIGEST = "bodySHA256"
FORM = "application/x-www-form-urlencoded"
FIELDS_MAX = 2000
DEFAULT_PORTS = {"https": 443, "http": 80}
ALGORITHMS = {"HMAC_SHA1": Algorithm.SHA1, "HMAC_SHA256": Algorithm.SHA256}


def begin_twilio(
    recipe: Recipe, head: Incoming, secrets: Secrets, *, buffer_bytes_max: int = BUFFER_BYTES_MAX
) -> Verifier:
    """Judge the head of a request and return the check to feed with its body."""
    delivery_id = unsigned_id(recipe, head.table)
    keys = load_keys(recipe, secrets)
    if isinstance(keys, Reason):
        return refuse(recipe, keys, delivery_id)
    offered = read_candidates(recipe, recipe.families[0], head.table)
    if isinstance(offered, Reason):
        return refuse(recipe, offered, delivery_id)
    algorithm = signing_algorithm(head.table)
    if algorithm is None:
        return refuse(recipe, Reason.SIGNATURE_MALFORMED, delivery_id)
    return TwilioVerifier(recipe, head, keys, offered.symmetric, algorithm, buffer_bytes_max)


def signing_algorithm(table: HeaderTable) -> Algorithm | None:
    """Return the algorithm of the settings header; SHA-1 without one, None when unknown or repeated."""
    lines = table.all(SETTINGS_HEADER)
    if len(lines) > 1:
        return None
    pairs = (pair.partition("=") for pair in (lines[0] if lines else "").split(","))
    named = [value.strip() for name, _, value in pairs if name.strip() == "algorithm" and value.strip()]
    return ALGORITHMS.get(named[0].upper()) if named else Algorithm.SHA1


class TwilioVerifier:
    """Keeps a form, or hashes any other body, and compares at the end."""

    early: Verdict | None = None

    def __init__(
        self, recipe: Recipe, head: Incoming, keys: Sequence[Key], candidates: Sequence[bytes],
        algorithm: Algorithm, buffer_bytes_max: int,
    ) -> None:  # fmt: skip
        self._recipe, self._head, self._keys, self._candidates = recipe, head, keys, candidates
        self._algorithm = algorithm
        self._stated = stated_digests(head.url)
        self._hash, self._size = hashlib.sha256(), 0
        self._form, self._room = bytearray(), buffer_bytes_max
        self._verdict: Verdict | None = None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body, exactly as received."""
        self._size += len(chunk)
        if self._stated:
            self._hash.update(chunk)
        elif self._size <= self._room:
            self._form += chunk

    def finish(self) -> Verdict:
        """Give the verdict; more calls give the same one."""
        if self._verdict is None:
            self._verdict = self._judge()
        return self._verdict

    def _judge(self) -> Verdict:
        fields = b"" if self._stated else self._signed_fields()
        if isinstance(fields, Reason):
            return self._say(fields, None)
        if self._stated and not any_equal([self._hash.hexdigest().encode()], self._stated):
            return self._say(Reason.BODY_DIGEST_MISMATCH, None)
        index = self._matching(fields)
        return self._say(Reason.SIGNATURE_MISMATCH if index is None else None, index)

    def _signed_fields(self) -> bytes | Reason:
        if self._size > self._room:
            return Reason.BODY_TOO_LARGE
        if not self._form:
            return b""
        media = (self._head.table.first("content-type") or "").partition(";")[0].strip().lower()
        return form_payload(bytes(self._form)) if media == FORM else Reason.BODY_NOT_COVERED

    def _matching(self, fields: bytes) -> int | None:
        payloads = [wire_bytes(url) + fields for url in port_spellings(self._head.url)]
        matched = [
            key.index
            for key in self._keys
            if any_equal([mac(key.secret, one, self._algorithm) for one in payloads], self._candidates)
        ]
        return min(matched, default=None)

    def _say(self, reason: Reason | None, index: int | None) -> Verdict:
        return Verdict(
            accepted=reason is None,
            preset=self._recipe.preset,
            scheme=self._algorithm.value.lower(),
            reason=reason,
            key_index=index,
            delivery_id=unsigned_id(self._recipe, self._head.table),
        )


def mac(secret: bytes, payload: bytes, algorithm: Algorithm) -> bytes:
    """Return the HMAC of a whole payload."""
    return hmac.digest(secret, payload, HASHES[algorithm])


def stated_digests(url: str) -> list[bytes]:
    """Return the `bodySHA256` of the URL; two of them are as good as none that matches."""
    try:
        query = urlsplit(url).query
        pairs = parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=FIELDS_MAX)
    except ValueError:
        return []
    stated = [value.lower().encode("utf-8", "replace") for name, value in pairs if name == BODY_DIGEST]
    return stated if len(stated) < 2 else [b"ambiguous"]


def form_payload(body: bytes) -> bytes | Reason:
    """Return name and value of each field, sorted, equal pairs once, nothing in between."""
    pieces = [piece for piece in body.split(b"&") if piece]
    if len(pieces) > FIELDS_MAX:
        return Reason.BODY_MALFORMED
    fields = {(_decoded(name), _decoded(value)) for name, _, value in (p.partition(b"=") for p in pieces)}
    return b"".join(name + value for name, value in sorted(fields))


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def port_spellings(url: str) -> tuple[str, ...]:
    """Return the URL as given, without its port, and with it or the default one: senders do both."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return (url,)
    default = DEFAULT_PORTS.get(parts.scheme)
    if default is None:
        return (url,)
    return tuple(dict.fromkeys((url, _with_port(parts, None), _with_port(parts, port or default))))


def _with_port(parts: SplitResult, port: int | None) -> str:
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port is not None else parts.netloc
    return urlunsplit(parts._replace(netloc=host if port is None else f"{host}:{port}"))


def with_digest(url: str, body: bytes) -> str:
    """Return the URL with the body's SHA-256 in its query, as Twilio calls it."""
    parts = urlsplit(url)
    digest = urlencode({BODY_DIGEST: hashlib.sha256(body).hexdigest()})
    return urlunsplit(parts._replace(query=f"{parts.query}&{digest}" if parts.query else digest))
