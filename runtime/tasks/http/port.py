"""What an HTTP task needs of the outside: one request sent, one answer streamed.

A port neither follows redirects nor adds headers, keeps cookies or decodes anything: that is the task's
policy, and it holds in a simulation too.
"""

from typing import Protocol

import msgspec


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it goes out."""

    method: str
    uri: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    connect_seconds_max: float = 10.0
    read_seconds_max: float = 60.0
    """Longest silence while sending or receiving."""


class HttpAnswer(Protocol):
    """An answer whose headers have arrived; whoever got it closes it."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names and values in the order they came."""
        ...

    async def receive(self) -> bytes:
        """The next bytes of the body as sent, empty at its end.

        Raises:
            TaskFailed: The answer broke off or fell silent.
        """
        ...

    async def aclose(self) -> None:
        """Let go of the connection; safe to call at any time."""
        ...


class HttpPort(Protocol):
    """Sends requests."""

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """Send it and wait for the answer's headers.

        Raises:
            TaskFailed: NameNotFound, ConnectFailed, TlsFailed, Timeout or BrokenAnswer; no text holds more of
                the URI than its host.
        """
        ...
