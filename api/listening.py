"""Accepts connections: Hypercorn's HTTP/1.1 on listeners of our own.

Hypercorn trusts both ends of a connection more than a port open to strangers can. Here no connection changes its
protocol, a head that two parsers may read differently is refused, `100 Continue` is said when the application asks for
the body and not before, a request head that never ends gets its 408, and a client that stops reading is cut off instead
of holding its task, and the server's end, for ever. There are never more connections than descriptors allow.
"""

import errno
import logging
import resource
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ASGIFramework, ConnectionState
from hypercorn.utils import repr_socket_addr

from hookledger.api.framing import Parser
from hookledger.api.http import problem

CONTINUE: Final = "hookledger.continue"
"""Under this name an application finds, in the scope's `state`, what to call before it reads a body."""
PIECE_BYTES: Final = 65_536
"""So much of an answer a client has to take within the idle timeout."""

BACKLOG: Final = 1024
"""Connections that wait in the system's queue."""
CONNECTIONS_MAX: Final = 10_000
RESERVE_MIN: Final = 64
RESERVE_MAX: Final = 512
"""Descriptors that are kept back: the journal's, those of stored files, and of what tasks open."""
LINGER_SECONDS_MAX: Final = 2.0
LINGER_BYTES_MAX: Final = 16 * 1024 * 1024
"""What a refused client may still send; it is dropped, so that the client comes to read why."""
FULL_SECONDS: Final = 0.1
"""Until the system is asked again, when it had no descriptor for a connection."""

STALLED_SECONDS: Final = 2.0
STALLED_BYTES: Final = 1024
"""A request whose body brings less than so many bytes in that time leaves when all places are taken."""
LOOK_SECONDS: Final = 0.5
"""Until connections are looked at again for one that may leave."""

_OUT_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

logger = logging.getLogger("hookledger.http")


async def serve_http(
    app: ASGIFramework,
    config: Config,
    listening: Sequence[socket.socket],
    shutdown: trio.Event,
    *,
    connections_max: int,
    task_status: "trio.TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer requests until `shutdown` is set; what is under way then has `graceful_timeout` seconds to end.

    Args:
        listening: As `listen` returns them; closed at the end.
        connections_max: So many are open at once; see `Connections.room`.
    """
    wrapped, context = ASGIWrapper(app), WorkerContext(None)
    lifespan = Lifespan(wrapped, config, {})
    async with trio.open_nursery() as application:
        await application.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        connections = Connections(wrapped, config, context, connections_max)
        await _accept(connections, listening, shutdown, task_status)
        await lifespan.wait_for_shutdown()
        application.cancel_scope.cancel()


def listen(host: str, port: int) -> socket.socket:
    """Take an address.

    Raises:
        OSError: It cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def addresses(listening: Iterable[socket.socket]) -> list[str]:
    """Where they listen, as URLs."""
    return [f"http://{repr_socket_addr(one.family, one.getsockname())}" for one in listening]


def connections_allowed(wanted: int = 0) -> int:
    """How many connections may be open, so that descriptors are left for the journal, files and tasks.

    Args:
        wanted: The most somebody asks for; 0 for as many as there is room for, up to `CONNECTIONS_MAX`.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = CONNECTIONS_MAX * 2 if limit == resource.RLIM_INFINITY else limit
    reserve = min(RESERVE_MAX, max(RESERVE_MIN, limit // 4))
    return max(1, min(wanted or CONNECTIONS_MAX, limit - reserve))


def raise_descriptor_limit() -> None:
    """Ask the system for as many descriptors as the most connections need, as far as it lets us."""
    wanted = CONNECTIONS_MAX + RESERVE_MAX
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _accept(
    connections: "Connections",
    listening: Sequence[socket.socket],
    shutdown: trio.Event,
    task_status: "trio.TaskStatus[list[str]]",
) -> None:
    listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(one)) for one in listening]
    async with trio.open_nursery() as nursery:
        try:
            async with trio.open_nursery() as accepting:
                for listener in listeners:
                    accepting.start_soon(connections.accept, listener, nursery)
                task_status.started(addresses(listening))
                await shutdown.wait()
                accepting.cancel_scope.cancel()
            _close(listeners)
            await connections.end()
        finally:
            _close(listeners)
            connections.cut()
            nursery.cancel_scope.cancel()


def _close(listeners: Iterable[trio.SocketListener]) -> None:
    for listener in listeners:
        listener.socket.close()


class Connections:
    """Those that are open, and never too many of them."""

    def __init__(self, app: AppWrapper, config: Config, context: WorkerContext, most: int) -> None:
        self.config = config
        self._app = app
        self._context = context
        self._most = most
        self._open: dict[OpenConnection, str] = {}
        """With the address of the other end, oldest first."""
        self._changed = trio.Event()
        self._told = 0
        """1 once it was told that idle connections have to go, 2 that new ones have to wait, 3 that stalled ones go."""

    async def accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        """Take connections, for ever.

        When all places are taken a connection without a request leaves for the new one, or else one whose body does not
        come: of the address that has most of them the one that is open longest. Where all have requests that go on, the
        next one waits in the system's queue.
        """
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                await self._lost(error)
                continue
            try:
                await self._room(nursery)
            except BaseException:
                stream.socket.close()
                raise
            nursery.start_soon(self.take, stream)

    async def _room(self, nursery: trio.Nursery) -> None:
        while len(self._open) >= self._most:
            if (idle := self._one(lambda connection: connection.idle)) is not None:
                self._tell(1, f"{self._many}: idle ones are closed for new ones")
                idle.leave()
            elif (stalled := self._one(lambda connection: connection.stalled)) is not None:
                self._tell(3, f"{self._many}: those whose bodies do not come are closed for new ones")
                nursery.start_soon(stalled.give_up)
            else:
                self._tell(2, f"{self._many}, and all have requests: new ones wait")
            with trio.move_on_after(LOOK_SECONDS):
                await self._changed.wait()

    async def _lost(self, error: OSError) -> None:
        """The other end has gone already, or the system has no descriptor left: then wait until one is closed."""
        if error.errno not in _OUT_OF_FILES:
            return
        self._tell(2, f"new connections wait: {error.strerror}")
        with trio.move_on_after(FULL_SECONDS):
            await self._changed.wait()

    @property
    def _many(self) -> str:
        return f"{self._most} connections are open, which is the most there may be (server.connectionsMax)"

    async def take(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end."""
        connection = OpenConnection(self._app, self.config, self._context, {}, stream)
        connection.when_idle = self._news
        self._open[connection] = _peer(stream)
        try:
            with connection.whole:
                await connection
        except* Exception as errors:
            logger.error("a connection ended with an error", exc_info=errors)  # its own end, not the server's
        finally:
            del self._open[connection]
            await trio.aclose_forcefully(stream)
            self._news()
            if self._told and len(self._open) <= self._most // 2:
                self._told = 0
                logger.warning("%d connections are open again: there is room", len(self._open))

    async def end(self) -> None:
        """Let every connection end by itself, for a moment: idle ones do at once."""
        await self._context.terminated.set()
        with trio.move_on_after(self.config.graceful_timeout):
            while self._open:
                await self._changed.wait()

    def cut(self) -> None:
        """Wait for nobody any longer."""
        for connection in self._open:
            connection.cut()

    def _news(self) -> None:
        """One has ended, or has no request any more."""
        self._changed.set()
        self._changed = trio.Event()

    def _one(self, may_leave: "Callable[[OpenConnection], bool]") -> "OpenConnection | None":
        leaving = [connection for connection in self._open if may_leave(connection)]
        if not leaving:
            return None
        counts = Counter(self._open.values())
        return max(leaving, key=lambda connection: counts[self._open[connection]])

    def _tell(self, about: int, text: str) -> None:
        """Once, until there is room again."""
        if self._told < about:
            self._told = about
            logger.warning("%s", text)


def _peer(stream: trio.SocketStream) -> str:
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:  # gone already
        return ""


class OpenConnection(TCPServer):
    """One connection, whose client has to read and to finish what it says."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._writing = trio.CancelScope()
        self._over = False
        self._gone = False
        """The client has closed its end."""
        self.whole = trio.CancelScope()
        """Around everything it does."""
        self._given_up = False
        self.when_idle: Callable[[], None] = lambda: None

    @property
    def idle(self) -> bool:
        """No request is under way: it is silent, or a head has not come to its end."""
        front = getattr(getattr(self, "protocol", None), "protocol", None)
        return isinstance(front, H11Protocol) and front.stream is None and not self.whole.cancel_called

    def leave(self) -> None:
        """End an idle connection; what was said so far is no request."""
        self.whole.cancel()

    @property
    def stalled(self) -> bool:
        """A request is under way, and its body does not come."""
        front = getattr(getattr(self, "protocol", None), "protocol", None)
        return isinstance(front, Http1) and front.stalled and not self._given_up

    async def give_up(self) -> None:
        """Refuse a request whose body does not come."""
        self._given_up = True
        front = self.protocol.protocol
        if isinstance(front, Http1) and front.connection.our_state is h11.SEND_RESPONSE:
            await front.refuse(408)
        self.whole.cancel()

    def cut(self) -> None:
        """Write no more."""
        self._over = True
        self._writing.cancel()

    async def protocol_send(self, event: Event) -> None:
        """Hypercorn's, except that bytes nobody takes end the connection."""
        if not isinstance(event, RawData):
            if self._gone and isinstance(event, Updated):
                return
            front = self.protocol.protocol
            if isinstance(event, Closed) and isinstance(front, Http1) and front.refused:
                await self._linger()
            await super().protocol_send(event)
            self.when_idle()
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

    async def _linger(self) -> None:
        """Drop what a refused client still sends: closing on unread bytes would take the refusal from it."""
        dropped = 0
        with trio.move_on_after(LINGER_SECONDS_MAX):
            try:
                await self.stream.send_eof()
                while dropped < LINGER_BYTES_MAX and (data := await self.stream.receive_some(PIECE_BYTES)):
                    dropped += len(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                return  # gone, or its own task is reading it

    async def _read_data(self) -> None:
        if isinstance(self.protocol.protocol, H11Protocol):
            self.protocol.protocol = Http1(self.protocol.protocol)
        await super()._read_data()
        self._gone = True
        await self.idle_task.stop()  # the connection would last for as long as somebody may be silent

    async def _initiate_server_close(self) -> None:
        """The idle timeout, or the server's end."""
        if isinstance(self.protocol.protocol, Http1) and not self.context.terminated.is_set():
            await self.protocol.protocol.time_is_over()
        await super()._initiate_server_close()


class Http1(H11Protocol):
    """HTTP/1.1 that stays HTTP/1.1.

    Its application says when the body may come, and its errors are problem documents.
    """

    def __init__(self, plain: H11Protocol) -> None:
        state = ConnectionState({**plain.connection_state, CONTINUE: self.invite})
        super().__init__(
            plain.app, plain.config, plain.context, plain.task_group, state, plain.ssl, plain.client, plain.server,
            plain.send,
        )  # fmt: skip
        self.connection = Parser(self.config.h11_max_incomplete_size)
        self.refused = False
        """What came was no request."""
        self._handling = False
        self._since = trio.current_time()
        """When the body brought as many bytes as it has to, or began."""
        self._bytes = 0
        """What came since then."""

    @property
    def stalled(self) -> bool:
        """Its client owes a body, was asked for it, and sends next to nothing."""
        parser = self.connection
        return (
            isinstance(parser, Parser)
            and self.stream is not None
            and parser.their_state is h11.SEND_BODY
            and not parser.client_is_waiting_for_100_continue
            and not self._handling
            and trio.current_time() - self._since >= STALLED_SECONDS
        )

    async def handle(self, event: Event) -> None:
        """Hypercorn's; while the application has yet to take what came, its client is not to blame."""
        if not isinstance(event, RawData):
            await super().handle(event)
            return
        self._bytes += len(event.data)
        self._handling = True
        try:
            await super().handle(event)
        finally:
            self._handling = False
            if self._bytes >= STALLED_BYTES:
                self._body_goes_on()

    def _body_goes_on(self) -> None:
        self._since = trio.current_time()
        self._bytes = 0

    async def invite(self) -> None:
        """Say `100 Continue` to a client that waits for it."""
        if isinstance(self.connection, Parser) and self.connection.client_is_waiting_for_100_continue:
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))
            self._body_goes_on()

    async def time_is_over(self) -> None:
        """408 for a request whose head has begun and not ended; nothing for a client that says nothing."""
        if isinstance(self.connection, Parser) and self.connection.head_begun:
            await self._send_error_response(408)

    async def stream_send(self, event: StreamEvent) -> None:
        """Hypercorn's; an answer given while the server ends says that the connection ends too."""
        if isinstance(event, Response) and event.status_code >= 200 and self.context.terminated.is_set():
            others = [(name, value) for name, value in event.headers if name.lower() != b"connection"]
            headers = [*others, (b"connection", b"close")]
            event = Response(stream_id=event.stream_id, headers=headers, status_code=event.status_code)
        await super().stream_send(event)

    async def _check_protocol(self, event: h11.Request) -> None:
        """Hypercorn's would go over to HTTP/2, whose connections nothing here guards."""

    async def _create_stream(self, request: h11.Request) -> None:
        """Hypercorn's would go over to WebSockets, of which there are none here."""
        asked = {value.strip().lower() for name, value in request.headers if name == b"upgrade"}
        if b"websocket" in asked and request.method == b"GET":
            await self._send_error_response(404)
            await self.send(Closed())
        else:
            self._body_goes_on()
            await super()._create_stream(request)

    async def refuse(self, status: int) -> None:
        """Answer in the application's place."""
        await self._send_error_response(status)

    async def _send_error_response(self, status_code: int) -> None:
        """Of what is no request, or none in time."""
        self.refused = True
        refusal = problem(status_code)
        headers = [(name.encode(), value.encode()) for name, value in refusal.headers]
        headers += [(b"Content-Length", b"%d" % len(refusal.body)), (b"Connection", b"close")]
        headers += self.config.response_headers("h11")
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=refusal.body))
        await self._send_h11_event(h11.EndOfMessage())
