"""Checks one delivery while its body streams in.

The head of the request is judged by `begin`, so that a hopeless delivery can
be refused before its body is read (`early`). The body then goes through
`update`, and `finish` gives the verdict. No clock and no I/O: the caller
hands in `now` and the secrets.
"""

from collections.abc import Sequence
from typing import Protocol

from hookledger.runtime.triggers.webhook.signatures.candidates import (
    ASYMMETRIC_VERSION,
    Offered,
    read_candidates,
)
from hookledger.runtime.triggers.webhook.signatures.engines import (
    Ed25519Engine,
    Engine,
    HmacEngine,
    TokenEngine,
    first_match,
)
from hookledger.runtime.triggers.webhook.signatures.keys import Key, Secrets, load_keys
from hookledger.runtime.triggers.webhook.signatures.model import Algorithm, Format, Reason, Verdict
from hookledger.runtime.triggers.webhook.signatures.recipe import Family, Recipe
from hookledger.runtime.triggers.webhook.signatures.request import Incoming, Signed, read_signed
from hookledger.runtime.triggers.webhook.signatures.wire import HeaderTable, is_id

BUFFER_BYTES_MAX = 16 * 2**20  # only schemes that cannot stream keep the body


class Verifier(Protocol):
    """One check in progress."""

    @property
    def early(self) -> Verdict | None:
        """A refusal that no body can change, known before the body is read."""
        ...

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body, exactly as received."""
        ...

    def finish(self) -> Verdict:
        """Give the verdict; more calls give the same one."""
        ...


class Refused:
    """A check that ended with the head of the request."""

    def __init__(self, verdict: Verdict) -> None:
        self.early: Verdict | None = verdict
        self._verdict = verdict

    def update(self, chunk: bytes) -> None:
        """Nothing more matters."""

    def finish(self) -> Verdict:
        """Give the refusal."""
        return self._verdict


Checks = Sequence[tuple[Engine, Sequence[bytes]]]


class GenericVerifier:
    """HMAC, Ed25519 and plain tokens over a payload template."""

    early: Verdict | None = None

    def __init__(
        self, recipe: Recipe, checks: Checks, signed: Signed, delivery_id: str | None, body: bytearray | None,
        buffer_bytes_max: int,
    ) -> None:  # fmt: skip
        self._recipe, self._checks, self._signed = recipe, checks, signed
        self._delivery_id = signed.delivery_id or delivery_id
        self._body, self._room = body, buffer_bytes_max
        self._asymmetric = {engine.index for engine, _ in checks if isinstance(engine, Ed25519Engine)}
        self._verdict: Verdict | None = None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body, exactly as received."""
        for engine, _ in self._checks:
            engine.update(chunk)
        if self._body is not None and self._room >= 0:
            self._room -= len(chunk)
            if self._room >= 0:
                self._body += chunk

    def finish(self) -> Verdict:
        """Give the verdict; more calls give the same one."""
        if self._verdict is None:
            self._verdict = self._judge()
        return self._verdict

    def _judge(self) -> Verdict:
        if self._room < 0:
            return self._say(Reason.BODY_TOO_LARGE, None)
        index = first_match(self._checks)
        return self._say(Reason.SIGNATURE_MISMATCH if index is None else None, index)

    def _say(self, reason: Reason | None, index: int | None) -> Verdict:
        asymmetric = index in self._asymmetric and self._recipe.format is Format.VERSIONED_LIST
        return Verdict(
            accepted=reason is None,
            preset=self._recipe.preset,
            scheme=ASYMMETRIC_VERSION if asymmetric else self._recipe.label,
            reason=reason,
            key_index=index,
            delivery_id=self._delivery_id,
            timestamp=self._signed.timestamp,
        )


def refuse(recipe: Recipe, reason: Reason, delivery_id: str | None = None) -> Refused:
    """Return a check that has already failed."""
    return Refused(
        Verdict(
            accepted=False, preset=recipe.preset, scheme=recipe.label, reason=reason, delivery_id=delivery_id
        )
    )


def unsigned_id(recipe: Recipe, table: HeaderTable) -> str | None:
    """Return the id that the preset's sender puts in a header outside the signature."""
    text = table.first(recipe.dedup.header) if recipe.dedup.header else None
    return text if text is not None and is_id(text) else None


def begin_generic(
    recipe: Recipe, head: Incoming, secrets: Secrets, *, buffer_bytes_max: int = BUFFER_BYTES_MAX
) -> Verifier:
    """Judge the head of a request and return the check to feed with its body."""
    delivery_id = unsigned_id(recipe, head.table)
    keys = load_keys(recipe, secrets)
    if isinstance(keys, Reason):
        return refuse(recipe, keys, delivery_id)
    family = _family(recipe, head.table)
    offered = read_candidates(recipe, family, head.table)
    if isinstance(offered, Reason):
        return refuse(recipe, offered, delivery_id)
    signed = read_signed(recipe, family, head, offered)
    if isinstance(signed, Reason):
        return refuse(recipe, signed, delivery_id)
    buffer = bytearray()
    checks = [_check(recipe, key, offered, signed, buffer) for key in keys]
    keeps = any(isinstance(engine, Ed25519Engine) and candidates for engine, candidates in checks)
    return GenericVerifier(recipe, checks, signed, delivery_id, buffer if keeps else None, buffer_bytes_max)


def _family(recipe: Recipe, table: HeaderTable) -> Family:
    used = (family for family in recipe.families if any(table.all(name) for name in family.signature))
    return next(used, recipe.families[0])


def _check(
    recipe: Recipe, key: Key, offered: Offered, signed: Signed, buffer: bytearray
) -> tuple[Engine, Sequence[bytes]]:
    if key.public is not None:
        versioned = recipe.format is Format.VERSIONED_LIST
        candidates = offered.asymmetric if versioned else offered.symmetric
        return Ed25519Engine(key.index, key.public, signed.arounds[0], buffer), candidates
    if key.algorithm is Algorithm.TOKEN:
        return TokenEngine(key), offered.symmetric
    return HmacEngine(key, signed.arounds), offered.symmetric
