"""SECRET inputs: journaled only encrypted, revealed only to expressions, masked everywhere else.

AES-256-GCM (NIST SP 800-38D) under the server's own key; the ids of execution and input are authenticated along,
so a value cannot be moved to another execution or another input.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from hookledger.runtime.flow.inputs import SecretInput
from hookledger.runtime.flow.model import Flow

MARK: Final = "secret:v1:"
NONCE_BYTES: Final = 12


class Cipher:
    """Encrypts and decrypts under one key."""

    def __init__(self, key: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._aead = AESGCM(hashlib.sha256(key.encode()).digest())

    def encrypt(self, value: str, context: str, nonce: bytes) -> str:
        """Return a text that says nothing about `value` but its length."""
        sealed = self._aead.encrypt(nonce, value.encode(), context.encode())
        return MARK + base64.b64encode(nonce + sealed).decode()

    def decrypt(self, text: str, context: str) -> str | None:
        """Return the value; None when the key is another one or the text is not ours."""
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(text.removeprefix(MARK), validate=True)
            return self._aead.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode()).decode()
        except (InvalidTag, ValueError):
            return None


def context_of(execution: str, name: str) -> str:
    """What a value belongs to; neither id has a line break."""
    return f"{execution}\n{name}"


def secret_ids(flow: Flow) -> tuple[str, ...]:
    """Ids of a flow's SECRET inputs."""
    return tuple(declared.id for declared in flow.inputs if isinstance(declared, SecretInput))


def changed(inputs: Mapping[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """A copy of nested inputs with one value replaced."""
    first, dot, rest = dotted.partition(".")
    return {**inputs, first: changed(inputs[first], rest, value) if dot else value}


def looked_up(inputs: Mapping[str, Any], dotted: str) -> Any:
    """The value of a dotted id; None when there is none."""
    here: Any = inputs
    for step in dotted.split("."):
        here = here.get(step) if isinstance(here, Mapping) else None
    return here
