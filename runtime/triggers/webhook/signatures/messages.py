"""HTTP Message Signatures (RFC 9421): the signature covers headers, and one header covers the body.

The signature base and the algorithms are `http-message-signatures`'s; the
clock, the key choice and the rule for bodies are ours. The library asks its
own clock only in one overridable method, which is switched off here: a
verdict depends on the `now` it was given.
"""

# The library is typed only in part, and re-exports its names without __all__:
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false

from collections.abc import Iterator, Sequence
from typing import Any, cast

import http_sf
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    HTTPSignatureKeyResolver,
    VerificationKey,
    VerifyResult,
    algorithms,
)

from hookledger.runtime.triggers.webhook.signatures.digests import DIGEST_HEADER, BodyDigests
from hookledger.runtime.triggers.webhook.signatures.keys import (
    Secrets,
    SecretUnusable,
    load_public,
    secret_bytes,
)
from hookledger.runtime.triggers.webhook.signatures.model import Reason, Verdict
from hookledger.runtime.triggers.webhook.signatures.recipe import Recipe
from hookledger.runtime.triggers.webhook.signatures.request import Incoming
from hookledger.runtime.triggers.webhook.signatures.verifier import Refused, Verifier, refuse
from hookledger.runtime.triggers.webhook.signatures.wire import (
    HEADER_CHARS_MAX,
    HeaderTable,
    freshness,
    is_id,
)

LABELS_MAX = 4
COVERED_DIGEST = f'"{DIGEST_HEADER}"'
HeaderLines = list[tuple[str, str]]
Found = tuple[int, VerifyResult]


class Message:
    """A request in the shape that the library reads."""

    def __init__(self, method: str, url: str, headers: HeaderLines) -> None:
        self.method, self.url, self.headers = method, url, _Lines(headers)


class _Lines(HeaderLines):
    """Header lines with the one method that the library calls."""

    def items(self) -> HeaderLines:
        return self


class _Verifier(HTTPMessageVerifier):
    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        """Times are judged afterwards, against the caller's clock."""


class _OneKey(HTTPSignatureKeyResolver):
    def __init__(self, key: VerificationKey) -> None:
        self._key = key

    def resolve_public_key(self, key_id: str) -> VerificationKey:
        """Every key is tried whatever `keyid` says: the author listed them, the sender names them."""
        return self._key


class _Key(msgspec.Struct, frozen=True):
    index: int
    material: Any  # bytes or a public key object
    algorithms: tuple[type[HTTPSignatureAlgorithm], ...]


def begin_messages(
    recipe: Recipe, head: Incoming, secrets: Secrets, *, buffer_bytes_max: int = 0
) -> Verifier:
    """Check the signature over the head of a request; the body is only hashed."""
    keys = _load(recipe, secrets)
    if isinstance(keys, Reason):
        return refuse(recipe, keys)
    singles = _one_by_one(head)
    if isinstance(singles, Reason):
        return refuse(recipe, singles)
    found = [hit for key in keys for message in singles for hit in _try(key, message)]
    if not found:
        return refuse(recipe, Reason.SIGNATURE_MISMATCH)
    judged = [(reason, hit) for hit in found for reason in [_judge_head(recipe, head, hit[1])]]
    good = [hit for reason, hit in judged if reason is None]
    if not good:
        return Refused(_verdict(recipe, judged[0][1], judged[0][0]))
    return MessagesVerifier(recipe, min(good, key=lambda hit: hit[0]), head.table)


class MessagesVerifier:
    """Waits for the body to compare it with the signed Content-Digest."""

    early: Verdict | None = None

    def __init__(self, recipe: Recipe, found: Found, table: HeaderTable) -> None:
        self._recipe, self._found = recipe, found
        self._covered = COVERED_DIGEST in found[1].covered_components
        self._digests = BodyDigests((table.first(DIGEST_HEADER) or "") if self._covered else "")

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body, exactly as received."""
        self._digests.update(chunk)

    def finish(self) -> Verdict:
        """Give the verdict; more calls give the same one."""
        return _verdict(self._recipe, self._found, self._judge_body())

    def _judge_body(self) -> Reason | None:
        if self._covered:
            return None if self._digests.agree() else Reason.BODY_DIGEST_MISMATCH
        if self._digests.size and self._recipe.components is None:
            return Reason.BODY_NOT_COVERED
        return None


def _load(recipe: Recipe, secrets: Secrets) -> list[_Key] | Reason:
    if secrets.missing:
        return Reason.SECRET_MISSING
    first = len(secrets.secrets)
    try:
        return [
            *(_secret_key(recipe, index, text) for index, text in enumerate(secrets.secrets)),
            *(_public_key(first + index, text) for index, text in enumerate(secrets.public_keys)),
        ]
    except SecretUnusable:
        return Reason.SECRET_UNUSABLE


def _secret_key(recipe: Recipe, index: int, text: str) -> _Key:
    try:
        return _public_key(index, text)
    except SecretUnusable:
        if text.lstrip().startswith(("-----BEGIN", "{")):
            raise
    secret = secret_bytes(text, recipe.secret_encoding)
    return _Key(index, secret, (algorithms.HMAC_SHA256,))


def _public_key(index: int, text: str) -> _Key:
    key = load_public(text)
    return _Key(index, key, algorithms_for(key))


def algorithms_for(key: object) -> tuple[type[HTTPSignatureAlgorithm], ...]:
    """Return what a public key may be used for; the key decides, never the sender's `alg`.

    Raises:
        SecretUnusable: RFC 9421 has no algorithm for this key.
    """
    match key:
        case ed25519.Ed25519PublicKey():
            return (algorithms.ED25519,)
        case rsa.RSAPublicKey():
            return (algorithms.RSA_PSS_SHA512, algorithms.RSA_V1_5_SHA256)
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
            return (algorithms.ECDSA_P256_SHA256,)
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP384R1):
            return (algorithms.ECDSA_P384_SHA384,)
        case _:
            raise SecretUnusable("RFC 9421 knows Ed25519, RSA, P-256 and P-384 keys")


def _one_by_one(head: Incoming) -> list[Message] | Reason:
    """Return the request once for each label, so that each signature stands alone."""
    fields = [_members(head.table, name) for name in ("signature-input", "signature")]
    for field in fields:
        if isinstance(field, Reason):
            return field
    inputs, signatures = cast(list[dict[str, Any]], fields)
    labels = [label for label in inputs if label in signatures]
    if not labels or len(inputs) > LABELS_MAX:
        return Reason.SIGNATURE_TOO_LONG if labels else Reason.SIGNATURE_MALFORMED
    others = [line for line in head.table.lines() if line[0].lower() not in ("signature-input", "signature")]
    return [_single(head, others, label, inputs, signatures) for label in labels]


def _single(
    head: Incoming, others: HeaderLines, label: str, inputs: dict[str, Any], signatures: dict[str, Any]
) -> Message:
    own = [
        ("Signature-Input", http_sf.ser({label: inputs[label]})),
        ("Signature", http_sf.ser({label: signatures[label]})),
    ]
    return Message(head.method, head.url, [*others, *own])


def _members(table: HeaderTable, name: str) -> dict[str, Any] | Reason:
    text = ", ".join(table.all(name))
    if not text:
        return Reason.SIGNATURE_MISSING
    if len(text) > HEADER_CHARS_MAX:
        return Reason.SIGNATURE_TOO_LONG
    try:
        members = http_sf.parse(text.encode("latin-1"), tltype="dictionary", on_duplicate_key=_no_duplicates)
    except (ValueError, TypeError):
        return Reason.SIGNATURE_MALFORMED
    return cast(dict[str, Any], members)


def _no_duplicates(key: str, context: str) -> None:
    raise ValueError(f"{key} twice in one {context}")


def _try(key: _Key, message: Message) -> Iterator[Found]:
    for algorithm in key.algorithms:
        verifier = _Verifier(signature_algorithm=algorithm, key_resolver=_OneKey(key.material))
        try:
            results: Sequence[VerifyResult] = verifier.verify(message, max_age=None)
        except Exception:  # a foreign parser over hostile input: whatever it raises, it did not verify
            continue
        yield from ((key.index, result) for result in results)


def _judge_head(recipe: Recipe, head: Incoming, result: VerifyResult) -> Reason | None:
    created, expires = result.parameters.get("created"), result.parameters.get("expires")
    if not isinstance(created, int):
        return Reason.TIMESTAMP_MISSING
    if stale := freshness(created, head.now, recipe.tolerance_seconds):
        return stale
    if isinstance(expires, int) and expires < head.now:
        return Reason.TIMESTAMP_TOO_OLD
    wanted = (name if name.startswith('"') else f'"{name.lower()}"' for name in recipe.components or ())
    covered = all(name in result.covered_components for name in wanted)
    return None if covered else Reason.COMPONENT_NOT_COVERED


def _verdict(recipe: Recipe, found: Found, reason: Reason | None) -> Verdict:
    index, result = found
    nonce, created = result.parameters.get("nonce"), result.parameters.get("created")
    return Verdict(
        accepted=reason is None,
        preset=recipe.preset,
        scheme=result.algorithm.algorithm_id,
        reason=reason,
        key_index=index if reason is None else None,
        delivery_id=nonce if isinstance(nonce, str) and is_id(nonce) else None,
        timestamp=created if isinstance(created, int) else None,
    )
