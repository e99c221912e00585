"""A site, a person in front of it, and what stands on a page."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import httpx

from tests.api.browser import Browser, browser
from tests.api.identity.people import PEOPLE, password_of
from tests.api.site import Site, open_site

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
    async with (
        open_site(directory, flows, auth__users=PEOPLE, **settings) as site,
        person(site, role) as somebody,
    ):
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


class Elements(HTMLParser):
    """The elements of a page as a browser finds them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    @property
    def dangerous(self) -> list[tuple[str, dict[str, str]]]:
        """What no page of ours has: handlers and styles in attributes, scripts and pictures from elsewhere."""
        return [
            (tag, attributes)
            for tag, attributes in self.found
            if any(name == "style" or name.startswith("on") for name in attributes)
            or tag in ("img", "iframe", "object", "embed", "base")
            or (tag == "script" and not attributes.get("src", "").startswith("/ui/static/"))
            or attributes.get("href", "").strip().lower().startswith("javascript:")
        ]


def words(html: str) -> str:
    """What a reader sees of a piece of a page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
