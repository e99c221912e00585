"""The webhook's own door: it stands before the web framework, on ASGI itself.

A framework takes a request's body in as fast as it comes; here a chunk is asked for when there is room for it, so a
body of any size passes in bounded memory. A sender who stays silent is cut off, one who hangs up stops being waited
for, and a refused body is drained for a moment so that the answer reaches a sender who is still sending.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import trio

from hookledger.api.http import BodyTooSlow, ClientGone, HttpRequest, HttpResponse, problem
from hookledger.api.identity.guard import Admitted, Guard
from hookledger.api.permissions import Permission
from hookledger.api.webhook.handler import WebhookHandler
from hookledger.api.webhook.refusal import Refused
from hookledger.api.webhook.route import PREFIXES

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

DRAIN_SECONDS_MAX: Final = 2.0
DRAIN_BYTES_MAX: Final = 64 * 1024 * 1024

logger = logging.getLogger("hookledger.api.webhook")


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
        raw_path = _path(scope) if scope["type"] == "http" else ""
        if raw_path.startswith(PREFIXES):
            await self._answer(scope, raw_path, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Any, raw_path: str, receive: Receive, send: Send) -> None:
        body = Body(receive, self._idle_seconds_max)
        request = plain_request(scope, raw_path, body)
        try:
            response = await self._guarded(request)
        except ClientGone:
            return
        except Exception as error:
            logger.error("unexpected error while answering a webhook", exc_info=error)
            response = problem(500, "an unexpected error; the server's log says more")
        try:
            if body.complete:
                await send_response(response, send, body)
            else:
                await _send_early(response, body, receive, send)
        except* (trio.BusyResourceError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the parser in front is already answering bytes that are no HTTP, or the caller has gone

    async def _guarded(self, request: HttpRequest) -> HttpResponse:
        if self._guard is not None:
            try:
                identity = await self._guard.identify(request)
                self._guard.allowed(Admitted(request=request, identity=identity), Permission.OPERATE)
            except Refused as refused:
                return refused.answer()
        return await self._webhook.handle(request)


def _path(scope: Any) -> str:
    """The raw path alone, also when a proxy sent the whole URL (RFC 9112, section 3.2.2)."""
    target: str = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    if target.startswith("/") or "://" not in target:
        return target
    authority_and_path = target.partition("://")[2]
    return "/" + authority_and_path.partition("/")[2]


class Body:
    """A request's body, one chunk at a time."""

    def __init__(self, receive: Receive, idle_seconds_max: float) -> None:
        self._receive = receive
        self._idle_seconds_max = idle_seconds_max
        self.complete = False
        self.silent = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes.

        Raises:
            BodyTooSlow: None came in time.
            ClientGone: The caller hung up.
        """
        while not self.complete:
            message: dict[str, Any] | None = None
            with trio.move_on_after(self._idle_seconds_max):
                message = await self._receive()
            if message is None:
                self.silent = True
                raise BodyTooSlow(self._idle_seconds_max)
            if message["type"] == "http.disconnect":
                raise ClientGone
            self.complete = not message.get("more_body", False)
            if chunk := message.get("body", b""):
                return bytes(chunk)
        raise StopAsyncIteration

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


async def send_response(response: HttpResponse, send: Send, body: Body) -> None:
    """Send an answer, at once or as its stream gives it."""
    await send(_start(response))
    if response.stream is None:
        await send({"type": "http.response.body", "body": response.body, "more_body": False})
        return
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            await body.hung_up()
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        async for chunk in response.stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        nursery.cancel_scope.cancel()


async def _send_early(response: HttpResponse, body: Body, receive: Receive, send: Send) -> None:
    """Answer while the sender is still sending.

    What it sends is taken and dropped, or a full queue would hold up the answer itself; after the answer it gets a
    moment to notice before the connection is closed.
    """
    async with trio.open_nursery() as nursery:
        drained = trio.Event()
        nursery.start_soon(_drain, body, receive, drained)
        await send(_start(response))
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        with trio.move_on_after(0 if body.silent else DRAIN_SECONDS_MAX):
            await drained.wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        nursery.cancel_scope.cancel()


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
