"""Reading the body: bounded, hashed by the signature's check on the way, decompressed, stored or dropped.

The bytes that are verified are the bytes as sent; what the flow sees is what they decompress to.
"""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from hookledger.api.http import BodyTooSlow
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.files import Files, StoredBody
from hookledger.api.webhook.multipart import Parts, boundary_of
from hookledger.api.webhook.refusal import Refused
from hookledger.runtime.charsets import is_identity
from hookledger.runtime.triggers.webhook import WebhookSettings

if TYPE_CHECKING:
    from hookledger.runtime.triggers.webhook.admission.inflate import Inflater

STORED_FACTOR: Final = 16
"""A stored body does not pass through memory, so it may be this many times larger without being asked."""


class DeclaredSize:
    """413 before anything costly is done, when the sender says that the body is too large."""

    name = "declared size"

    def __init__(self, limit: int) -> None:
        self._limit = limit

    async def __call__(self, exchange: Exchange) -> None:
        declared = exchange.request.header("content-length")
        if declared is not None and declared.isdecimal() and int(declared) > self._limit:
            raise too_large(self._limit, f"declared {declared} bytes")


class ReadBody:
    """Reads the whole body into memory."""

    name = "body"

    def __init__(self, limit: int, files: Files | None) -> None:
        self._limit = limit
        self._files = files
        self._declared = DeclaredSize(limit)

    async def __call__(self, exchange: Exchange) -> None:
        await self._declared(exchange)
        request = exchange.request
        coding, media = request.header("content-encoding"), request.header("content-type") or ""
        if self._files is not None and media[:10].lower() == "multipart/":
            boundary = boundary_of(media)
            if boundary is not None:
                await read_parts(exchange, self._limit, self._files, boundary)
                return
        if coding is not None and not is_identity(coding):
            await self._inflated(exchange, coding)
            return
        pieces = [chunk async for chunk in RawChunks(exchange, self._limit)]
        exchange.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        exchange.body_bytes = len(exchange.body)

    async def _inflated(self, exchange: Exchange, coding: str) -> None:
        inflater, pieces = inflater_of(coding, self._limit), bytearray()
        digest = hashlib.sha256()
        async for chunk in RawChunks(exchange, self._limit):
            digest.update(chunk)
            exchange.body_bytes += len(chunk)
            for piece in inflate(inflater, chunk):
                pieces += piece
        inflate_end(inflater)
        exchange.body, exchange.body_sha256 = bytes(pieces), digest.hexdigest()


class StoreBody:
    """`fetchType: STORE`: the body goes to a file as it arrives, in bounded memory."""

    name = "body"

    def __init__(self, limit: int, files: Files | None) -> None:
        self._limit = limit
        self._files = files
        self._declared = DeclaredSize(limit)

    async def __call__(self, exchange: Exchange) -> None:
        await self._declared(exchange)
        if self._files is None:
            raise Refused(503, "verifier-unavailable", "fetchType STORE needs a data directory")
        boundary = boundary_of(exchange.request.header("content-type") or "")
        if boundary is not None:
            await read_parts(exchange, self._limit, self._files, boundary)
            return
        writer = self._files.open(exchange.delivery_id)
        try:
            async with aclosing(plain_chunks(exchange, self._limit)) as chunks:
                async for chunk in chunks:
                    await writer.write(chunk)
            stored = await writer.finish()
        except BaseException:
            writer.discard()
            raise
        if stored.size == 0:
            stored.path.unlink(missing_ok=True)
            return
        exchange.stored = stored
        exchange.body_bytes = stored.size
        exchange.body_sha256 = exchange.body_sha256 or stored.sha256


class DropBody:
    """`fetchType: NONE`: the body is read, checked and forgotten; its digest stays."""

    name = "body"

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._declared = DeclaredSize(limit)

    async def __call__(self, exchange: Exchange) -> None:
        await self._declared(exchange)
        digest = hashlib.sha256()
        async for chunk in RawChunks(exchange, self._limit):
            digest.update(chunk)
            exchange.body_bytes += len(chunk)
        if exchange.body_bytes:
            exchange.body_sha256 = digest.hexdigest()


def reader_of(settings: WebhookSettings, limit_default: int, limit_max: int, files: Files | None) -> Any:
    """The step that reads bodies for a trigger."""
    limit = min(settings.body_limit or limit_default, limit_max)
    if settings.fetch == "STORE":
        stored = settings.body_limit or min(limit_max, limit_default * STORED_FACTOR)
        return StoreBody(min(stored, limit_max), files)
    return DropBody(limit) if settings.fetch == "NONE" else ReadBody(limit, files)


async def read_parts(exchange: Exchange, limit: int, files: Files, boundary: bytes) -> None:
    """Read multipart/form-data: files are stored, fields are kept in memory."""
    parts = Parts(files, boundary, exchange.delivery_id)
    digest = hashlib.sha256()
    try:
        async for chunk in RawChunks(exchange, limit):
            digest.update(chunk)
            exchange.body_bytes += len(chunk)
            await parts.feed(chunk)
        await parts.finish()
    except BaseException:
        parts.discard()
        raise
    exchange.parts = parts
    if exchange.body_bytes:
        exchange.body_sha256 = digest.hexdigest()


class RawChunks:
    """The bytes as sent: counted, and fed to the signature's check before anybody else sees them.

    No generator, because whoever reads it may stop half-way.
    """

    def __init__(self, exchange: Exchange, limit: int) -> None:
        self._chunks = aiter(exchange.request.body)
        self._verifier = exchange.verifier
        self._limit = limit
        self._size = 0

    def __aiter__(self) -> "RawChunks":
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except BodyTooSlow as error:
            reason = f"the body stopped after {self._size} bytes"
            raise Refused(408, "request-timeout", reason, headers={"Connection": "close"}) from error
        self._size += len(chunk)
        if self._size > self._limit:
            raise too_large(self._limit, "while it was sent")
        if self._verifier is not None:
            self._verifier.update(chunk)
        return chunk


async def plain_chunks(exchange: Exchange, limit: int) -> AsyncGenerator[bytes]:
    """The bytes behind a Content-Encoding, which may not be more than `limit` either."""
    coding = exchange.request.header("content-encoding")
    if coding is None or is_identity(coding):
        async for chunk in RawChunks(exchange, limit):
            yield chunk
        return
    inflater, digest = inflater_of(coding, limit), hashlib.sha256()
    async for chunk in RawChunks(exchange, limit):
        digest.update(chunk)
        for piece in inflate(inflater, chunk):
            yield piece
    inflate_end(inflater)
    exchange.body_sha256 = digest.hexdigest()


def inflater_of(coding: str, limit: int) -> "Inflater":
    """A decompressor for a Content-Encoding; 415 for one that is not known."""
    from hookledger.runtime.triggers.webhook.admission.inflate import InflateProblem, Inflater, coding_of

    try:
        return Inflater(coding_of(coding) or "gzip", bytes_max=limit)
    except InflateProblem as error:
        raise Refused(
            415, "unsupported-media-type", f"Content-Encoding {coding[:40]}",
            headers={"Accept-Encoding": "gzip, deflate"},
        ) from error  # fmt: skip


def inflate(inflater: "Inflater", chunk: bytes) -> Any:
    """Decompress a chunk in small pieces; a bomb ends at the piece that crosses the limit."""
    from hookledger.runtime.triggers.webhook.admission.inflate import InflateProblem

    try:
        yield from inflater.feed(chunk)
    except InflateProblem as error:
        raise _inflate_refused(error) from error


def inflate_end(inflater: "Inflater") -> None:
    """Refuse a body that ended too early."""
    from hookledger.runtime.triggers.webhook.admission.inflate import InflateProblem

    try:
        for _ in inflater.finish():
            pass
    except InflateProblem as error:
        raise _inflate_refused(error) from error


def _inflate_refused(error: Any) -> Refused:
    if error.code == "too-large":
        return Refused(413, "payload-too-large", f"Content-Encoding: {error}", detail=str(error))
    return Refused(400, "body-malformed", f"Content-Encoding: {error}")


def too_large(limit: int, how: str) -> Refused:
    """413; the limit is no secret."""
    return Refused(
        413, "payload-too-large", f"{how}, the limit is {limit}", detail=f"the body is larger than {limit} bytes",
        headers={"Connection": "close"},
    )  # fmt: skip


def discard(exchange: Exchange) -> None:
    """Remove what a refused delivery stored."""
    stored: StoredBody | None = exchange.stored
    if stored is not None:
        stored.path.unlink(missing_ok=True)
        exchange.stored = None
    if exchange.parts is not None:
        exchange.parts.discard()
        exchange.parts = None
