"""Cross-origin requests from browsers (Fetch standard, CORS protocol)."""

import re
from collections.abc import Sequence

from hookledger.runtime.triggers.webhook.admission.settings import (
    Problem,
    Settings,
    check,
    check_duration,
    duration_seconds,
)
from hookledger.runtime.triggers.webhook.admission.settings import read_settings as _read

ORIGIN = re.compile(r"(?:\*|null|[a-z][a-z0-9+.-]*://[^/\s]+)", re.IGNORECASE)
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
Lines = list[tuple[str, str]]


class Cors(Settings, frozen=True, kw_only=True):
    """The `cors:` block."""

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET", "POST", "PUT")
    headers: tuple[str, ...] = ("Content-Type",)
    max_age: str = "PT10M"
    credentials: bool = False


def parse_cors(raw: object, *, path: str = "cors") -> tuple[Cors | None, list[Problem]]:
    """Read a `cors:` block; with the value, or None and every problem."""
    cors, problems = _read(Cors, raw, path)
    if cors is None:
        return None, problems
    check(
        problems,
        f"{path}.origins",
        not cors.origins,
        "is required; write for example [https://app.example.com]",
    )
    for index, origin in enumerate(cors.origins):
        wrong = ORIGIN.fullmatch(origin) is None
        check(problems, f"{path}.origins[{index}]", wrong, "is not an origin; write scheme and host, no path")
    star = cors.credentials and "*" in cors.origins
    check(problems, f"{path}.credentials", star, "cannot be true with origin *; list the origins")
    for name in ("methods", "headers"):
        bad = [one for one in getattr(cors, name) if not TOKEN.fullmatch(one)]
        check(problems, f"{path}.{name}", bad, f"has entries that are no HTTP tokens: {bad}")
    check_duration(problems, f"{path}.maxAge", cors.max_age)
    return (None if problems else cors), problems


def actual(cors: Cors, origin: str | None) -> Lines:
    """Return the headers to add to an answer; none for an origin that is not allowed."""
    allowed = _allowed_origin(cors, origin)
    if allowed is None:
        return []
    credentials = [("Access-Control-Allow-Credentials", "true")] if cors.credentials else []
    vary = [] if allowed == "*" else [("Vary", "Origin")]
    return [("Access-Control-Allow-Origin", allowed), *credentials, *vary]


def is_preflight(method: str, headers: Sequence[tuple[str, str]]) -> bool:
    """Say whether this is a CORS preflight."""
    names = {name.lower() for name, _ in headers}
    return method == "OPTIONS" and {"origin", "access-control-request-method"} <= names


def preflight(cors: Cors, origin: str | None) -> Lines:
    """Return the headers of the 204 that answers a preflight; without permission only `Vary`."""
    granted = actual(cors, origin)
    if not granted:
        return [("Vary", "Origin")]
    return [
        *granted,
        ("Access-Control-Allow-Methods", ", ".join(cors.methods)),
        ("Access-Control-Allow-Headers", ", ".join(cors.headers)),
        ("Access-Control-Max-Age", str(int(duration_seconds(cors.max_age)))),
    ]


def _allowed_origin(cors: Cors, origin: str | None) -> str | None:
    if origin is None or ORIGIN.fullmatch(origin) is None or origin == "*":
        return None
    if origin.lower() in {one.lower() for one in cors.origins}:
        return origin
    return "*" if "*" in cors.origins and not cors.credentials else None
