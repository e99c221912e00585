"""`accept`: which media types a trigger takes (RFC 9110 section 8.3)."""

import re
from collections.abc import Sequence

from hookledger.runtime.triggers.webhook.admission.settings import Problem

TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
PATTERN = re.compile(r"(\*|[A-Za-z0-9!#$&^_.+-]+)/((?:\*\+)?[A-Za-z0-9!#$&^_.+-]+|\*)")


def check_accept(accept: Sequence[str], *, path: str = "accept") -> list[Problem]:
    """Return a problem for each entry that is no media type or range."""
    advice = "is not a media type; write for example application/json, text/* or application/*+json"
    return [
        Problem(f"{path}[{index}]", advice)
        for index, one in enumerate(accept)
        if PATTERN.fullmatch(one) is None or (one.startswith("*/") and one != "*/*")
    ]


def media_type(content_type: str | None) -> str | None:
    """Return the bare lower-case type of a Content-Type header, or None when it is absent or malformed."""
    bare = (content_type or "").partition(";")[0].strip().lower()
    return bare if TYPE.fullmatch(bare) else None


def is_accepted(content_type: str | None, accept: Sequence[str]) -> bool:
    """Say whether the type is on the list; without a list everything is, without a type nothing is."""
    if not accept:
        return True
    bare = media_type(content_type)
    return bare is not None and any(_matches(bare, one.lower()) for one in accept)


def _matches(bare: str, pattern: str) -> bool:
    if pattern in ("*/*", bare):
        return True
    kind, _, sub = bare.partition("/")
    wanted_kind, _, wanted_sub = pattern.partition("/")
    if kind != wanted_kind:
        return False
    return wanted_sub == "*" or (wanted_sub.startswith("*+") and sub.endswith(wanted_sub[1:]))
