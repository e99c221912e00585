"""The body of a request: text, JSON of plain data, or a form."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlencode

import msgspec

from hookledger.runtime.flow.fields import scalar_texts
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.http.target import items_of

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"


class Content(msgspec.Struct, frozen=True):
    """Bytes and what they are; no type when the author did not say and nothing tells."""

    body: bytes = b""
    media_type: str | None = None


def content_of(body: Any, form: Mapping[str, Any] | None, media_type: str | None, seed: str) -> Content:
    """What goes out.

    Args:
        seed: Decides the boundary of a multipart form, so that a replayed attempt sends the same bytes.

    Raises:
        TaskFailed: There is both a body and a form.
    """
    if form is None:
        return _plain(body, media_type)
    if body is not None:
        raise TaskFailed("give either `body` or `formData`, not both", kind="InvalidProperty")
    if (media_type or "").partition(";")[0].strip().lower() == MULTIPART:
        return _multipart(form, hashlib.sha256(seed.encode()).hexdigest()[:32])
    fields = [(name, _text(item)) for name, value in form.items() for item in items_of(value)]
    return Content(urlencode(fields).encode(), media_type or FORM)


def _plain(body: Any, media_type: str | None) -> Content:
    match body:
        case None:
            return Content(b"", media_type)
        case str():
            return Content(body.encode("utf-8", "surrogatepass"), media_type)
        case _:
            return Content(msgspec.json.encode(body), media_type or JSON)


def _multipart(form: Mapping[str, Any], boundary: str) -> Content:
    parts = [_part(name, item) for name, value in form.items() for item in items_of(value)]
    lines = [f"--{boundary}\r\n{part}\r\n" for part in parts]
    body = "".join((*lines, f"--{boundary}--\r\n"))
    return Content(body.encode(), f"{MULTIPART}; boundary={boundary}")


def _part(name: str, value: Any) -> str:
    """A field, or a file given as `name:` and `content:`."""
    head = f'Content-Disposition: form-data; name="{_quoted(name)}"'
    if not isinstance(value, dict):
        return f"{head}\r\n\r\n{_text(value)}"
    given = cast("dict[str, Any]", value)
    file, content = _text(given.get("name", name)), _text(given.get("content", ""))
    return f'{head}; filename="{_quoted(file)}"\r\nContent-Type: application/octet-stream\r\n\r\n{content}'


def _quoted(name: str) -> str:
    """As browsers write names of form fields (HTML standard, multipart encoding)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _text(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return msgspec.json.encode(value).decode()
    return str(scalar_texts(value))
