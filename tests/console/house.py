"""A site, a person in front of it, and what stands on a page."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any, Final

import httpx

from tests.api.browser import Browser, browser
from tests.api.identity.people import password_of, peopled
from tests.api.site import Site

FLOWS: Final = "/ui/main/flows"
ONE: Final = f"{FLOWS}/io.tests/f"


class Person(Browser):
    """Somebody with a role, logged in."""

    def __init__(self, client: httpx.AsyncClient, site: Site) -> None:
        super().__init__(client)
        self.site = site

    async def send(self, path: str, page: str = FLOWS, **fields: Any) -> httpx.Response:
        """Send a form of a page: with the page's own token."""
        return await self.client.post(path, data={"csrf": await self.csrf(page), **fields})

    async def goes(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form and go where the answer leads."""
        answer = await self.send(path, **fields)
        assert answer.status_code == 303, answer.text
        return await self.get(answer.headers["location"])


@asynccontextmanager
async def console(
    directory: Path, flows: dict[str, str] | None = None, *, role: str = "admin", **settings: Any
) -> AsyncGenerator[Person]:
    """Serve flows, and log somebody in."""
    async with peopled(directory, flows, **settings) as site, person(site, role) as somebody:
        yield somebody


@asynccontextmanager
async def person(site: Site, role: str) -> AsyncGenerator[Person]:
    """Somebody else on the same site."""
    async with browser(site) as made:
        somebody = Person(made.client, site)
        assert (await somebody.log_in(f"the-{role}", password_of(role))).status_code == 303
        yield somebody


def text_of(page: str, id_: str) -> str:
    """The text of an element without children that are elements of the same name."""
    found = re.search(rf'<(\w+)[^>]*\bid="{re.escape(id_)}"[^>]*>(.*?)</\1>', page, re.DOTALL)
    assert found, f"no #{id_}"
    return words(found[2])


def attribute(page: str, id_: str, name: str) -> str:
    """An attribute of an element."""
    found = re.search(rf'<[^>]*\bid="{re.escape(id_)}"[^>]*\b{name}="([^"]*)"', page)
    assert found, f"no #{id_} with {name}"
    return unescape(found[1])


def source_in(page: str) -> str:
    """What stands in the editor."""
    found = re.search(r"<textarea id=\"source\".*?>\n(.*?)</textarea>", page, re.DOTALL)
    assert found, "no editor"
    return unescape(found[1])


def words(html: str) -> str:
    """What a reader sees of a piece of a page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
