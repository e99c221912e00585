"""One exchange: a request, the redirects that follow from it, and the answer's outputs."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import trio

from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.http.options import HttpOptions
from hookledger.runtime.tasks.http.port import HttpAnswer, HttpPort, HttpRequest
from hookledger.runtime.tasks.http.reading import body_outputs, header, read_body
from hookledger.runtime.tasks.http.target import joined, origin, place

REDIRECTS_MAX: Final = 10
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
BECOMES_GET: Final = frozenset(
    {
        (301, "POST"),
        (302, "POST"),
        *((303, method) for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
    }
)
"""As browsers do it (Fetch standard, HTTP-redirect fetch)."""
FOR_ANYONE: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-type", "idempotency-key", "user-agent"}
)
"""Headers that go along to another origin; any other may be a credential of the first one."""


class Exchange:
    """Carries one request out; `outputs` holds what is known so far, also when it fails."""

    def __init__(self, port: HttpPort, options: HttpOptions) -> None:
        self._port = port
        self._options = options
        self._seconds_max = options.total_seconds()
        self.outputs: dict[str, Any] = {}

    async def run(self, request: HttpRequest) -> Mapping[str, Any]:
        """Send, follow, read, judge.

        Raises:
            TaskFailed: With the outputs known by then.
        """
        try:
            with trio.fail_after(self._seconds_max):
                await self._follow(request)
        except trio.TooSlowError:
            message = f"{place(request.uri)} was not done within {self._seconds_max:g} s (`options.timeout`)"
            raise TaskFailed(message, kind="Timeout", outputs=self.outputs) from None
        except TaskFailed as error:
            raise TaskFailed(str(error), kind=error.kind, outputs=self.outputs) from error.__cause__
        return self.outputs

    async def _follow(self, request: HttpRequest) -> None:
        following: HttpRequest | None = request
        for _ in range(REDIRECTS_MAX + 1):
            if following is None:
                return
            request, following = following, await self._send(following)
        raise TaskFailed(
            f"{place(request.uri)} redirects more than {REDIRECTS_MAX} times", kind="TooManyRedirects"
        )

    async def _send(self, request: HttpRequest) -> HttpRequest | None:
        """One request; what comes after it when the answer is a redirect."""
        answer = await self._port.send(request)
        try:
            self.outputs = {"uri": request.uri, "code": answer.status, "headers": _listed(answer)}
            location = header(answer, "location")
            if self._options.follow_redirects and answer.status in REDIRECTS and location:
                return redirected(request, answer.status, location)
            await self._read(request, answer)
            return None
        finally:
            await answer.aclose()

    async def _read(self, request: HttpRequest, answer: HttpAnswer) -> None:
        content = b"" if request.method == "HEAD" else await read_body(answer, self._bytes_max)
        self.outputs |= body_outputs(content, header(answer, "content-type"), self._options.default_charset)
        if not self._passes(answer.status):
            raise TaskFailed(
                f"{request.method} {place(request.uri)} answered {_phrase(answer.status)}", kind="HttpStatus"
            )

    @property
    def _bytes_max(self) -> int:
        return self._options.max_content_length

    def _passes(self, status: int) -> bool:
        if self._options.allow_failed:
            return True
        allowed = self._options.allowed_response_codes
        return status in allowed if allowed else 200 <= status < 400


def redirected(request: HttpRequest, status: int, location: str) -> HttpRequest:
    """The request a redirect asks for.

    A POST becomes a GET without body, except for 307 and 308; another origin gets no credentials.

    Raises:
        TaskFailed: It leads nowhere.
    """
    target = joined(request.uri, location)
    headers = request.headers
    if origin(target) != origin(request.uri):
        headers = tuple(pair for pair in headers if pair[0].lower() in FOR_ANYONE)
    if (status, request.method) not in BECOMES_GET:
        return msgspec.structs.replace(request, uri=target, headers=headers)
    headers = tuple(pair for pair in headers if not pair[0].lower().startswith("content-"))
    return msgspec.structs.replace(request, uri=target, method="GET", body=b"", headers=headers)


def _listed(answer: HttpAnswer) -> dict[str, list[str]]:
    """Header names as they were sent; expressions find them without regard to case."""
    listed: dict[str, list[str]] = {}
    spelling: dict[str, str] = {}
    for name, value in answer.headers:
        listed.setdefault(spelling.setdefault(name.lower(), name), []).append(value)
    return listed


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
