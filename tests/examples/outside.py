"""What the example flows call: a scripted web server on loopback, or a port where the clock has to jump."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import trio

from hookledger.runtime.tasks.http.port import HttpRequest
from tests.runtime.tasks.server import Connection, answer, serving


class Call(msgspec.Struct, frozen=True):
    """A request as the service got it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body's data."""
        return msgspec.json.decode(self.body)


class Reply(msgspec.Struct, frozen=True):
    """What a service answers; one that is silent never does."""

    value: Any = None
    status: int = 200
    silent: bool = False


Answering = Callable[[Call], Reply]


def fine(call: Call) -> Reply:
    """A service that is content with everything."""
    return Reply({"status": "done", "value": 42, "available": True})


class Outside:
    """All outside services: one address, a path for each."""

    def __init__(self, answering: Answering, port: int = 0) -> None:
        self.calls: list[Call] = []
        self.port = port
        self._answering = answering

    def uri(self, name: str) -> str:
        """Where a service is."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def of(self, name: str) -> list[Call]:
        """What one service was asked."""
        return [call for call in self.calls if call.path == f"/{name}"]

    def hear(self, call: Call) -> Reply:
        """Take a request in."""
        self.calls.append(call)
        return self._answering(call)


@asynccontextmanager
async def services(answering: Answering = fine) -> AsyncGenerator[Outside]:
    """Serve on loopback until the block ends."""
    outside = Outside(answering)

    async def script(connection: Connection) -> None:
        while (request := await connection.request()) is not None:
            reply = outside.hear(_call(request))
            if reply.silent:
                await connection.gone()
                return
            body = msgspec.json.encode(reply.value)
            await connection.send(
                answer(body, "Content-Type: application/json", status=f"{reply.status} Status")
            )

    async with serving(script) as server:
        outside.port = server.port
        yield outside


class FakeHttp:
    """Implements `HttpPort` without sockets, for tests in which the clock jumps."""

    def __init__(self, answering: Answering = fine) -> None:
        self.outside = Outside(answering, port=1)

    async def send(self, request: HttpRequest) -> "FakeAnswer":
        parts = urlsplit(request.uri)
        headers = {name.lower(): value for name, value in request.headers}
        call = Call(request.method, parts.path, parse_qs(parts.query), headers, request.body)
        reply = self.outside.hear(call)
        if reply.silent:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        return FakeAnswer(reply)


class FakeAnswer:
    """Implements `HttpAnswer`."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.headers = (("Content-Type", "application/json"),)
        self._left = [msgspec.json.encode(reply.value)]

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        return self._left.pop() if self._left else b""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def _call(request: bytes) -> Call:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    parts = urlsplit(target)
    return Call(method, parts.path, parse_qs(parts.query), headers, body)
