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
SANDBOX: Final = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
"""For what others wrote and a browser may open on our origin: it is a document of no origin, without scripts."""
PRIVATE: Final = {**SANDBOX, "Cache-Control": "no-store"}
"""For data and files, which are not for everybody's eyes."""
SECURITY: Final = {
    **PRIVATE,
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

Draw = Callable[..., HttpResponse]
"""`draw(template, status=200, **context)`."""


def secured(response: HttpResponse, headers: Mapping[str, str] = SECURITY) -> HttpResponse:
    """An answer with these headers, as far as it does not set them itself; by default those of every page."""
    present = {name.lower() for name, _ in response.headers}
    return response.with_headers(
        {name: text for name, text in headers.items() if name.lower() not in present}
    )


def sandboxed(response: HttpResponse) -> HttpResponse:
    """An answer that others wrote, closed off from the console's origin.

    A policy of the author's own stays beside ours: a browser keeps to both.
    """
    kept = [one for one in response.headers if one[0].lower() != "x-content-type-options"]
    return msgspec.structs.replace(response, headers=(*kept, *SANDBOX.items()))


def html_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with a page. Half a surrogate pair, which UTF-8 has no bytes for, becomes a question mark."""
    made = HttpResponse(status=status, headers=(("Content-Type", HTML), *(headers or {}).items()))
    return secured(msgspec.structs.replace(made, body=text.encode("utf-8", "replace")))


def see_other(path: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Send the browser to another page of ours, with GET."""
    return secured(HttpResponse(status=303, headers=(("Location", path), *(headers or {}).items())))
