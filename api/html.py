"""Pages as answers, with the headers that keep a browser from doing more than it should."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from hookledger.api.http import HttpResponse

HTML: Final = "text/html; charset=utf-8"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PRIVATE: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""For everything that is not for everybody's eyes."""
SECURITY: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    **PRIVATE,
}

Draw = Callable[..., HttpResponse]
"""`draw(template, status=200, **context)`."""


def secured(response: HttpResponse, headers: Mapping[str, str] = SECURITY) -> HttpResponse:
    """An answer with these headers, as far as it does not set them itself; by default those of every page."""
    present = {name.lower() for name, _ in response.headers}
    return response.with_headers(
        {name: text for name, text in headers.items() if name.lower() not in present}
    )


def html_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with a page. Half a surrogate pair, which UTF-8 has no bytes for, becomes a question mark."""
    made = HttpResponse(status=status, headers=(("Content-Type", HTML), *(headers or {}).items()))
    return secured(msgspec.structs.replace(made, body=text.encode("utf-8", "replace")))


def see_other(path: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Send the browser to another page of ours, with GET."""
    return secured(HttpResponse(status=303, headers=(("Location", path), *(headers or {}).items())))
