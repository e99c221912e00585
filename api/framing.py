"""What counts as an HTTP/1.1 request: what another parser may read differently is refused (RFC 9112).

h11 is lenient where old clients are wrong. In front of a journal somebody else's proxy may stand, and what the two read
must be the same: so a line ends with CRLF alone, a header stands on one line, and a body has one length.
"""

import re
from typing import Any, Final

import h11
from h11._receivebuffer import ReceiveBuffer

EXTENSION_BYTES_MAX: Final = 16_384
"""Of chunk extensions, beyond one byte for each byte of the body."""

_LENGTHS: Final = {b"content-length", b"transfer-encoding"}
_CHUNK: Final = re.compile(rb"[0-9A-Fa-f]{1,16}(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_LENGTH: Final = re.compile(rb"\r\n[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]:([^\r]*)")


class Parser(h11.Connection):
    """A parser that refuses what another one might read differently (RFC 9112), and never changes the protocol.

    It leaves `100 Continue` to the application.
    """

    _receive_buffer: "StrictBuffer"

    def __init__(self, head_bytes_max: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=head_bytes_max)
        self._receive_buffer = StrictBuffer()

    @property
    def head_begun(self) -> bool:
        """True while a request's head has begun and not ended."""
        return self.their_state is h11.IDLE and bool(self._receive_buffer)

    def next_event(self) -> Any:
        """What comes next.

        Raises:
            h11.RemoteProtocolError: It is no HTTP, or a proxy in front may have seen another request.
        """
        if self.their_state is h11.IDLE:
            self._receive_buffer.skip_empty_line()
        elif self.their_state is h11.MUST_CLOSE:
            self._receive_buffer.clear()  # it was the last request: what follows is none (RFC 9112, section 9.6)
        event: Any = super().next_event()
        if isinstance(event, h11.Request):
            self._receive_buffer.body_begins()
            self._cstate.pending_switch_proposals.clear()
            _check(event)
        elif isinstance(event, h11.Data):
            self._receive_buffer.body_bytes += len(event.data)
        return event

    @property
    def they_are_waiting_for_100_continue(self) -> bool:
        """What Hypercorn acts on; it would say `100 Continue` at once."""
        return False


def _check(request: h11.Request) -> None:
    """Refuse a head that is well-formed and means two things, or nothing we speak."""
    names = [name for name, _ in request.headers]
    if request.http_version[:2] != b"1.":
        raise h11.RemoteProtocolError("this is a server of HTTP/1.1", error_status_hint=505)
    if request.method == b"CONNECT":
        raise h11.RemoteProtocolError("this is no proxy", error_status_hint=501)
    if set(names) >= _LENGTHS:
        raise h11.RemoteProtocolError("Content-Length and Transfer-Encoding exclude each other")
    if b"transfer-encoding" in names and request.http_version == b"1.0":
        raise h11.RemoteProtocolError("HTTP/1.0 has no Transfer-Encoding")
    if b"host" not in names and request.http_version != b"1.0":
        raise h11.RemoteProtocolError("Host is missing")
    if not all(_HOST.fullmatch(value) for name, value in request.headers if name == b"host"):
        raise h11.RemoteProtocolError("Host is none")


class StrictBuffer(ReceiveBuffer):
    """What was received and not parsed. A line ends with CRLF and with nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self._skipped = False
        self._extensions = 0
        self.body_bytes = 0

    def body_begins(self) -> None:
        """The head is over."""
        self._skipped = False
        self._extensions = self.body_bytes = 0

    def clear(self) -> None:
        """Forget all of it."""
        self._extract(len(self))

    def skip_empty_line(self) -> None:
        """One before a request is no fault (RFC 9112, section 2.2)."""
        if not self._skipped and self._data.startswith(b"\r\n"):
            self._extract(2)
            self._skipped = True

    def is_next_line_obviously_invalid_request_line(self) -> bool:
        """As the name says; the first half of an empty line is none yet."""
        return bytes(self._data) != b"\r" and super().is_next_line_obviously_invalid_request_line()

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """The lines of a head, or of trailers, once they are complete.

        Raises:
            h11.RemoteProtocolError: Lines that are none.
        """
        found = 0 if self._data.startswith(b"\r\n") else self._data.find(b"\r\n\r\n") + 2
        whole = found != 1
        _check_lines(self._data[: found + 2] if whole else self._data.removesuffix(b"\r"))
        return super().maybe_extract_lines() if whole else None

    def maybe_extract_next_line(self) -> bytearray | None:
        """The line before a chunk, once it is complete.

        Raises:
            h11.RemoteProtocolError: It is none, or extensions outweigh what is sent with them.
        """
        line = super().maybe_extract_next_line()
        if line is None:
            return None
        if not _CHUNK.fullmatch(line):
            raise h11.RemoteProtocolError("what stands before a chunk is no size")
        self._extensions += len(line.partition(b";")[2])
        if self._extensions > EXTENSION_BYTES_MAX + self.body_bytes:
            raise h11.RemoteProtocolError("more chunk extensions than body")
        return line


def _check_lines(data: bytearray) -> None:
    ends = data.count(b"\r\n")
    if data.count(b"\n") != ends or data.count(b"\r") != ends or b"\0" in data:
        raise h11.RemoteProtocolError("lines end with CRLF, and hold neither CR, LF nor NUL")
    if b"\r\n " in data or b"\r\n\t" in data:
        raise h11.RemoteProtocolError("a header stands on one line")
    lengths = _LENGTH.findall(data)
    if len(lengths) > 1 or any(b"," in length for length in lengths):
        raise h11.RemoteProtocolError("a body has one length")
