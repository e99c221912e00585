"""Page by page through a list: which part is shown, and the links to its neighbours."""

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec


class Pager(msgspec.Struct, frozen=True, kw_only=True):
    """What stands below a list; links are empty where there is nothing more."""

    summary: str
    previous: str = ""
    next: str = ""


def pager_of(
    path: str, parameters: Mapping[str, str], *, page: int, size: int, total: int, noun: str
) -> Pager:
    """The pager of a list.

    Args:
        parameters: Filters that the links keep.
        page: Counts from 1.
        noun: What is listed, in the plural.
    """

    def link(number: int) -> str:
        kept = {name: value for name, value in parameters.items() if value}
        return f"{path}?{urlencode({**kept, 'page': str(number)})}"

    first, last = (page - 1) * size + 1, min(page * size, total)
    shown = f"{first}–{last} of {total} {noun}" if first <= last else f"{total} {noun}"
    return Pager(
        summary=shown,
        previous=link(page - 1) if page > 1 else "",
        next=link(page + 1) if page * size < total else "",
    )


def page_number(text: str) -> int:
    """A page from an address; whatever is no number of a page is the first."""
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else 1
