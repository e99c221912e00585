"""Checks where a request goes and what its headers say, before anything leaves."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit, urlunsplit

from hookledger.runtime.flow.fields import scalar_texts
from hookledger.runtime.tasks.base import TaskFailed

PORTS: Final = {"http": 80, "https": 443}
COMPUTED: Final = frozenset({"content-length", "transfer-encoding"})
_NEVER_IN_URI: Final = re.compile(r"[\x00-\x20\x7f\\<>\"^`{|}]")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NEVER_IN_HEADER: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

Headers = tuple[tuple[str, str], ...]


def checked_uri(uri: str) -> SplitResult:
    """Take a URI apart.

    Raises:
        TaskFailed: It is not one that a request can go to. The text never repeats the URI, which may hold keys.
    """
    if _NEVER_IN_URI.search(uri):
        raise _invalid("it holds a character no URI may hold; use the filter `urlencode` for values in it")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _invalid(str(error)) from None
    if parts.scheme.lower() not in PORTS:
        raise _invalid(f"its scheme is `{parts.scheme[:20]}`; only http and https are known")
    if not host or port == 0:
        raise _invalid("it names no host" if not host else "port 0 cannot be reached")
    if "@" in parts.netloc:
        raise _invalid("it holds a user or password; they belong into `options.auth`")
    return parts


def _invalid(reason: str) -> TaskFailed:
    return TaskFailed(f"property `uri`: {reason}", kind="InvalidUri")


def with_params(uri: str, params: Mapping[str, Any]) -> str:
    """Append query parameters; a list gives one of them for each item, null gives none."""
    parts = checked_uri(uri)
    pairs = [(name, text) for name, value in params.items() for text in _texts(value)]
    query = "&".join(part for part in (parts.query, urlencode(pairs)) if part)
    return urlunsplit(parts._replace(query=query, fragment=""))


def place(uri: str) -> str:
    """The part of a URI that may be shown: paths and queries hold keys."""
    parts = urlsplit(uri)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port}" if parts.port else f"{host}"


def origin(uri: str) -> tuple[str, str, int]:
    """Scheme, host and port: whom credentials are for."""
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme]


def joined(uri: str, location: str) -> str:
    """Where a redirect leads.

    Raises:
        TaskFailed: Nowhere a request can go.
    """
    try:
        target = urljoin(uri, location)
        checked_uri(target)
    except (ValueError, TaskFailed) as error:
        reason = str(error).removeprefix("property `uri`: ")
        raise TaskFailed(
            f"{place(uri)} redirects to an unusable URI: {reason}", kind="InvalidRedirect"
        ) from None
    return urlunsplit(urlsplit(target)._replace(fragment=""))


def checked_headers(pairs: Iterable[tuple[str, Any]]) -> Headers:
    """Names and values as they go out; a list gives one header for each item.

    Raises:
        TaskFailed: A name or value would break out of its line, or is ours to compute. Values are not repeated.
    """
    return tuple(_checked(name, text) for name, value in pairs for text in _texts(value))


def _checked(name: str, value: str) -> tuple[str, str]:
    if not _TOKEN.fullmatch(name):
        raise TaskFailed(f"property `headers`: {name[:100]!r} is no header name", kind="InvalidProperty")
    if name.lower() in COMPUTED:
        raise TaskFailed(
            f"property `headers`: `{name}` follows from the body; leave it out", kind="InvalidProperty"
        )
    if _NEVER_IN_HEADER.search(value):
        raise TaskFailed(
            f"property `headers`: the value of `{name}` holds a line break or another control character",
            kind="InvalidProperty",
        )
    return name, value.strip()


def _texts(value: Any) -> Iterator[str]:
    return (str(scalar_texts(item)) for item in items_of(value))


def items_of(value: Any) -> list[Any]:
    """A list as it is, anything else as the only item; null is no item."""
    items = cast("Iterable[Any]", value) if isinstance(value, list) else [value]
    return [item for item in items if item is not None]
