"""Query parameters of lists: page and size, numbers, single values."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from hookledger.api.http import HttpResponse, problem

PAGE_SIZE_MAX: Final = 100
_DIGITS_MAX: Final = 9


class Page(NamedTuple):
    """Which part of a list is wanted."""

    size: int
    offset: int


def page_of(parameters: Mapping[str, list[str]]) -> Page | HttpResponse:
    """Read `page` (from 1) and `size`, or say what is wrong with them."""
    page, size = number(parameters, "page", 1), number(parameters, "size", 25)
    if not page or not size or size > PAGE_SIZE_MAX:
        return problem(400, f"page counts from 1, size is 1 to {PAGE_SIZE_MAX}", slug="bad-page")
    return Page(size, (page - 1) * size)


def first(parameters: Mapping[str, list[str]], name: str) -> str | None:
    """The first value of a parameter."""
    values = parameters.get(name)
    return values[0] if values else None


def number(parameters: Mapping[str, list[str]], name: str, default: int) -> int | None:
    """A parameter as a whole number from 0; None when it is something else."""
    text = first(parameters, name)
    if text is None:
        return default
    return int(text) if text.isdecimal() and len(text) <= _DIGITS_MAX else None
