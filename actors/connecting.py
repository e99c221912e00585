"""Makes connections for requests: to addresses that the policy allows, and to no others.

A name is looked up once, its addresses are checked, and one of the checked ones is connected to, so that a name that
changes in between reaches nothing else. Look-ups have threads of their own, and one under way serves everybody who
asks for the same name: slow name servers hold up nobody else.
"""

import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, cast

import httpcore
import trio

from hookledger.actors.limiters import limiter
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.http.policy import TargetPolicy

STAGGER_SECONDS: Final = 0.25
"""Until the next address is tried beside the ones before it (RFC 8305)."""
PER_HOST: Final = 50
"""Requests to one host and port at the same time; more wait for their turn."""
TOGETHER: Final = 500


class Denied(TaskFailed):
    """The policy does not allow the target."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host[:100]} is no target that this server allows (`tasks.http` in its settings)",
            kind="TargetDenied",
        )


class Names:
    """Looks names up."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], _Lookup] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a name, the best first.

        Raises:
            OSError: It has none.
        """
        key = (host, port)
        lookup = self._under_way.get(key)
        if lookup is None:
            lookup = self._under_way[key] = _Lookup()
            trio.lowlevel.spawn_system_task(self._look_up, key, lookup)
        await lookup.done.wait()
        if lookup.error is not None:
            raise OSError(*lookup.error.args) from lookup.error
        return lookup.found

    async def _look_up(self, key: tuple[str, int], lookup: "_Lookup") -> None:
        try:
            lookup.found = await trio.to_thread.run_sync(
                partial(_resolved, *key), limiter=limiter("names"), abandon_on_cancel=True
            )
        except (OSError, UnicodeError) as error:
            lookup.error = error
        finally:
            del self._under_way[key]
            lookup.done.set()


class _Lookup:
    def __init__(self) -> None:
        self.done = trio.Event()
        self.found: list[str] = []
        self.error: Exception | None = None


def _resolved(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Connector(httpcore.AsyncNetworkBackend):
    """Implements httpcore's way to the network."""

    def __init__(self, policy: TargetPolicy) -> None:
        self._policy = policy
        self._names = Names()
        self._inner = cast(httpcore.AsyncNetworkBackend, httpcore.TrioBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to one of the addresses of a name.

        Raises:
            Denied: None of them is allowed.
            ConnectError, ConnectTimeout: None of them answers.
        """
        if not self._policy.allows_host(host):
            raise Denied(host)
        connect = partial(
            self._inner.connect_tcp, port=port, local_address=local_address, socket_options=socket_options
        )
        try:
            with trio.fail_after(float("inf") if timeout is None else timeout):
                addresses = await self._names.addresses(host, port)
                allowed = [one for one in addresses if self._policy.allows(host, one)]
                if not allowed:
                    raise Denied(host)
                return await _first(connect, allowed)
        except trio.TooSlowError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


async def _first(
    connect: Callable[[str], Awaitable[httpcore.AsyncNetworkStream]], addresses: list[str]
) -> httpcore.AsyncNetworkStream:
    """The first connection of several attempts, each begun a moment after the one before it, or when that failed."""
    made: list[httpcore.AsyncNetworkStream] = []
    errors: list[Exception] = []

    async def attempt(address: str, failed: trio.Event) -> None:
        try:
            stream = await connect(address)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            errors.append(error)
            failed.set()
            return
        made.append(stream)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for address in addresses:
            failed = trio.Event()
            nursery.start_soon(attempt, address, failed)
            with trio.move_on_after(STAGGER_SECONDS):
                await failed.wait()
    for late in made[1:]:
        await late.aclose()
    if made:
        return made[0]
    raise errors[0]


class Turns:
    """Lets so many requests go to one host at once, and so many in all; a host that hangs holds up its own alone."""

    def __init__(self) -> None:
        self._together = trio.Semaphore(TOGETHER)
        self._hosts: dict[object, _Turn] = {}

    @asynccontextmanager
    async def turn(self, host: object) -> AsyncGenerator[None]:
        """Wait for a turn and keep it until the block ends."""
        here = self._hosts.setdefault(host, _Turn())
        here.users += 1
        try:
            async with here.semaphore, self._together:
                yield
        finally:
            here.users -= 1
            if not here.users:
                del self._hosts[host]


class _Turn:
    def __init__(self) -> None:
        self.semaphore = trio.Semaphore(PER_HOST)
        self.users = 0


def pool(
    policy: TargetPolicy, verify: ssl.SSLContext, *, kept: int, kept_seconds: float
) -> httpcore.AsyncConnectionPool:
    """Connections that are used again; how many there may be is for `Turns` to say."""
    return httpcore.AsyncConnectionPool(
        ssl_context=verify,
        max_connections=None,
        max_keepalive_connections=kept,
        keepalive_expiry=kept_seconds,
        network_backend=Connector(policy),
    )
