"""A browser without scripts: keeps cookies, follows nothing by itself, sends forms with what was in the page."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any, Final

import httpx

from .site import USER, Site

LOGIN: Final = "/ui/main/login"
LOGOUT: Final = "/ui/main/logout"
HOME: Final = "/ui/main/"
COOKIE: Final = "hookledger_session"


class Browser:
    """One person's browser."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """Open a page."""
        return await self.client.get(path, **more)

    async def form(self, path: str = LOGIN) -> dict[str, str]:
        """The hidden fields of the first form of a page."""
        return hidden((await self.client.get(path)).text)

    async def post(self, path: str, fields: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Send a form."""
        return await self.client.post(path, data=fields or {}, **more)

    async def log_in(
        self, name: str = USER[0], password: str = USER[1], *, then: str = "", **more: Any
    ) -> httpx.Response:
        """Open the login page, fill it in and send it."""
        fields = await self.form(f"{LOGIN}?next={then}" if then else LOGIN)
        return await self.post(LOGIN, {**fields, "user": name, "password": password}, **more)

    async def csrf(self, path: str = HOME) -> str:
        """The token in the forms of a page."""
        return (await self.form(path))["csrf"]

    @property
    def session(self) -> str:
        """The session's secret, empty when there is none."""
        return self.client.cookies.get(COOKIE) or ""


@asynccontextmanager
async def browser(site: Site, *, log_in: bool = False, **more: Any) -> AsyncGenerator[Browser]:
    """A fresh browser on a site."""
    async with httpx.AsyncClient(base_url=site.address, timeout=20, trust_env=False, **more) as client:
        made = Browser(client)
        if log_in:
            assert (await made.log_in()).status_code == 303
        yield made


def hidden(page: str) -> dict[str, str]:
    """Hidden fields of the first form of a page."""
    form = re.search(r"<form.*?</form>", page, re.DOTALL)
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0] if form else "")
    return {name: unescape(value) for name, value in found}
