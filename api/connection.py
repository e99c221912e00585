"""One HTTP exchange between Hypercorn and the application."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio
from quart_trio.asgi import TrioASGIHTTPConnection

from hookledger.api.http import BodyTooSlow

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable


class Connection(TrioASGIHTTPConnection):
    """An exchange whose answer is sent to its end.

    Handing over the last part of an answer makes Hypercorn report `http.disconnect`, on which quart-trio cancels
    the very task that is still inside that call: the socket of a `Connection: close` or HTTP/1.0 client would then
    never be closed, and the client would wait for ever. Hypercorn shields its writes anyway.
    """

    async def __call__(self, receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        async def send_to_the_end(message: Any) -> None:
            with trio.CancelScope(shield=True):
                await send(message)

        await super().__call__(receive, send_to_the_end)


class PatientBody:
    """A request's body, invited when it is wanted and waited for as long as something comes."""

    def __init__(
        self, body: AsyncIterable[bytes], idle_seconds_max: float, invite: Callable[[], Awaitable[None]]
    ) -> None:
        self._chunks = aiter(body)
        self._idle_seconds_max = idle_seconds_max
        self._invite: Callable[[], Awaitable[None]] | None = invite

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes.

        Raises:
            BodyTooSlow: None came in time.
        """
        if self._invite is not None:
            await self._invite()
            self._invite = None
        with trio.move_on_after(self._idle_seconds_max):
            return await anext(self._chunks)
        raise BodyTooSlow(self._idle_seconds_max)
