"""The payload template: what a sender signs, as literal text around {body}, {timestamp} and the like."""

import re
from collections.abc import Mapping
from itertools import pairwise

import msgspec

FIELDS = ("body", "timestamp", "id", "method", "url", "path")
PIECE = re.compile(r"\{([^{}]*)\}|([^{}]+)|([{}])")


class Part(msgspec.Struct, frozen=True):
    """One piece of a payload: literal bytes, or the name of a field to put in."""

    name: str = ""  # empty: literal; `header:X-Name`: that header
    literal: bytes = b""


def parse_payload(text: str) -> tuple[Part, ...]:
    """Split a payload template such as `v0:{timestamp}:{body}` into parts.

    Raises:
        ValueError: An unknown field, a stray brace, or not exactly one {body};
            the message says what to write.
    """
    parts = tuple(_part(*found.groups()) for found in PIECE.finditer(text))
    if sum(part.name == "body" for part in parts) != 1:
        raise ValueError("must contain {body} exactly once, or anybody could change the body unseen")
    return parts


def _part(name: str | None, literal: str | None, stray: str | None) -> Part:
    if stray:
        raise ValueError(
            f"has a stray {stray!r}; fields are written {{body}}, {{timestamp}}, {{header:X-Name}}"
        )
    if literal:
        return Part(literal=literal.encode())
    name = (name or "").strip()
    if name not in FIELDS and not (name.startswith("header:") and len(name) > len("header:")):
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise ValueError(f"uses the unknown field {{{name}}}; known are {known} and {{header:X-Name}}")
    return Part(name=name.lower() if name.startswith("header:") else name)


def uses(parts: tuple[Part, ...], name: str) -> bool:
    """Say whether the template contains the field `name`."""
    return any(part.name == name for part in parts)


def runs_over(parts: tuple[Part, ...], name: str, value: str) -> bool:
    """Say whether a value contains the text that ends it in the template: it could be read as another one."""
    ends = (after.literal for part, after in pairwise(parts) if part.name == name and after.literal)
    return any(end in value.encode("utf-8", "surrogatepass") for end in ends)


def headers_of(parts: tuple[Part, ...]) -> tuple[str, ...]:
    """Return the header names the template signs, lower case."""
    return tuple(part.name.removeprefix("header:") for part in parts if part.name.startswith("header:"))


def around_body(parts: tuple[Part, ...], values: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    """Return the bytes before and after the body, so that the body itself can stream between them."""
    split = [part.name for part in parts].index("body")
    before, after = parts[:split], parts[split + 1 :]
    return _fill(before, values), _fill(after, values)


def _fill(parts: tuple[Part, ...], values: Mapping[str, bytes]) -> bytes:
    return b"".join(values[part.name] if part.name else part.literal for part in parts)
