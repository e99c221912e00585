"""Turns the text of secrets into keys. One empty or unusable secret makes the whole trigger fail closed."""

import base64
import binascii
import re
from collections.abc import Callable

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from hookledger.runtime.triggers.webhook.signatures.model import Algorithm, Reason, SecretEncoding
from hookledger.runtime.triggers.webhook.signatures.recipe import Recipe
from hookledger.runtime.triggers.webhook.signatures.wire import decode_base64, decode_base64url, decode_hex

PASTED_VERSION = re.compile(r"v1a?,(?=wh)")  # `v1,whsec_...` copied with its version


class Key(msgspec.Struct, frozen=True):
    """One usable secret and its place in the author's list."""

    index: int
    algorithm: Algorithm
    secret: bytes = b""
    public: Ed25519PublicKey | None = None


class SecretUnusable(ValueError):
    """A secret's text does not have the form that the scheme needs."""


class Secrets(msgspec.Struct, frozen=True):
    """The rendered texts of `secret`, `secrets` and `publicKeys`; `keyIndex` counts through both.

    A public key is never tried as an HMAC secret: everybody knows it.
    """

    secrets: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()

    @property
    def missing(self) -> bool:
        """True when there is none, or one is blank: then nothing may be accepted."""
        texts = (*self.secrets, *self.public_keys)
        return not texts or not all(text.strip() for text in texts)


def load_keys(recipe: Recipe, secrets: Secrets) -> tuple[Key, ...] | Reason:
    """Return a key for each secret, in order, or why the trigger must fail closed."""
    if secrets.missing:
        return Reason.SECRET_MISSING
    first = len(secrets.secrets)
    try:
        symmetric = [_load(recipe, index, text) for index, text in enumerate(secrets.secrets)]
        public = [_load_public(recipe, first + i, text) for i, text in enumerate(secrets.public_keys)]
    except SecretUnusable:
        return Reason.SECRET_UNUSABLE
    return (*symmetric, *public)


def _load_public(recipe: Recipe, index: int, text: str) -> Key:
    return Key(index, Algorithm.ED25519, public=load_ed25519(text, recipe.secret_encoding))


def _load(recipe: Recipe, index: int, text: str) -> Key:
    if recipe.algorithm is Algorithm.ED25519:
        return Key(index, Algorithm.ED25519, public=load_ed25519(text, recipe.secret_encoding))
    if recipe.secret_encoding is SecretEncoding.WHSEC and "whpk_" in text:
        return Key(index, Algorithm.ED25519, public=load_ed25519(text, SecretEncoding.WHSEC))
    return Key(index, recipe.algorithm, secret=secret_bytes(text, recipe.secret_encoding))


def secret_bytes(text: str, encoding: SecretEncoding) -> bytes:
    """Return the key bytes behind a secret's text.

    Raises:
        SecretUnusable: The text is empty or not in this encoding.
    """
    decoded = DECODERS[encoding](text)
    if not decoded:
        raise SecretUnusable(f"the secret is empty or not {encoding.value}")
    return decoded


def _utf8(text: str) -> bytes | None:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _any_base64(text: str) -> bytes | None:
    return decode_base64(text.strip()) or decode_base64url(text.strip())


def _whsec(text: str) -> bytes | None:
    return _any_base64(normalised(text).removeprefix("whsec_"))


DECODERS: dict[SecretEncoding, Callable[[str], bytes | None]] = {
    SecretEncoding.UTF8: _utf8,
    SecretEncoding.BASE64: _any_base64,
    SecretEncoding.HEX: lambda text: decode_hex(text.strip()),
    SecretEncoding.WHSEC: _whsec,
}


def normalised(text: str) -> str:
    """Return a Standard Webhooks secret without blanks and without a pasted `v1,`."""
    return PASTED_VERSION.sub("", text.strip(), count=1)


def load_ed25519(text: str, encoding: SecretEncoding) -> Ed25519PublicKey:
    """Return the Ed25519 public key of raw bytes, PEM, DER or JWK text.

    Raises:
        SecretUnusable: The text is none of these.
    """
    if text.lstrip().startswith(("-----BEGIN", "{")):
        loaded = load_public(text)
        if isinstance(loaded, Ed25519PublicKey):
            return loaded
        raise SecretUnusable("the public key is not an Ed25519 key")
    raw = DECODERS[encoding](normalised(text).removeprefix("whpk_")) or b""
    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise SecretUnusable("an Ed25519 public key has 32 bytes") from error


def load_public(text: str) -> object:
    """Return the public key of PEM, base64 DER or JWK (RFC 7517) text.

    Raises:
        SecretUnusable: The text is none of these.
    """
    text = text.strip()
    try:
        if text.startswith("{"):
            return _public_half(jwt.PyJWK.from_json(text).key)
        if text.startswith("-----BEGIN"):
            return load_pem_public_key(text.encode())
        return load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error, jwt.PyJWTError) as error:
        raise SecretUnusable("not a PEM, DER or JWK public key") from error


def _public_half(key: object) -> object:
    """A JWK with its private part is still only good for checking."""
    make = getattr(key, "public_key", None)
    return make() if callable(make) else key


def load_ed25519_private(text: str, encoding: SecretEncoding) -> Ed25519PrivateKey:
    """Return the signing key of a 32-byte seed (or seed and public key, 64 bytes), `whsk_` allowed.

    Raises:
        SecretUnusable: The text is not such a key.
    """
    raw = DECODERS[encoding](normalised(text).removeprefix("whsk_")) or b""
    if len(raw) not in (32, 64):
        raise SecretUnusable("an Ed25519 signing key has 32 bytes (seed) or 64 (seed and public key)")
    return Ed25519PrivateKey.from_private_bytes(raw[:32])
