"""Content-Encoding gzip and deflate (RFC 9110 section 8.4.1), streaming, in bounded memory.

A bomb ends at the byte that crosses the limit: output is produced in small
pieces, and nothing more is asked of the decompressor after that.
"""

import zlib
from collections.abc import Iterator

from hookledger.runtime.charsets import is_identity

PIECE_BYTES = 65_536
RATIO_MAX = 200  # honest text stays far below; a run of zeros reaches about 1030
RATIO_FREE_BYTES = 2**20  # small bodies may have any ratio
MEMBERS_MAX = 16
GZIP, ZLIB, RAW = 31, 15, -15


class InflateProblem(ValueError):
    """The body cannot be decompressed. `code` is `unsupported`, `malformed` or `too-large`."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def coding_of(content_encoding: str | None) -> str | None:
    """Return `gzip`, `deflate` or None for identity.

    Raises:
        InflateProblem: Another coding, or several of them.
    """
    name = (content_encoding or "").strip().lower().removeprefix("x-")
    if is_identity(name):
        return None
    if name not in ("gzip", "deflate"):
        raise InflateProblem("unsupported", "send gzip, deflate or no Content-Encoding")
    return name


class Inflater:
    """Decompresses one body. `feed` its chunks in order, then `finish`."""

    def __init__(self, coding: str, *, bytes_max: int, ratio_max: int = RATIO_MAX) -> None:
        self._coding, self._bytes_max, self._ratio_max = coding, bytes_max, ratio_max
        self._machine = zlib.decompressobj(GZIP) if coding == "gzip" else None
        self._read = self._written = self._members = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what the chunk decompresses to, in pieces of at most 64 KiB.

        Raises:
            InflateProblem: Malformed, or beyond the size or ratio limit.
        """
        self._read += len(chunk)
        rest, piece = chunk, b""
        while rest or len(piece) == PIECE_BYTES:  # a full piece may hide more output without more input
            machine = self._ready(rest)
            try:
                piece = machine.decompress(rest, PIECE_BYTES)
            except zlib.error as error:
                raise InflateProblem("malformed", f"not {self._coding}") from error
            if piece:
                self._count(len(piece))
                yield piece
            rest = machine.unused_data if machine.eof else machine.unconsumed_tail

    def finish(self) -> Iterator[bytes]:
        """Yield what is left.

        Raises:
            InflateProblem: The body ended too early.
        """
        if self._read and (self._machine is None or not self._machine.eof):
            raise InflateProblem("malformed", f"the {self._coding} data ends too early")
        yield from ()

    def _ready(self, rest: bytes) -> "zlib._Decompress":
        """Return the machine for these bytes: the first, the same, or one for the next gzip member."""
        if self._machine is None:  # deflate is zlib by the letter, and raw from some senders
            self._machine = zlib.decompressobj(ZLIB if rest[0] & 0x0F == 8 else RAW)
        elif self._machine.eof and rest:
            self._members += 1
            if self._coding != "gzip" or self._members >= MEMBERS_MAX:
                raise InflateProblem("malformed", "data after the end")
            self._machine = zlib.decompressobj(GZIP)
        return self._machine

    def _count(self, size: int) -> None:
        self._written += size
        if self._written > self._bytes_max:
            raise InflateProblem("too-large", f"decompresses to more than {self._bytes_max} bytes")
        if self._written > max(RATIO_FREE_BYTES, self._read * self._ratio_max):
            raise InflateProblem("too-large", f"decompresses to more than {self._ratio_max} times its size")
