"""Encryption of short texts with AES-GCM."""

import base64
import binascii
from typing import Final

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.library.arguments import text_of
from hookledger.runtime.expressions.library.outside import draw_nonce
from hookledger.runtime.expressions.library.registry import FUNCTIONS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Value

NONCE_BYTES: Final = 12
KEY_BYTES: Final = frozenset({16, 24, 32})


def key_bytes(key: Value) -> bytes:
    """A key is the Base64 of 16, 24 or 32 bytes."""
    try:
        found = base64.b64decode(text_of(key, "the key"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise WrongValue("the key is not Base64") from error
    if len(found) not in KEY_BYTES:
        raise WrongValue("the key must be the Base64 of 16, 24 or 32 bytes")
    return found


@FUNCTIONS("encrypt", "key", "plaintext", ambient=True)
def encrypt(run: Run, key: Value, plaintext: Value) -> str:
    """Encrypt text; the result is the Base64 of nonce and ciphertext."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher, data = AESGCM(key_bytes(key)), text_of(plaintext, "`encrypt`").encode("utf-8", "replace")
    nonce = draw_nonce(run, NONCE_BYTES)
    return base64.b64encode(nonce + cipher.encrypt(nonce, data, None)).decode()


@FUNCTIONS("decrypt", "key", "encrypted")
def decrypt(_run: Run, key: Value, encrypted: Value) -> str:
    """Decrypt what `encrypt` made."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(key_bytes(key))
    try:
        data = base64.b64decode(text_of(encrypted, "`decrypt`"), validate=True)
        return cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None).decode()
    except (binascii.Error, InvalidTag, ValueError) as error:
        raise WrongValue("this cannot be decrypted with this key") from error
