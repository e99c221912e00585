"""The HTTP client, loaded when a flow sends its first request: a host that sends none never imports it."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from hookledger.runtime.tasks.http.port import HttpAnswer, HttpPort, HttpRequest

if TYPE_CHECKING:
    from hookledger.runtime.tasks.http.policy import TargetPolicy


class LazyHttp:
    """Implements `HttpPort`."""

    def __init__(self, stack: AsyncExitStack, policy: "TargetPolicy | None") -> None:
        self._stack = stack
        self._policy = policy
        self._client: HttpPort | None = None

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """As `HttpPort.send`."""
        if self._client is None:
            from hookledger.actors.http_client import HttpClient

            client = HttpClient(policy=self._policy)
            self._stack.push_async_callback(client.aclose)
            self._client = client
        return await self._client.send(request)


@asynccontextmanager
async def open_http(policy: "TargetPolicy | None" = None) -> AsyncGenerator[LazyHttp]:
    """A client until the block ends."""
    async with AsyncExitStack() as stack:
        yield LazyHttp(stack, policy)
