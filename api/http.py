"""Requests and answers as plain values: what the handlers work on, whatever server stands in front of them."""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

Headers = tuple[tuple[str, str], ...]

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
PROBLEM_BASE: Final = "urn:hookledger:problem:"


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request; the body is still on its way."""

    method: str
    raw_path: str
    """As sent, still percent-encoded, without the query."""
    raw_query: str = ""
    headers: Headers = ()
    """In the order and spelling of the sender."""
    body: AsyncIterable[bytes]
    peer: str = ""
    """Address of the other end of the connection."""
    scheme: str = "http"
    hung_up: Callable[[], Awaitable[None]] | None = None
    """Returns when the caller has gone; only after the body was read."""

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its spelling."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def header_all(self, name: str) -> list[str]:
        """Every value of a header in order."""
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower() == wanted]


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    stream: AsyncGenerator[bytes] | None = None
    """Further bytes as they come, after `body`."""

    def with_headers(self, more: Mapping[str, str]) -> "HttpResponse":
        """The same answer with further headers."""
        return msgspec.structs.replace(self, headers=(*self.headers, *more.items()))


class BodyTooSlow(Exception):
    """The sender stayed silent in the middle of the body."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"nothing of the body came for {seconds:g} s")


class ClientGone(Exception):
    """The caller hung up; nobody is left to answer."""


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with JSON; Structs become objects."""
    headers = {"Content-Type": JSON, **(headers or {})}
    return HttpResponse(status=status, headers=tuple(headers.items()), body=json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """JSON in UTF-8; text outside ASCII stays readable.

    Half of a surrogate pair has no UTF-8, so such a text is escaped throughout; NaN and the infinities, which JSON
    has not, become null.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _dumped(msgspec.to_builtins(value)).encode()


def _dumped(plain: Any) -> str:
    def dumped(value: Any) -> str:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))

    try:
        return dumped(plain)
    except ValueError:
        return dumped(json.loads(json.dumps(plain), parse_constant=lambda _: None))


def _phrase(status: int) -> str:
    """What a status says; an author may choose one that says nothing."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def problem(
    status: int,
    detail: str = "",
    *,
    slug: str = "",
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """Answer with a problem document (RFC 9457).

    Args:
        slug: What kind of problem, such as `flow-invalid`; the status phrase by default.
        more: Further members.
    """
    title = _phrase(status)
    value: dict[str, Any] = {
        "type": PROBLEM_BASE + (slug or title.lower().replace(" ", "-")),
        "title": title,
        "status": status,
    }
    if detail:
        value["detail"] = detail
    response = json_response({**value, **(more or {})}, status, headers)
    return msgspec.structs.replace(response, headers=(("Content-Type", PROBLEM), *response.headers[1:]))


def journal_stopped() -> HttpResponse:
    """What callers get between a failed commit and the server's end."""
    return problem(
        503, "the journal cannot be written", headers={"Retry-After": "30"}, slug="journal-stopped"
    )
