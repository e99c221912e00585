"""Reads an answer's body: decompressed, never beyond its limit, and as text where it is text."""

import base64
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from hookledger.runtime.charsets import charset_of, decoded, is_identity
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.http.port import HttpAnswer

WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
ACCEPTED: Final = "gzip, deflate"
_BINARY: Final = re.compile(
    r"(image|audio|video|font)/(?!.*\+xml)|application/(octet-stream|pdf|zip|gzip|x-tar)\b"
)


class Body:
    """Collects a body of at most `bytes_max` bytes, counted after decompression."""

    def __init__(self, coding: str, bytes_max: int) -> None:
        """Begin.

        Raises:
            TaskFailed: The body is compressed in a way nobody asked for.
        """
        self._machine = _machine(coding)
        self._max = bytes_max
        self._fed = False
        self.content = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take in bytes as they arrived.

        Raises:
            TaskFailed: Too many, or not what they claim to be.
        """
        self._fed = True
        if self._machine is not None:
            piece = self._inflated(self._machine, piece)
        self.content += piece
        if len(self.content) > self._max:
            raise TaskFailed(
                f"the answer's body is larger than {self._max} bytes; `options.maxContentLength` allows more",
                kind="TooLarge",
            )

    def finish(self) -> bytes:
        """The whole body.

        Raises:
            TaskFailed: The compressed data ended too early.
        """
        if self._machine is not None and self._fed and not self._machine.eof:
            raise TaskFailed("the answer's compressed body is cut off", kind="BrokenAnswer")
        return bytes(self.content)

    def _inflated(self, machine: "zlib._Decompress", piece: bytes) -> bytes:
        """At most one byte beyond the limit, so that a bomb never unfolds."""
        try:
            return machine.decompress(piece, self._max - len(self.content) + 1)
        except zlib.error as error:
            raise TaskFailed(
                f"the answer's body cannot be decompressed: {error}", kind="BrokenAnswer"
            ) from None


async def read_body(answer: HttpAnswer, bytes_max: int) -> bytes:
    """Receive until the end.

    Raises:
        TaskFailed: Too large, broken or silent.
    """
    body = Body(header(answer, "content-encoding"), bytes_max)
    while piece := await answer.receive():
        body.feed(piece)
    return body.finish()


def header(answer: HttpAnswer, name: str) -> str:
    """A header's first value, empty when it is missing."""
    return next((value for key, value in answer.headers if key.lower() == name), "")


def body_outputs(content: bytes, content_type: str, default_charset: str) -> Mapping[str, Any]:
    """`body` as text where it is text; otherwise in base64, and `bodyEncoding` says so. `size` is in bytes."""
    text = None if _BINARY.match(content_type.lower()) else _decoded(content, content_type, default_charset)
    if text is None:
        encoded = base64.b64encode(content).decode()
        return {"body": encoded, "bodyEncoding": "base64", "size": len(content)}
    return {"body": text, "size": len(content)}


def _machine(coding: str) -> "zlib._Decompress | None":
    name = coding.strip().lower()
    if is_identity(name):
        return None
    if name not in WINDOWS:
        raise TaskFailed(
            f"the answer's content encoding `{name[:40]}` is not known; ask for {ACCEPTED}",
            kind="BrokenAnswer",
        )
    return zlib.decompressobj(WINDOWS[name])


def _decoded(content: bytes, content_type: str, default_charset: str) -> str | None:
    """None when the bytes are no text in the charset that was named, or hold what no text holds."""
    try:
        text = decoded(content, charset_of(content_type), default_charset, errors="strict")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
