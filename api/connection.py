"""One HTTP exchange between Hypercorn and the application."""

from typing import TYPE_CHECKING, Any

import trio
from quart_trio.asgi import TrioASGIHTTPConnection

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
