"""How long somebody's credential holds: what it opened, such as a stream, ends with it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec
import trio

from hookledger.api.http import HttpResponse


class Access:
    """Holds until it is ended: by a logout, a revocation, or because its time is over.

    Args:
        holds: Whether its time is not over yet.
    """

    def __init__(self, holds: Callable[[], bool] = lambda: True) -> None:
        self._in_time = holds
        self._ended = False
        self._waiting: set[trio.CancelScope] = set()

    @property
    def holds(self) -> bool:
        """Whether it still opens anything."""
        return not self._ended and self._in_time()

    def end(self) -> None:
        """End it, and every stream it opened, at once."""
        self._ended = True
        for scope in self._waiting:
            scope.cancel()

    def bounded(self, response: HttpResponse) -> HttpResponse:
        """An answer whose stream, if it has one, ends with the access."""
        if response.stream is None:
            return response
        return msgspec.structs.replace(response, stream=self._while_it_holds(response.stream))

    async def _while_it_holds(self, stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        async with aclosing(stream) as chunks:
            while self.holds:
                chunk = None
                with trio.CancelScope() as scope:
                    self._waiting.add(scope)
                    try:
                        chunk = await anext(chunks, None)
                    finally:
                        self._waiting.discard(scope)
                if chunk is None or not self.holds:
                    return
                yield chunk
