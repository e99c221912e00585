"""Errors as pages inside the frame. They say what to do, and nothing of what went wrong inside."""

from typing import Final

from hookledger.api.call import Call
from hookledger.api.console.pages import HOME, Pages
from hookledger.api.http import HttpRequest, HttpResponse
from hookledger.api.identity.guard import Guard
from hookledger.api.identity.places import UI

_TEXTS: Final = {
    404: (
        "Not found",
        "There is no page at this address. A link may be old, or a letter may be missing.",
    ),
    500: (
        "Something went wrong here",
        "The server met an error it did not expect. Nothing was lost: what is in the journal stays. Try again; if it "
        "happens again, the server's log says what it was.",
    ),
}


def error_page(pages: Pages, guard: Guard, request: HttpRequest, status: int) -> HttpResponse | None:
    """The page for an error of a page; None when a program asked, or for something else than a page."""
    if not request.raw_path.startswith(f"{UI}/") or "text/html" not in (request.header("accept") or ""):
        return None
    session = guard.session(request)
    title, detail = _TEXTS[status]
    return pages.draw(
        "error.html",
        status,
        who=session.identity if session else None,
        csrf=session.csrf if session else "",
        title=title,
        detail=detail,
        back=(HOME, "Dashboard"),
    )


def not_found(
    pages: Pages, call: Call, *, title: str, detail: str, back: tuple[str, str], place: str = "executions"
) -> HttpResponse:
    """404 for something that is not there, with a way on.

    Args:
        back: Path and label of the page that lists what there is.
    """
    return pages.page(call, "error.html", place=place, status=404, title=title, detail=detail, back=back)
