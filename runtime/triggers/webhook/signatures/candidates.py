"""Reads the signature header: from its layout to the signatures it offers."""

from collections.abc import Callable, Sequence

import msgspec

from hookledger.runtime.triggers.webhook.signatures.model import Algorithm, Format, Reason
from hookledger.runtime.triggers.webhook.signatures.recipe import Family, Recipe
from hookledger.runtime.triggers.webhook.signatures.wire import DECODE, HEADER_CHARS_MAX, HeaderTable

ENTRIES_MAX = 16
ASYMMETRIC_VERSION = "v1a"


class Offered(msgspec.Struct, frozen=True):
    """What a signature header offers, still to be believed."""

    symmetric: tuple[bytes, ...] = ()
    asymmetric: tuple[bytes, ...] = ()
    timestamps: tuple[str, ...] = ()  # PAIRS carry the time inside the header


def read_candidates(recipe: Recipe, family: Family, table: HeaderTable) -> Offered | Reason:
    """Return the signatures in the family's headers, or why there are none to check."""
    texts: list[str] = []
    for name in family.signature:
        lines = table.all(name)
        if len(lines) > 1:
            return Reason.SIGNATURE_DUPLICATE
        texts += lines
    if not texts:
        return Reason.SIGNATURE_MISSING
    if any(len(text) > HEADER_CHARS_MAX for text in texts):
        return Reason.SIGNATURE_TOO_LONG
    return _checked([READERS[recipe.format](recipe, text.strip()) for text in texts])


def _checked(found: Sequence[Offered]) -> Offered | Reason:
    offered = Offered(
        symmetric=tuple(one for each in found for one in each.symmetric),
        asymmetric=tuple(one for each in found for one in each.asymmetric),
        timestamps=tuple(one for each in found for one in each.timestamps),
    )
    count = len(offered.symmetric) + len(offered.asymmetric)
    if count > ENTRIES_MAX:
        return Reason.SIGNATURE_TOO_LONG
    return offered if count else Reason.SIGNATURE_MALFORMED


def _decoded(recipe: Recipe, texts: Sequence[str]) -> tuple[bytes, ...]:
    if recipe.algorithm is Algorithm.TOKEN:
        return tuple(wire_bytes(text) for text in texts if text)
    found = (DECODE[recipe.encoding](text) for text in texts)
    return tuple(one for one in found if one is not None)


def _plain(recipe: Recipe, text: str) -> Offered:
    return Offered(symmetric=_decoded(recipe, [text]))


def _prefixed(recipe: Recipe, text: str) -> Offered:
    if not text.startswith(recipe.prefix):
        return Offered()
    return Offered(symmetric=_decoded(recipe, [text.removeprefix(recipe.prefix)]))


def _pairs(recipe: Recipe, text: str) -> Offered:
    pairs = [(name.strip(), value.strip()) for name, _, value in (p.partition("=") for p in text.split(","))]
    return Offered(
        symmetric=_decoded(recipe, [value for name, value in pairs if name == recipe.prefix]),
        timestamps=tuple(value for name, value in pairs if name == "t"),
    )


def _versioned(recipe: Recipe, text: str) -> Offered:
    entries = [(version, value) for version, _, value in (e.partition(",") for e in text.split(" "))]
    return Offered(
        symmetric=_decoded(recipe, [value for version, value in entries if version == recipe.prefix]),
        asymmetric=_decoded(recipe, [value for version, value in entries if version == ASYMMETRIC_VERSION]),
    )


READERS: dict[Format, Callable[[Recipe, str], Offered]] = {
    Format.PLAIN: _plain,
    Format.PREFIXED: _prefixed,
    Format.PAIRS: _pairs,
    Format.VERSIONED_LIST: _versioned,
}


def wire_bytes(text: str) -> bytes:
    """Return the bytes a header had on the wire; servers hand headers over as Latin-1 text."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
