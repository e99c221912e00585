"""multipart/form-data and JSON bodies that carry inputs: what a person or a program gives a flow."""

from typing import Any, Final, TypeVar

import msgspec
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from hookledger.api.call import BODY_BYTES_MAX, Call
from hookledger.api.http import problem
from hookledger.api.route import Refused, Unreadable
from hookledger.api.webhook.multipart import PARTS_MAX, boundary_of
from hookledger.runtime.flow.fields import explain
from hookledger.runtime.flow.problems import path_text

T = TypeVar("T")

FORM: Final = "multipart/form-data"
JSON_KINDS: Final = frozenset({"", "application/json"})
"""A body without a type is taken for JSON."""


async def read_json(call: Call, kind: type[T]) -> T:
    """Read a JSON body; an empty one is one without members.

    Raises:
        Refused: It is said to be something else than JSON.
        Unreadable: With what is wrong and where.
    """
    body = await call.body()
    if body and call.content_type not in JSON_KINDS:
        detail = f"send JSON with `Content-Type: application/json`, not {call.content_type[:80]}"
        raise Refused(problem(415, detail, headers={"Accept": "application/json"}))
    return decoded(body or b"{}", kind)


def decoded(body: bytes, kind: type[T]) -> T:
    """Read JSON.

    Raises:
        Unreadable: With what is wrong and where.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        message, path = explain(error)
        place = f"{path_text(path)}: " if path else ""
        raise Unreadable(f"the body is not what this route takes: {place}{message}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable(f"the body is not what this route takes: {error}") from error


async def read_text(call: Call) -> str:
    """The body as text.

    Raises:
        Refused: It is said to be something else.
        Unreadable: It is not UTF-8.
    """
    if call.content_type not in ("", "text/plain"):
        raise Refused(problem(415, "send the text with `Content-Type: text/plain`"))
    try:
        return (await call.body()).decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"the body is not UTF-8: {error}") from error


async def read_form(call: Call) -> dict[str, Any] | None:
    """The fields of a form by name, None when the body is no form. A name given twice is a list.

    Raises:
        Unreadable: It cannot be read, is not UTF-8, or holds a file.
    """
    header = call.request.header("content-type") or ""
    if call.content_type != FORM:
        return None
    boundary = boundary_of(header)
    if boundary is None:
        raise Unreadable("multipart/form-data needs a `boundary`; curl's -F writes one")
    body = await call.body()
    try:
        return _fields(MultipartDecoder(boundary, BODY_BYTES_MAX, max_parts=PARTS_MAX), body)
    except Unreadable:
        raise
    except Exception as error:  # the decoder's own limits are HTTP exceptions of its framework
        raise Unreadable(f"the form cannot be read: {str(error)[:200]}") from error


def _fields(decoder: MultipartDecoder, body: bytes) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    name, value = "", bytearray()
    if body:
        decoder.receive_data(body)
    decoder.receive_data(None)
    while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
        match event:
            case File():
                raise Unreadable(
                    f"`{event.name}` is a file; a FILE input takes the URI of one, and small texts fit into STRING"
                )
            case Field():
                name, value = event.name or "", bytearray()
            case Data():
                value += event.data
                if not event.more_data:
                    found.setdefault(name, []).append(value.decode("utf-8"))
            case _:
                pass
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()}
