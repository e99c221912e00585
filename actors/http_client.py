"""Outgoing HTTP: connections are pooled for the whole engine, everything else belongs to one request.

The transport is used without httpx's client around it. A client keeps cookies, reads `.netrc` and proxy
variables; executions must not hand such things to each other or to the services they call.
"""

import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final, cast

import httpx
import trio

from hookledger.actors.connecting import Turns, pool
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.http.policy import TargetPolicy
from hookledger.runtime.tasks.http.port import HttpAnswer, HttpRequest
from hookledger.runtime.tasks.http.target import origin, place

KEPT: Final = 50
KEPT_SECONDS: Final = 30.0
"""Connections that wait to be used again, and how long."""


class HttpClient:
    """Implements `HttpPort`. Costs nothing before the first request."""

    def __init__(self, *, verify: ssl.SSLContext | None = None, policy: TargetPolicy | None = None) -> None:
        self._verify = verify
        self._policy = policy or TargetPolicy()
        self._turns = Turns()
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """Send it and wait for the answer's headers.

        Raises:
            TaskFailed: As `HttpPort` says.
        """
        where = place(request.uri)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._turns.turn(origin(request.uri)[1:]))
            with _translated(where, request):
                response = await self._opened().handle_async_request(_outgoing(request))
            return _Answer(response, where, request, stack.pop_all())

    async def aclose(self) -> None:
        """Close all connections, also when cancelled."""
        if self._transport is not None:
            with trio.CancelScope(shield=True):
                await self._transport.aclose()

    def _opened(self) -> httpx.AsyncHTTPTransport:
        if self._transport is None:
            verify = self._verify or httpx.create_ssl_context()  # certifi's, or SSL_CERT_FILE
            self._transport = _Transport(self._policy, verify)
        return self._transport


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's, over connections of our own: it has no other way to say who makes them."""

    def __init__(self, policy: TargetPolicy, verify: ssl.SSLContext) -> None:
        super().__init__(verify=verify, trust_env=False)
        self._pool = pool(policy, verify, kept=KEPT, kept_seconds=KEPT_SECONDS)


@asynccontextmanager
async def open_http_client(
    *, verify: ssl.SSLContext | None = None, policy: TargetPolicy | None = None
) -> AsyncGenerator[HttpClient]:
    """A client until the block ends."""
    client = HttpClient(verify=verify, policy=policy)
    try:
        yield client
    finally:
        await client.aclose()


class _Answer:
    """Implements `HttpAnswer`."""

    def __init__(
        self, response: httpx.Response, where: str, request: HttpRequest, turn: AsyncExitStack
    ) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self.status = response.status_code
        self.headers = tuple((name.decode("latin-1"), _text(value)) for name, value in response.headers.raw)
        self._stream = response.stream
        self._pieces: AsyncIterator[bytes] = aiter(response.stream)
        self._where = where
        self._request = request
        self._turn = turn
        """Ends with the answer."""

    async def receive(self) -> bytes:
        with _translated(self._where, self._request):
            async for piece in self._pieces:
                if piece:
                    return piece
            return b""

    async def aclose(self) -> None:
        """A body that was not read to its end is left as a cancellation would: that unwinds the generators
        inside httpx, which the garbage collector would otherwise complain about."""
        with trio.CancelScope() as leaving:
            leaving.cancel()
            try:
                while await self.receive():
                    pass
            except TaskFailed:
                pass  # it was being dropped anyway
        with trio.CancelScope(shield=True):
            async with self._turn:
                await self._stream.aclose()


def _outgoing(request: HttpRequest) -> httpx.Request:
    try:
        url = httpx.URL(request.uri)
    except httpx.InvalidURL as error:
        raise TaskFailed(f"property `uri`: {error}", kind="InvalidUri") from None
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    connect, silence = request.connect_seconds_max, request.read_seconds_max
    timeout = httpx.Timeout(connect=connect, pool=None, read=silence, write=silence)
    return httpx.Request(
        request.method,
        url,
        headers=headers,
        content=request.body or None,
        extensions={"timeout": timeout.as_dict()},
    )


@contextmanager
def _translated(where: str, request: HttpRequest) -> Generator[None]:
    """Words for an author instead of the errors of four layers."""
    try:
        yield
    except httpx.TransportError as error:
        raise _failure(error, where, request) from error
    except httpx.InvalidURL as error:
        raise TaskFailed(f"property `uri`: {error}", kind="InvalidUri") from None


_SLOW: Final[tuple[tuple[type[httpx.TransportError], str], ...]] = (
    (httpx.ConnectTimeout, "did not accept a connection within {connect:g} s (`options.connectTimeout`)"),
    (httpx.ReadTimeout, "was silent for {read:g} s (`options.readTimeout`)"),
    (httpx.WriteTimeout, "took nothing in for {read:g} s (`options.readTimeout`)"),
)
_CAUSES: Final[tuple[tuple[type[BaseException], str, str], ...]] = (
    (socket.gaierror, "NameNotFound", "is no known host name"),
    (ssl.SSLCertVerificationError, "TlsFailed", "has a certificate that cannot be trusted"),
    (ssl.SSLError, "TlsFailed", "does not speak TLS as it should"),
    (ConnectionRefusedError, "ConnectFailed", "refuses connections"),
    (httpx.ConnectError, "ConnectFailed", "cannot be reached"),
    (httpx.UnsupportedProtocol, "InvalidUri", "is asked for with an unknown scheme"),
    (httpx.TransportError, "BrokenAnswer", "broke the exchange off"),
)


def _failure(error: httpx.TransportError, where: str, request: HttpRequest) -> TaskFailed:
    for slow, text in _SLOW:
        if isinstance(error, slow):
            words = text.format(connect=request.connect_seconds_max, read=request.read_seconds_max)
            return TaskFailed(f"{where} {words}", kind="Timeout")
    chain = tuple(_chain(error))
    for cause, kind, words in _CAUSES:
        found = next((link for link in chain if isinstance(link, cause)), None)
        if found is not None:
            return TaskFailed(f"{where} {words}{_detail(found)}", kind=kind)
    raise AssertionError("unreachable: every TransportError is in the table") from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, from the outside in; trio groups the addresses it tried."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from cast("BaseExceptionGroup[BaseException]", error).exceptions
        error = error.__cause__ or error.__context__


def _detail(error: BaseException) -> str:
    """What the layer below says; none of these texts holds a URI or a header."""
    if isinstance(error, socket.gaierror | ConnectionError | httpx.ConnectError):
        return ""
    text = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    return f": {text}" if text else ""


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
