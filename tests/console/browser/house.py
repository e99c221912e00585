"""The served shop, its visitors, and the guard that lets no page do anything it should not."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, Response

from tests.api.browser import COOKIE, LOGIN, hidden
from tests.api.identity.people import API, PEOPLE, auth, password_of
from tests.system.processes import serving

from .seeds import SECRETS

UI: Final = "/ui/main"
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-features=LocalNetworkAccessChecks",  # what keeps other sites out shall be ours
)
DESK: Final = 1440
PHONE: Final = 390
HEIGHTS: Final = {DESK: 900, PHONE: 844}
_TWIN: Final = re.compile(r"^Failed to load resource: the server responded with a status of")
"""What the console says beside an answer that is looked at anyway."""


class House:
    """A server process, and its API for those who prepare something."""

    def __init__(self, address: str, data: Path) -> None:
        self.address, self.data = address, data
        self.client = httpx.Client(base_url=address, auth=auth("admin"), timeout=30, trust_env=False)
        self._cookies: dict[str, str] = {}

    def cookie(self, role: str) -> str:
        """The session of somebody who logged in once for all tests."""
        if role not in self._cookies:
            with httpx.Client(base_url=self.address, trust_env=False, timeout=30) as client:
                fields = hidden(client.get(LOGIN).text)
                made = client.post(
                    LOGIN, data={**fields, "user": f"the-{role}", "password": password_of(role)}
                )
                assert made.status_code == 303, made.text
                self._cookies[role] = client.cookies[COOKIE]
        return self._cookies[role]

    def save(self, source: str) -> None:
        """Have a flow, whether it was there or not."""
        answer = self.client.post(
            f"{API}/flows", content=source, headers={"Content-Type": "application/x-yaml"}
        )
        assert answer.status_code in (200, 409), answer.text

    def start(self, path: str, **more: Any) -> str:
        """Call a webhook; the execution."""
        answer = self.client.post(f"{API}/executions/webhook/{path}", **more)
        assert answer.status_code == 200, answer.text
        execution: str = answer.json()["id"]
        return execution

    def get(self, path: str) -> Any:
        """What the API says."""
        answer = self.client.get(f"{API}{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def trigger(self, execution: str) -> Any:
        """The trigger's variables as the execution has them."""
        return self.get(f"/executions/{execution}")["trigger"]["variables"]


@contextmanager
def served(directory: Path) -> Generator[House]:
    """Serve what was seeded into a directory."""
    settings = directory / "hookledger.yaml"
    settings.write_text(yaml.safe_dump({"auth": {"users": PEOPLE}, "encryptionKey": "of the tests"}))
    with serving(directory / "flows", directory / "data", "--config", str(settings), more=SECRETS) as server:
        house = House(server.address, directory / "data")
        with house.client:
            yield house


class Visits:
    """Opens browsers' windows on a house and hears everything that goes wrong in them."""

    def __init__(self, chromium: Browser, house: House) -> None:
        self._chromium, self._house = chromium, house
        self._contexts: list[BrowserContext] = []
        self._expected: list[tuple[int, str]] = []
        self.wrong: list[str] = []
        self.confirming = False
        """Whether a question of a page is answered with yes."""

    def window(
        self,
        role: str = "admin",
        *,
        width: int = DESK,
        theme: str = "light",
        scripts: bool = True,
        address: str = "",
        scale: float = 1,
    ) -> Page:
        """A window of a browser of its own; logged in unless the role is empty."""
        context = self._chromium.new_context(
            base_url=address or self._house.address,
            viewport={"width": width, "height": HEIGHTS[width]},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=scripts,
            permissions=["clipboard-read", "clipboard-write"],
            device_scale_factor=scale,
            reduced_motion="reduce",
        )
        context.set_default_timeout(20_000)
        self._contexts.append(context)
        self._listen(context)
        if role:
            cookie = {
                "name": COOKIE,
                "value": self._house.cookie(role),
                "url": address or self._house.address,
            }
            context.add_cookies([cookie])  # type: ignore[list-item]
        return context.new_page()

    def expect(self, status: int, path: str) -> None:
        """An answer with this status is part of the test."""
        self._expected.append((status, path))

    def close(self) -> None:
        """Close every window; what went wrong in them is in `wrong`."""
        for context in self._contexts:
            context.close()

    def _listen(self, context: BrowserContext) -> None:
        context.on("console", self._said)
        context.on("weberror", lambda error: self.wrong.append(f"error: {error.error}"))
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)
        context.on("dialog", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _TWIN.match(message.text):
            self.wrong.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        # Aborted: the page was left while it listened or was about to look again.
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"request: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not any(
            response.status == status and path in response.url for status, path in self._expected
        ):
            self.wrong.append(f"answer: {response.status} {response.request.method} {response.url}")

    def _asked(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload" or (dialog.type == "confirm" and self.confirming):
            dialog.accept()
            return
        self.wrong.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()


def fits(page: Page) -> bool:
    """Whether the page does not scroll sideways."""
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    return bool(wide <= seen)
