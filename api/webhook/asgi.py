"""The webhook's own door: it stands before the web framework, on ASGI itself.

A framework takes a request's body in as fast as it comes; here a chunk is asked for when there is room for it, so a
body of any size passes in bounded memory. A sender who asks first (`Expect: 100-continue`) is told to send when a step
wants the body. One who stays silent or drips is cut off, and one who hangs up stops being waited for.

An answer that comes before the whole body did, a webhook's or the framework's, leaves a connection that can be used
again: the rest is dropped. Where the rest is long, or nobody knows how long, the answer says `Connection: close`, and
what still comes is dropped for a moment, so that the answer reaches a sender who is still sending.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

import trio

from hookledger.api.html import sandboxed
from hookledger.api.http import BodyTooSlow, ClientGone, Headers, HttpRequest, HttpResponse, problem
from hookledger.api.identity.guard import Guard
from hookledger.api.identity.identity import How
from hookledger.api.listening import CONTINUE
from hookledger.api.permissions import Permission
from hookledger.api.webhook.handler import WebhookHandler
from hookledger.api.webhook.refusal import Refused
from hookledger.api.webhook.route import PREFIXES

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

DRAIN_SECONDS_MAX: Final = 2.0
DRAIN_BYTES_MAX: Final = 64 * 1024 * 1024
KEPT_BYTES_MAX: Final = 1024 * 1024
"""A body of this size is read to its end behind a refusal, so that the connection can be kept."""
BYTES_PER_SECOND_MIN: Final = 500
"""Of a body that is longer on its way than the idle timeout."""

NONE_IS_SAFE: Final[frozenset[str]] = frozenset()
"""A webhook starts its flow with any method it takes."""

logger = logging.getLogger("hookledger.api.webhook")


CLOSE: Final = (b"Connection", b"close")


class WebhookDoor:
    """Answers webhook URLs and hands every other request on."""

    def __init__(
        self,
        app: App,
        webhook: WebhookHandler,
        *,
        idle_seconds_max: float,
        guard: Guard | None = None,
    ) -> None:
        self._app = app
        self._webhook = webhook
        self._idle_seconds_max = idle_seconds_max
        self._guard = guard
        """Asked on webhook URLs too, when the operator wants that."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _no_websocket(scope, receive, send)
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        elif (raw_path := _path(scope)).startswith(PREFIXES):
            await self._answer(scope, raw_path, receive, send)
        else:
            early = EarlyAnswer(scope, receive, send, self._idle_seconds_max)
            await self._app(scope, early.receive, early.send)

    async def _answer(self, scope: Any, raw_path: str, receive: Receive, send: Send) -> None:
        body = Body(receive, self._idle_seconds_max, invitation(scope))
        request = plain_request(scope, raw_path, body)
        try:
            response = await self._guarded(request)
        except ClientGone:
            return
        except Exception as error:
            logger.error("unexpected error while answering a webhook", exc_info=error)
            response = problem(500, "an unexpected error; the server's log says more")
        response = sandboxed(response)
        try:
            if body.complete:
                await send_response(response, send, body)
            else:
                await self._send_early(response, request, body, receive, send)
        except* (trio.BusyResourceError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the parser in front is already answering bytes that are no HTTP, or the caller has gone

    async def _send_early(
        self, response: HttpResponse, request: HttpRequest, body: "Body", receive: Receive, send: Send
    ) -> None:
        """Answer while the sender is still sending.

        What it sends is taken and dropped, or a full queue would hold up the answer itself. A sender who waits himself
        is not waited for.
        """
        waits = body.silent or (not body.asked and request.header("expect") is not None)
        closes = waits or not is_short(request.headers)
        start = _start(response)
        seconds_max = 0.0 if waits else DRAIN_SECONDS_MAX if closes else self._idle_seconds_max
        async with trio.open_nursery() as nursery:
            drained = trio.Event()
            nursery.start_soon(_drain, body, receive, drained)
            await send(_closing(start) if closes else start)
            await send({"type": "http.response.body", "body": response.body, "more_body": True})
            with trio.move_on_after(seconds_max):
                await drained.wait()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            nursery.cancel_scope.cancel()

    async def _guarded(self, request: HttpRequest) -> HttpResponse:
        if self._guard is not None:
            try:
                identity = await self._guard.identify(request)
                if identity.how is How.BASIC:
                    self._guard.same_site(request, identity.by, safe=NONE_IS_SAFE)
                admitted = self._guard.allowed(self._guard.admitted(request, identity), Permission.OPERATE)
            except Refused as refused:
                return refused.answer()
            return admitted.access.bounded(await self._webhook.handle(request))
        return await self._webhook.handle(request)


class EarlyAnswer:
    """The framework's `receive` and `send` for one request, whose answer may come before the whole body did.

    The framework goes on receiving until the answer is over; then it is given no more bytes to keep.
    """

    def __init__(self, scope: Any, receive: Receive, send: Send, idle_seconds_max: float) -> None:
        self._headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        self._receive = receive
        self._send = send
        self._idle_seconds_max = idle_seconds_max
        self._over = trio.Event()
        """The whole body has come, too much of it, or nobody is left to send it."""
        self._answered = False
        self._closes = False
        self._dropped = 0

    async def receive(self) -> dict[str, Any]:
        """As ASGI has it."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._over.set()
        if self._answered and message.get("body"):
            self._dropped += len(message["body"])
            if self._dropped > DRAIN_BYTES_MAX:
                self._over.set()
            return {**message, "body": b""}
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """As ASGI has it."""
        if message["type"] == "http.response.start":
            message = self._begun(message)
        elif not message.get("more_body", False) and not self._over.is_set():
            await self._send({**message, "more_body": True})
            with trio.move_on_after(DRAIN_SECONDS_MAX if self._closes else self._idle_seconds_max):
                await self._over.wait()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def drain(self) -> None:
        """Receive to the end of the body, for nobody."""
        while not self._over.is_set():
            await self.receive()

    def _begun(self, message: dict[str, Any]) -> dict[str, Any]:
        self._answered = True
        if self._over.is_set() or is_short(self._headers):
            return message
        self._closes = True
        return _closing(message)


def _closing(start: dict[str, Any]) -> dict[str, Any]:
    """The head of an answer that says that the connection ends with it."""
    others = [(name, value) for name, value in start.get("headers", ()) if name.lower() != b"connection"]
    return {**start, "headers": [*others, CLOSE]}


def is_short(headers: Headers) -> bool:
    """A body that can be read to its end for the connection's sake, as its head says."""
    named = {name.lower(): value for name, value in headers}
    return "transfer-encoding" not in named and int(named.get("content-length", 0)) <= KEPT_BYTES_MAX


async def _no_websocket(scope: Any, receive: Receive, send: Send) -> None:
    """There are none here: 404 where the server can say so, else the handshake is refused (403)."""
    await receive()
    refusal = problem(404, "there are no WebSockets here; GET /api/openapi.json lists every path")
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    start = _closing(_start(refusal))
    await send({**start, "type": "websocket.http.response.start"})
    await send({"type": "websocket.http.response.body", "body": refusal.body, "more_body": False})


def invitation(scope: Any) -> Callable[[], Awaitable[None]]:
    """What says `100 Continue`; nothing where another server stands in front, which says it by itself."""
    found: Callable[[], Awaitable[None]] = scope.get("state", {}).get(CONTINUE, trio.lowlevel.checkpoint)
    return found


def _path(scope: Any) -> str:
    """The raw path alone, also when a proxy sent the whole URL (RFC 9112, section 3.2.2)."""
    target: str = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    if target.startswith("/") or "://" not in target:
        return target
    authority_and_path = target.partition("://")[2]
    return "/" + authority_and_path.partition("/")[2]


class Body:
    """A request's body, one chunk at a time.

    Its sender has the idle timeout as patience: waiting uses it up and bytes give it back, so neither silence nor
    dripping holds a connection for longer.
    """

    def __init__(
        self, receive: Receive, idle_seconds_max: float, invite: Callable[[], Awaitable[None]]
    ) -> None:
        self._receive = receive
        self._idle_seconds_max = idle_seconds_max
        self._patience = idle_seconds_max
        self._invite = invite
        self.asked = False
        self.complete = False
        self.silent = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes.

        Raises:
            BodyTooSlow: Too few came in time.
            ClientGone: The caller hung up.
        """
        if not self.asked:
            self.asked = True
            await self._invite()
        while not self.complete:
            message = await self._message()
            if message["type"] == "http.disconnect":
                raise ClientGone
            self.complete = not message.get("more_body", False)
            if chunk := message.get("body", b""):
                return bytes(chunk)
        raise StopAsyncIteration

    async def _message(self) -> dict[str, Any]:
        began = trio.current_time()
        with trio.move_on_after(self._patience):
            message = await self._receive()
            given = len(message.get("body", b"")) / BYTES_PER_SECOND_MIN - (trio.current_time() - began)
            self._patience = max(0.0, min(self._idle_seconds_max, self._patience + given))
            return message
        self.silent = True
        raise BodyTooSlow(self._idle_seconds_max)

    async def hung_up(self) -> None:
        """Return when the caller has gone; only after the body."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def plain_request(scope: Any, raw_path: str, body: Body) -> HttpRequest:
    """The request as plain values, in the sender's own spelling."""
    return HttpRequest(
        method=scope["method"],
        raw_path=raw_path,
        raw_query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body,
        peer=(scope.get("client") or ("",))[0],
        scheme=scope["scheme"],
        hung_up=body.hung_up,
    )


async def send_plain(response: HttpResponse, scope: Any, receive: Receive, send: Send) -> None:
    """Answer a request of any kind without looking at its body."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})
        return
    early = EarlyAnswer(scope, receive, send, DRAIN_SECONDS_MAX)
    body = b"" if scope["method"] == "HEAD" else response.body
    async with trio.open_nursery() as nursery:
        nursery.start_soon(early.drain)
        await early.send(_start(response))
        await early.send({"type": "http.response.body", "body": body, "more_body": False})
        nursery.cancel_scope.cancel()


async def send_response(response: HttpResponse, send: Send, body: Body) -> None:
    """Send an answer, at once or as its stream gives it."""
    await send(_start(response))
    if response.stream is None:
        await send({"type": "http.response.body", "body": response.body, "more_body": False})
        return
    if await _streamed(response.stream, send, body):
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _streamed(stream: AsyncGenerator[bytes], send: Send, body: Body) -> bool:
    """Send what the stream gives; False when the caller has gone.

    The last part is left to others: on it the server reports `http.disconnect`, and watching for that would end the
    closing of the connection half-way.
    """
    gone = False
    async with trio.open_nursery() as nursery, aclosing(stream) as chunks:

        async def watch() -> None:
            nonlocal gone
            await body.hung_up()
            gone = True
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        nursery.cancel_scope.cancel()
    return not gone


async def _drain(body: Body, receive: Receive, drained: trio.Event) -> None:
    taken = 0
    while True:
        message = await receive()
        taken += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            body.complete = True
            drained.set()
            return
        if taken > DRAIN_BYTES_MAX:
            drained.set()


def _start(response: HttpResponse) -> dict[str, Any]:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if response.stream is None and response.status not in (204, 304):
        headers.append((b"Content-Length", str(len(response.body)).encode()))
    return {"type": "http.response.start", "status": response.status, "headers": headers}
