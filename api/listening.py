"""Accepts connections: Hypercorn's HTTP on listeners of our own.

Hypercorn trusts both ends of a connection more than a port open to strangers can. Here `100 Continue` is said when
the application asks for the body and not before, a request head that never ends gets its 408, and a client that
stops reading is cut off instead of holding its task, and the server's end, for ever.
"""

import logging
from functools import partial
from typing import Any, Final

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ASGIFramework, ConnectionState
from hypercorn.utils import repr_socket_addr

from hookledger.api.http import problem

CONTINUE: Final = "hookledger.continue"
"""Under this name an application finds, in the scope's `state`, what to call before it reads a body."""
PIECE_BYTES: Final = 65_536
"""So much of an answer a client has to take within the idle timeout."""

_LENGTHS: Final = {b"content-length", b"transfer-encoding"}

logger = logging.getLogger("hookledger.http")


async def serve_http(
    app: ASGIFramework,
    config: Config,
    shutdown: trio.Event,
    *,
    task_status: "trio.TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer requests until `shutdown` is set; what is under way then has `graceful_timeout` seconds to end.

    Raises:
        OSError: The address cannot be bound.
    """
    wrapped, context = ASGIWrapper(app), WorkerContext(None)
    lifespan = Lifespan(wrapped, config, {})
    async with trio.open_nursery() as application:
        await application.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        await _accept(Connections(wrapped, config, context), shutdown, task_status)
        await lifespan.wait_for_shutdown()
        application.cancel_scope.cancel()


async def _accept(
    connections: "Connections", shutdown: trio.Event, task_status: "trio.TaskStatus[list[str]]"
) -> None:
    config = connections.config
    sockets = config.create_sockets().insecure_sockets
    for one in sockets:
        one.listen(config.backlog)
    listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(one)) for one in sockets]
    async with trio.open_nursery() as nursery:
        try:
            async with trio.open_nursery() as accepting:
                serve = partial(trio.serve_listeners, connections.take, listeners, handler_nursery=nursery)
                accepting.start_soon(serve)
                task_status.started(
                    [f"http://{repr_socket_addr(s.family, s.getsockname())}" for s in sockets]
                )
                await shutdown.wait()
                accepting.cancel_scope.cancel()
            await connections.end()
        finally:
            connections.cut()
            nursery.cancel_scope.cancel()


class Connections:
    """Those that are open."""

    def __init__(self, app: AppWrapper, config: Config, context: WorkerContext) -> None:
        self.config = config
        self._app = app
        self._context = context
        self._open: set[OpenConnection] = set()
        self._closed = trio.Event()

    async def take(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end."""
        connection = OpenConnection(self._app, self.config, self._context, {}, stream)
        self._open.add(connection)
        try:
            await connection
        except* Exception as errors:
            logger.error("a connection ended with an error", exc_info=errors)  # its own end, not the server's
        finally:
            self._open.discard(connection)
            self._closed.set()

    async def end(self) -> None:
        """Let every connection end by itself, for a moment: idle ones do at once."""
        await self._context.terminated.set()
        with trio.move_on_after(self.config.graceful_timeout):
            while self._open:
                self._closed = trio.Event()
                await self._closed.wait()

    def cut(self) -> None:
        """Wait for nobody any longer."""
        for connection in self._open:
            connection.cut()


class OpenConnection(TCPServer):
    """One connection, whose client has to read and to finish what it says."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._writing = trio.CancelScope()
        self._over = False

    def cut(self) -> None:
        """Write no more."""
        self._over = True
        self._writing.cancel()

    async def protocol_send(self, event: Event) -> None:
        """Hypercorn's, except that bytes nobody takes end the connection."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            if not await self._written(event.data):
                await trio.aclose_forcefully(self.stream)
                await self.protocol.handle(Closed())

    async def _written(self, data: bytes) -> bool:
        """Whether it was taken. Shielded: half an answer is none."""
        view = memoryview(data)
        for start in range(0, len(view), PIECE_BYTES):
            deadline = trio.current_time() + self.config.keep_alive_timeout
            self._writing = trio.CancelScope(shield=True, deadline=-1 if self._over else deadline)
            with self._writing:
                try:
                    await self.stream.send_all(view[start : start + PIECE_BYTES])
                except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                    return False  # gone, or somebody else is closing it at this moment
            if self._writing.cancelled_caught:
                return False
        return True

    async def _read_data(self) -> None:
        if isinstance(self.protocol.protocol, H11Protocol):
            self.protocol.protocol = Http1(self.protocol.protocol)
        await super()._read_data()

    async def _initiate_server_close(self) -> None:
        """The idle timeout, or the server's end."""
        if isinstance(self.protocol.protocol, Http1) and not self.context.terminated.is_set():
            await self.protocol.protocol.time_is_over()
        await super()._initiate_server_close()


class Http1(H11Protocol):
    """HTTP/1.1 whose application says when the body may come, and whose errors are problem documents."""

    def __init__(self, plain: H11Protocol) -> None:
        state = ConnectionState({**plain.connection_state, CONTINUE: self.invite})
        super().__init__(
            plain.app, plain.config, plain.context, plain.task_group, state, plain.ssl, plain.client, plain.server,
            plain.send,
        )  # fmt: skip
        self.connection = Parser(h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size)

    async def invite(self) -> None:
        """Say `100 Continue` to a client that waits for it."""
        if isinstance(self.connection, Parser) and self.connection.client_is_waiting_for_100_continue:
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))

    async def time_is_over(self) -> None:
        """408 for a request whose head has begun and not ended; nothing for a client that says nothing."""
        if self.connection.their_state is h11.IDLE and self.connection.trailing_data[0]:
            await self._send_error_response(408)

    async def _send_error_response(self, status_code: int) -> None:
        """Of what is no request, or none in time."""
        refusal = problem(status_code)
        headers = [(name.encode(), value.encode()) for name, value in refusal.headers]
        headers += [(b"Content-Length", b"%d" % len(refusal.body)), (b"Connection", b"close")]
        headers += self.config.response_headers("h11")
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=refusal.body))
        await self._send_h11_event(h11.EndOfMessage())


class Parser(h11.Connection):
    """A parser that takes no body of two lengths, and leaves `100 Continue` to the application."""

    def next_event(self) -> Any:
        """What comes next.

        Raises:
            h11.RemoteProtocolError: It is no HTTP, or a proxy in front may have seen another end of its body.
        """
        event: Any = super().next_event()
        if isinstance(event, h11.Request) and {name for name, _ in event.headers} >= _LENGTHS:
            raise h11.RemoteProtocolError("Content-Length and Transfer-Encoding exclude each other")
        return event

    @property
    def they_are_waiting_for_100_continue(self) -> bool:
        """What Hypercorn acts on; it would say `100 Continue` at once."""
        return False
