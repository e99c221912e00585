"""Requests and answers as plain values: what the handlers work on, whatever server stands in front of them."""

import json
from collections.abc import AsyncIterable, Mapping
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

    def with_headers(self, more: Mapping[str, str]) -> "HttpResponse":
        """The same answer with further headers."""
        return msgspec.structs.replace(self, headers=(*self.headers, *more.items()))


class BodyTooLarge(Exception):
    """The request's body passes the limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"the body is larger than {limit} bytes")


class BodyTooSlow(Exception):
    """The sender stayed silent in the middle of the body."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"nothing of the body came for {seconds:g} s")


async def read_body(request: HttpRequest, limit: int) -> bytes:
    """Read the whole body, giving up as soon as it is known to pass `limit` bytes.

    Raises:
        BodyTooLarge: It does.
    """
    declared = request.header("content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(limit)
    parts: list[bytes] = []
    size = 0
    async for chunk in request.body:
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        parts.append(chunk)
    return b"".join(parts)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with JSON; text outside ASCII stays readable."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return HttpResponse(status=status, headers=(("Content-Type", JSON), *(headers or {}).items()), body=body)


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
    title = HTTPStatus(status).phrase
    value: dict[str, Any] = {
        "type": PROBLEM_BASE + (slug or title.lower().replace(" ", "-")),
        "title": title,
        "status": status,
    }
    if detail:
        value["detail"] = detail
    response = json_response({**value, **(more or {})}, status, headers)
    return msgspec.structs.replace(response, headers=(("Content-Type", PROBLEM), *response.headers[1:]))
