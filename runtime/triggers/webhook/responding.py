"""From rendered values to the answer a caller gets: status, safe headers, body. Pure.

What comes out is recorded in the journal and sent as it stands, so an answer can be given again byte for byte.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from hookledger.journal.events import Response

EVENT_STREAM: Final = "text/event-stream"
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
HEADERS_MAX: Final = 64
VALUE_CHARS_MAX: Final = 8192

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "hookledger-receipt",
        "idempotency-replayed",
        "x-delivery-id",
    }
)
"""Hop-by-hop headers (RFC 9110 section 7.6.1), those that frame the body, and our own."""
_BROWSERS: Final = frozenset(
    {
        "alt-svc",
        "clear-site-data",
        "nel",
        "report-to",
        "reporting-endpoints",
        "service-worker-allowed",
        "set-cookie",
        "set-cookie2",
        "strict-transport-security",
    }
)
"""What a browser keeps for the whole origin, where the console's session is."""


class ResponseUnusable(ValueError):
    """What was rendered cannot be sent; the message says which part."""


def header_problem(name: str, value: str) -> str:
    """Say why a header cannot be sent; empty when it can."""
    if not _TOKEN.fullmatch(name):
        return "is not a header name"
    if name.lower() in _OURS:
        return "cannot be set by a flow: it belongs to the connection, to `contentType` or to the server"
    if name.lower() in _BROWSERS:
        return "cannot be set by a flow: browsers keep it for the whole origin, which is the console's too"
    if not _VALUE.fullmatch(value):
        return "has a line break or another character that no header may carry"
    return "is too long" if len(value) > VALUE_CHARS_MAX else ""


def make_response(
    *, code: Any, default_code: int, headers: Any, content_type: str, body: Any, has_body: bool
) -> Response:
    """Build the recorded answer from rendered values.

    Raises:
        ResponseUnusable: The status, a header or the content type cannot be sent.
    """
    status = _status(code, default_code)
    lines = _header_lines(headers or {})
    if not has_body:
        return Response(status=status, headers=lines)
    encoded, natural = _encoded(body)
    kind = content_type or natural
    if not _VALUE.fullmatch(kind):
        raise ResponseUnusable("contentType has a character that no header may carry")
    if status in (204, 205, 304):
        return Response(status=status, headers=lines, body=b"")
    return Response(status=status, headers=(("Content-Type", kind), *lines), body=encoded)


def _status(code: Any, default: int) -> int:
    if code is None:
        return default
    text = str(code).strip()
    if not text.isdecimal() or not 200 <= int(text[:4]) <= 599:
        raise ResponseUnusable(f"{text[:20]!r} is no status from 200 to 599")
    return int(text)


def _header_lines(headers: Mapping[Any, Any]) -> tuple[tuple[str, str], ...]:
    if len(headers) > HEADERS_MAX:
        raise ResponseUnusable(f"more than {HEADERS_MAX} headers")
    lines = tuple((str(name), _text(value)) for name, value in headers.items())
    for name, value in lines:
        if wrong := header_problem(name, value):
            raise ResponseUnusable(f"the header {name[:64]!r} {wrong}")
    return lines


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=True)


def _encoded(body: Any) -> tuple[bytes, str]:
    """The bytes of a body and the content type they have by nature."""
    if body is None:
        return b"", TEXT
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass"), JSON if _is_json(body) else TEXT
    plain = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return plain.encode("utf-8", "surrogatepass"), JSON


def _is_json(text: str) -> bool:
    if text[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
