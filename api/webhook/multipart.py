"""multipart/form-data as it arrives: files go to disk, fields stay in memory within bounds."""

from typing import Any, Final

import msgspec
from werkzeug.datastructures import Headers
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from hookledger.api.webhook.files import Files, Place, StoredBody, Writer, file_name
from hookledger.api.webhook.refusal import Refused
from hookledger.runtime.charsets import charset_of, decoded

FIELD_BYTES_MAX: Final = 1024 * 1024
"""All text fields together."""
PARTS_MAX: Final = 1000
FILES_MAX: Final = 100
"""Each file is made durable on its own."""


class Part(msgspec.Struct, kw_only=True):
    """A file of the form."""

    name: str
    filename: str
    content_type: str
    stored: StoredBody


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of multipart/form-data, None for other types and for one without a boundary."""
    media, _, parameters = content_type.partition(";")
    if media.strip().lower() != "multipart/form-data":
        return None
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        boundary = value.strip().strip('"')
        if name.strip().lower() == "boundary" and 1 <= len(boundary) <= 200:
            return boundary.encode("latin-1", "replace")
    return None


class Parts:
    """The parts of one body."""

    def __init__(self, files: Files, boundary: bytes, name: str) -> None:
        self._files = files
        self._name = name
        self._decoder = MultipartDecoder(boundary, max_form_memory_size=FIELD_BYTES_MAX, max_parts=PARTS_MAX)
        self._writer: Writer | None = None
        self._part: Part | None = None
        self._field: tuple[str, str, bytearray] | None = None
        self._field_bytes = 0
        self._read: list[tuple[str, str, bytes]] = []
        """Name, charset and bytes of each text field: `_charset_` may come after what it is for."""
        self.files: list[Part] = []
        self.fields: dict[str, list[str]] = {}

    async def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._receive(chunk)
        await self._drain()

    async def finish(self) -> None:
        """The body is complete."""
        self._receive(None)
        await self._drain()
        usual = next((value.decode("latin-1") for name, _, value in self._read if name == "_charset_"), "")
        for name, charset, value in self._read:
            self.fields.setdefault(name, []).append(decoded(value, charset, usual, mark=False))

    def discard(self) -> None:
        """Remove everything that was stored."""
        if self._writer is not None:
            self._writer.discard()
        for part in self.files:
            part.stored.path.unlink(missing_ok=True)
        self.files.clear()

    async def keep(self, place: Place) -> list[dict[str, Any]]:
        """Move the files to their execution; returns `trigger.parts`."""
        kept: list[dict[str, Any]] = []
        for index, part in enumerate(self.files):
            uri = await self._files.keep(part.stored, place, file_name(index, part.filename))
            known = {"name": part.name, "filename": part.filename, "size": part.stored.size, "uri": uri}
            known |= {"sha256": part.stored.sha256}
            kept.append({**known, **({"contentType": part.content_type} if part.content_type else {})})
        return kept

    def _receive(self, chunk: bytes | None) -> None:
        try:
            self._decoder.receive_data(chunk)
        except Exception as error:  # the decoder's own limits are HTTP exceptions of its framework
            raise malformed(error) from error

    async def _drain(self) -> None:
        while True:
            try:
                event = self._decoder.next_event()
            except Exception as error:
                raise malformed(error) from error
            if isinstance(event, NeedData | Epilogue):
                return
            await self._take(event)

    async def _take(self, event: Any) -> None:
        match event:
            case File() if event.filename.strip():
                self._begin(event.name, event.filename, event.headers)
            case Field() | File():
                self._field = (
                    event.name or "",
                    charset_of(event.headers.get("content-type", "")),
                    bytearray(),
                )
            case Data():
                await self._data(event)
            case _:
                return

    def _begin(self, name: str | None, filename: str, headers: Headers) -> None:
        if len(self.files) >= FILES_MAX:
            raise Refused(413, "payload-too-large", f"the form has more than {FILES_MAX} files")
        self._writer = self._files.open(self._name)
        self._part = Part(
            name=name or "",
            filename=filename,
            content_type=headers.get("content-type", ""),
            stored=StoredBody(path=self._writer.path, sha256="", size=0),
        )

    async def _data(self, event: Data) -> None:
        if self._writer is not None and self._part is not None:
            await self._writer.write(event.data)
            if not event.more_data:
                self._part.stored = await self._writer.finish()
                self.files.append(self._part)
                self._writer = self._part = None
        elif self._field is not None:
            self._add(event)

    def _add(self, event: Data) -> None:
        assert self._field is not None
        name, charset, value = self._field
        self._field_bytes += len(event.data)
        if self._field_bytes > FIELD_BYTES_MAX:
            raise Refused(413, "payload-too-large", "the text fields of the form pass 1 MiB")
        value += event.data
        if not event.more_data:
            self._read.append((name, charset, bytes(value)))
            self._field = None


def malformed(error: Exception) -> Refused:
    """400 for a form that cannot be read, 413 for one with too many parts."""
    if getattr(error, "code", None) == 413:
        return Refused(413, "payload-too-large", "the form has too many parts or too large fields")
    return Refused(400, "body-malformed", f"multipart: {str(error)[:200]}")
