"""Makes what the verifiers check: for `hookledger webhook sign`, the console's cURL line, and tests.

Shares the recipes with the verifiers, so a preset cannot sign one thing and
check another. Pure: the time, the id and the secret are handed in.
"""

# The library is typed only in part, and re-exports its names without __all__:
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPSignatureKeyResolver,
    SigningKey,
    VerificationKey,
    algorithms,
)

from hookledger.runtime.triggers.webhook.signatures.candidates import ASYMMETRIC_VERSION, Offered, wire_bytes
from hookledger.runtime.triggers.webhook.signatures.digests import content_digest
from hookledger.runtime.triggers.webhook.signatures.keys import (
    SecretUnusable,
    load_ed25519_private,
    secret_bytes,
)
from hookledger.runtime.triggers.webhook.signatures.messages import Message, algorithms_for
from hookledger.runtime.triggers.webhook.signatures.model import Algorithm, Format, Reason
from hookledger.runtime.triggers.webhook.signatures.recipe import Family, Kind, Recipe
from hookledger.runtime.triggers.webhook.signatures.request import Incoming, read_signed, url_spellings
from hookledger.runtime.triggers.webhook.signatures.scheme import Scheme
from hookledger.runtime.triggers.webhook.signatures.twilio import FORM, form_payload, mac, with_digest
from hookledger.runtime.triggers.webhook.signatures.wire import ENCODE, WRITE_TIME, HeaderTable

HeaderLines = list[tuple[str, str]]


class SignedRequest(msgspec.Struct, frozen=True):
    """What to send: the URL (Twilio adds the body's digest to it) and the headers to add."""

    url: str
    headers: tuple[tuple[str, str], ...]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A request before it is signed."""

    body: bytes
    now: float  # seconds since 1970-01-01 UTC
    method: str = "POST"
    url: str = "https://localhost/"
    headers: tuple[tuple[str, str], ...] = ()  # those the payload or the sender's rules refer to
    delivery_id: str | None = None


def sign(scheme: Scheme, secret: str, draft: Draft) -> SignedRequest:
    """Sign a request the way the scheme's sender does.

    Args:
        scheme: From `parse_signature` or `preset`.
        secret: The text the verifier is given too; for Ed25519 schemes the signing
            key instead (seed as hex, base64 or `whsk_`; RFC9421 also PEM).
        draft: The request.

    Raises:
        SecretUnusable: The secret does not have the form this scheme signs with.
        ValueError: The draft lacks something that is signed, e.g. a header.
    """
    if not secret.strip():
        raise SecretUnusable("the secret is empty")
    signer = SIGNERS[scheme.recipe.kind]
    if scheme.recipe.preset == "GITLAB" and "wh" not in secret:
        return SignedRequest(draft.url, (("X-Gitlab-Token", secret),))
    signed = signer(scheme.recipe, secret, draft)
    return msgspec.structs.replace(signed, headers=(*signed.headers, *_own_id(scheme.recipe, draft, signed)))


def _own_id(recipe: Recipe, draft: Draft, signed: SignedRequest) -> HeaderLines:
    """The sender's unsigned delivery header, when the caller chose an id."""
    name = recipe.dedup.header
    taken = {header.lower() for header, _ in signed.headers}
    return [(name, draft.delivery_id)] if name and draft.delivery_id and name.lower() not in taken else []


def _sign_generic(recipe: Recipe, secret: str, draft: Draft) -> SignedRequest:
    family = recipe.families[0]
    surroundings = _surroundings(recipe, family, draft)
    time_text = _time_text(recipe, draft)
    head = Incoming(draft.method, draft.url, HeaderTable([*draft.headers, *surroundings]), draft.now)
    signed = read_signed(_lenient(recipe), family, head, Offered(timestamps=(time_text,)))
    if isinstance(signed, Reason):
        raise ValueError(f"cannot sign: {signed.value}; add what the payload refers to")
    before, after = signed.arounds[-1 if len(url_spellings(recipe, draft.url)) > 1 else 0]
    version, signature = _signature(recipe, secret, before + draft.body + after)
    text = LAYOUTS[recipe.format](version, signature, time_text if recipe.timed else "")
    return SignedRequest(draft.url, (*surroundings, (family.signature[0], text)))


def _lenient(recipe: Recipe) -> Recipe:
    return msgspec.structs.replace(recipe, tolerance_seconds=float("inf"))


def _surroundings(recipe: Recipe, family: Family, draft: Draft) -> HeaderLines:
    lines: HeaderLines = []
    if family.id is not None:
        lines.append((family.id, draft.delivery_id or derived_id(draft)))
    if family.timestamp is not None and recipe.timed:
        lines.append((family.timestamp, _time_text(recipe, draft)))
    return lines


def _time_text(recipe: Recipe, draft: Draft) -> str:
    return WRITE_TIME[recipe.written_unit or recipe.timestamp_unit](draft.now)


def derived_id(draft: Draft) -> str:
    """Return an id that depends on body and second only: signing has no randomness."""
    return "msg_" + hashlib.sha256(str(int(draft.now)).encode() + b"." + draft.body).hexdigest()[:24]


def _signature(recipe: Recipe, secret: str, payload: bytes) -> tuple[str, str]:
    """Return the version that the header names, and the encoded signature."""
    if recipe.algorithm is Algorithm.TOKEN:
        return recipe.prefix, secret
    if recipe.algorithm is Algorithm.ED25519 or "whsk_" in secret:
        made = load_ed25519_private(secret, recipe.secret_encoding).sign(payload)
        version = ASYMMETRIC_VERSION if recipe.format is Format.VERSIONED_LIST else recipe.prefix
        return version, ENCODE[recipe.encoding](made)
    made = mac(secret_bytes(secret, recipe.secret_encoding), payload, recipe.algorithm)
    return recipe.prefix, ENCODE[recipe.encoding](made)


def _pairs(version: str, signature: str, time_text: str) -> str:
    return f"t={time_text},{version}={signature}" if time_text else f"{version}={signature}"


LAYOUTS: dict[Format, Callable[[str, str, str], str]] = {
    Format.PLAIN: lambda version, signature, time_text: signature,
    Format.PREFIXED: lambda version, signature, time_text: version + signature,
    Format.VERSIONED_LIST: lambda version, signature, time_text: f"{version},{signature}",
    Format.PAIRS: _pairs,
}


def _sign_twilio(recipe: Recipe, secret: str, draft: Draft) -> SignedRequest:
    content_type = HeaderTable(draft.headers).first("content-type") or FORM
    is_form = content_type.partition(";")[0].strip().lower() == FORM
    url = draft.url if is_form or not draft.body else with_digest(draft.url, draft.body)
    fields = form_payload(draft.body) if is_form else b""
    if isinstance(fields, Reason):
        raise ValueError(f"cannot sign: {fields.value}; a form has at most 2000 fields")
    made = mac(secret_bytes(secret, recipe.secret_encoding), wire_bytes(url) + fields, recipe.algorithm)
    return SignedRequest(url, (("X-Twilio-Signature", base64.b64encode(made).decode()),))


class _SigningKey(HTTPSignatureKeyResolver):
    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def resolve_private_key(self, key_id: str) -> SigningKey:
        return self._key

    def resolve_public_key(self, key_id: str) -> VerificationKey | None:
        return None


class _Fields(dict[str, str]):
    """Header fields as the library wants them for signing."""


COVERED = ("@method", "@path", "@authority")


def _sign_messages(recipe: Recipe, secret: str, draft: Draft) -> SignedRequest:
    key, algorithm = _private(recipe, secret)
    message: Any = Message(draft.method.upper(), draft.url, [])
    message.headers = _Fields(draft.headers)
    covered = list(recipe.components or COVERED)
    if recipe.components is None and draft.body:
        covered.append("content-digest")
    if "content-digest" in covered:
        message.headers["Content-Digest"] = content_digest(draft.body)
    signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=_SigningKey(key))
    created = datetime.fromtimestamp(int(draft.now), tz=UTC)
    try:
        signer.sign(
            message, key_id="hookledger", created=created, label="sig1",
            covered_component_ids=covered, nonce=draft.delivery_id,
            use_existing_digest="content-digest" in covered,
        )  # fmt: skip
    except HTTPMessageSignaturesException as error:
        raise ValueError(f"cannot sign: {error}") from error
    given = {name.lower() for name, _ in draft.headers}
    return SignedRequest(
        draft.url, tuple((name, text) for name, text in message.headers.items() if name.lower() not in given)
    )


def _private(recipe: Recipe, secret: str) -> tuple[Any, Any]:
    if not secret.lstrip().startswith("-----BEGIN"):
        return secret_bytes(secret, recipe.secret_encoding), algorithms.HMAC_SHA256
    try:
        key = load_pem_private_key(secret.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise SecretUnusable("not an unencrypted PEM private key") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SecretUnusable("RFC 9421 knows Ed25519, RSA, P-256 and P-384 keys")
    return key, algorithms_for(key.public_key())[0]


SIGNERS: dict[Kind, Callable[[Recipe, str, Draft], SignedRequest]] = {
    Kind.GENERIC: _sign_generic,
    Kind.TWILIO: _sign_twilio,
    Kind.RFC9421: _sign_messages,
}
