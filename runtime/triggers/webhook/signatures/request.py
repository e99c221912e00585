"""Reads what a recipe signs besides the body: id, time, URL and named headers."""

import re
from urllib.parse import urlsplit

import msgspec

from hookledger.runtime.triggers.webhook.signatures.candidates import Offered, wire_bytes
from hookledger.runtime.triggers.webhook.signatures.engines import Around
from hookledger.runtime.triggers.webhook.signatures.model import Reason
from hookledger.runtime.triggers.webhook.signatures.recipe import Family, Recipe, UrlRule
from hookledger.runtime.triggers.webhook.signatures.template import around_body, headers_of, runs_over, uses
from hookledger.runtime.triggers.webhook.signatures.wire import READ_TIME, HeaderTable, freshness, is_id

# HubSpot, "Validating requests": these escapes are undone in the URI before it is signed.
HUBSPOT_ESCAPES = re.compile(r"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


class Signed(msgspec.Struct, frozen=True):
    """The signed surroundings of a body, checked as far as possible before it arrives."""

    arounds: tuple[Around, ...]
    delivery_id: str | None = None
    timestamp: int | None = None


class Incoming(msgspec.Struct, frozen=True):
    """The head of a request."""

    method: str
    url: str  # as the sender saw it: public scheme, host, path and query
    table: HeaderTable
    now: float


def read_signed(recipe: Recipe, family: Family, head: Incoming, offered: Offered) -> Signed | Reason:
    """Return what surrounds the body in the payload, or why the request must be refused."""
    values = {
        "method": wire_bytes(head.method.upper()),
        "path": wire_bytes(_path(head.url)),
    }
    identifier, timestamp = None, None
    if family.id is not None:
        identifier = _delivery_id(family.id, head.table)
        if isinstance(identifier, Reason):
            return identifier
        if runs_over(recipe.payload, "id", identifier):
            return Reason.ID_MALFORMED
        values["id"] = wire_bytes(identifier)
    if recipe.timed:
        text = _timestamp_text(family, head.table, offered)
        if isinstance(text, Reason):
            return text
        timestamp = READ_TIME[recipe.timestamp_unit](text)
        if timestamp is None:
            return Reason.TIMESTAMP_MALFORMED
        if stale := freshness(timestamp, head.now, recipe.tolerance_seconds):
            return stale
        values["timestamp"] = wire_bytes(text)
    if missing := _add_headers(recipe, head.table, values):
        return missing
    urls = url_spellings(recipe, head.url)
    arounds = tuple(around_body(recipe.payload, {**values, "url": wire_bytes(url)}) for url in urls)
    return Signed(arounds, identifier, timestamp)


def _delivery_id(name: str, table: HeaderTable) -> str | Reason:
    lines = table.all(name)
    if not lines:
        return Reason.ID_MISSING
    if len(lines) > 1:
        return Reason.ID_DUPLICATE
    return lines[0] if is_id(lines[0]) else Reason.ID_MALFORMED


def _timestamp_text(family: Family, table: HeaderTable, offered: Offered) -> str | Reason:
    texts = list(offered.timestamps) if family.timestamp is None else table.all(family.timestamp)
    if not texts:
        return Reason.TIMESTAMP_MISSING
    return Reason.TIMESTAMP_DUPLICATE if len(texts) > 1 else texts[0]


def _add_headers(recipe: Recipe, table: HeaderTable, values: dict[str, bytes]) -> Reason | None:
    for name in headers_of(recipe.payload):
        lines = table.all(name)
        if len(lines) != 1:
            return Reason.HEADER_DUPLICATE if lines else Reason.HEADER_MISSING
        values[f"header:{name}"] = wire_bytes(lines[0])
    return None


def url_spellings(recipe: Recipe, url: str) -> tuple[str, ...]:
    """Return the spellings of the URL that the sender may have signed."""
    if recipe.url_rule is not UrlRule.HUBSPOT or not uses(recipe.payload, "url"):
        return (url,)
    decoded = HUBSPOT_ESCAPES.sub(lambda found: chr(int(found[1], 16)), url)
    return tuple(dict.fromkeys((url, decoded)))


def _path(url: str) -> str:
    try:
        return urlsplit(url).path or "/"
    except ValueError:
        return "/"
