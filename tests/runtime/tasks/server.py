"""A web server that does exactly what its script says, broken things included."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import trio

Script: TypeAlias = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One accepted connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._unread = b""

    async def request(self) -> bytes | None:
        """The next request with its body, None when the client has gone."""
        while b"\r\n\r\n" not in self._unread:
            if not await self._more():
                return None
        head, _, _ = self._unread.partition(b"\r\n\r\n")
        end = len(head) + 4 + _length(head)
        while len(self._unread) < end:
            if not await self._more():
                return None
        whole, self._unread = self._unread[:end], self._unread[end:]
        return whole

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def gone(self) -> None:
        """Wait until the client closes."""
        while await self._more():
            pass

    async def _more(self) -> bool:
        try:
            piece = await self._stream.receive_some()
        except trio.BrokenResourceError:
            return False
        self._unread += piece
        return bool(piece)


class Server:
    """Where it listens, and what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[bytes] = []
        self.connections = 0

    def uri(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@asynccontextmanager
async def serving(script: Script) -> AsyncGenerator[Server]:
    """Run the script for every connection until the block ends."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(listener.socket.getsockname()[1])

    async def handle(stream: trio.SocketStream) -> None:
        server.connections += 1
        async with stream:
            try:
                await script(Connection(stream))
            except trio.BrokenResourceError:
                return

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, [listener])
        yield server
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncGenerator[Server]:
    """A server that gives these answers in turn, over as few connections as the client likes."""
    left = list(answers)
    kept: list[bytes] = []

    async def script(connection: Connection) -> None:
        while (request := await connection.request()) is not None:
            kept.append(request)
            await connection.send(left.pop(0))

    async with serving(script) as server:
        server.requests = kept
        yield server


def answer(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """A plain answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def redirect(location: str, status: int = 302) -> bytes:
    """An answer that sends the client elsewhere."""
    return answer(b"elsewhere", f"Location: {location}", status=f"{status} Elsewhere")


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
