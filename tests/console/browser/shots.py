"""Makes the pictures of the documents: `python -m tests.console.browser.shots [DIRECTORY]`, docs/images by default.

The same shop as in the tests, with an hour behind it. Pictures are as small as Pillow makes them, where there is one.
"""

import importlib.util
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, expect, sync_playwright

from tests.api.identity.people import API, auth
from tests.system.processes import ROOT

from .conftest import CHROMIUM
from .house import DESK, FLAGS, PHONE, UI, House, Visits, served
from .seeds import FLOWS, PATHS, delivery_of, found, seed

MINUTES: Final = 52
TALL_MAX: Final = 1400
DIALOG_TALL: Final = 1120
COLOURS: Final = 256

Steps = Callable[[Page], None]


def nothing(page: Page) -> None:
    """The page as it opens."""


def half_way(page: Page) -> None:
    """The journal, some events back."""
    page.locator("#at-range").evaluate("one => { one.value = 2; one.dispatchEvent(new Event('input')); }")
    expect(page.locator("#moment")).to_have_attribute("data-at", "2")


def dialog(page: Page) -> None:
    """The execute dialog with a payload and the answer to it."""
    page.locator("#execute").click()
    payload = '{\n  "order": "A-2001",\n  "total": 129,\n  "note": "it\'s for $HOME"\n}'
    page.get_by_label("Payload").fill(payload)
    expect(page.locator("[id^=curl-][id$=-line]")).to_contain_text("A-2001")
    expect(page.locator("#execute-result .live")).to_have_text("Live")


def mistaken(page: Page) -> None:
    """The editor with a mistake in it."""
    area = page.locator("#source")
    area.fill(
        re.sub(
            r"(?m)^(\s*type: io\.kestra\.plugin\.core\.)[a-z]+\.[A-Z]\w+",
            r"\1log.Lgo",
            area.input_value(),
            count=1,
        )
    )
    expect(page.locator("#faults li.bad").first).to_be_visible()


def tested(page: Page) -> None:
    """A dry run of a webhook."""
    page.get_by_text("Send a test").click()
    page.get_by_role("button", name="Send test").click()
    expect(page.locator(".steps")).to_be_visible()


def ready(page: Page) -> None:
    """Wait until what keeps itself up to date does, and drawn bars have their place."""
    lamp = page.locator(".live:visible")
    if page.locator("[data-live]").count() and lamp.count():
        expect(lamp.first).to_have_text(re.compile("Live|Ended"))


def pictures(house: House) -> list[tuple[str, str, Steps]]:
    """Name, address, and what is done there first."""
    failed, paused = found(house.data, "hand_over", "FAILED"), found(house.data, "approval", "PAUSED")
    order, stock = found(house.data, "new_order", "SUCCESS"), found(house.data, "stock_sync", "WARNING")
    duplicate = delivery_of(house.data, "stripe", "DUPLICATE")
    flows = f"{UI}/flows"
    return [
        ("dashboard", f"{UI}/", nothing),
        ("flows", flows, nothing),
        ("flow", f"{flows}/shop.orders/new_order", nothing),
        ("source", f"{flows}/shop.orders/new_order/source", mistaken),
        ("triggers", f"{flows}/shop.billing/payment_event/triggers", nothing),
        ("test", f"{flows}/shop.billing/payment_event/triggers", tested),
        ("flow-executions", f"{flows}/shop.orders/new_order/executions", nothing),
        ("revisions", f"{flows}/shop.orders/new_order/revisions", nothing),
        ("execute", f"{flows}/shop.orders/new_order", dialog),
        ("execute-inputs", f"{flows}/ops.deploy/approval/execute", nothing),
        ("new-flow", f"{flows}/new", nothing),
        ("delivery", f"{UI}/deliveries/{duplicate}", nothing),
        ("executions", f"{UI}/executions", nothing),
        ("execution", failed, nothing),
        ("paused", paused, nothing),
        ("timeline", f"{order}/timeline", nothing),
        ("timeline-retries", f"{failed}/timeline", nothing),
        ("topology", f"{order}/topology", nothing),
        ("logs", f"{failed}/logs", nothing),
        ("outputs", f"{stock}/outputs", nothing),
        ("journal", f"{failed}/journal", half_way),
        ("audit", f"{UI}/audit", nothing),
        ("tokens", f"{UI}/tokens", nothing),
    ]


DARK: Final = ("dashboard", "journal", "execute", "source", "timeline")
SMALL: Final = (
    "dashboard",
    "flows",
    "triggers",
    "executions",
    "execution",
    "paused",
    "journal",
    "execute",
    "timeline",
    "source",
)


def prepare(house: House) -> None:
    """What people do to a house: a change, tokens, attempts that were refused."""
    changed = FLOWS["new_order"].replace("> 500", "> 400").replace("over {{", "for {{")
    yaml = {"Content-Type": "application/x-yaml"}
    house.client.put(f"{API}/flows/shop.orders/new_order", content=changed, headers=yaml).raise_for_status()
    for name, role, life in (
        ("deploy-bot", "operator", "P90D"),
        ("dashboards", "viewer", ""),
        ("old-ci", "admin", "P30D"),
    ):
        made = house.client.post(f"{API}/tokens", json={"name": name, "role": role, "expiresIn": life}).json()
    house.client.delete(f"{API}/tokens/{made['id']}")
    hook = f"{API}/executions/webhook"
    house.client.get(f"{hook}/{PATHS['new_order']}")
    house.client.post(f"{hook}/{PATHS['payment_event']}", content=b"{}")
    house.client.get(f"{API}/tokens", auth=auth("viewer"))
    house.client.get(f"{API}/tokens", auth=("the-admin", "wrong"))


def shoot(visits: Visits, house: House, directory: Path) -> None:
    """Every picture."""
    login = visits.window("")
    login.goto(f"{UI}/login")
    save(login, directory / "login.png", DESK)
    for name, path, steps in pictures(house):
        for width, theme, wanted in (
            (DESK, "light", True),
            (DESK, "dark", name in DARK),
            (PHONE, "light", name in SMALL),
        ):
            if wanted:
                page = visits.window("admin", width=width, theme=theme)
                page.goto(path)
                ready(page)
                steps(page)
                ending = ("-dark" if theme == "dark" else "") + ("-phone" if width == PHONE else "")
                save(page, directory / f"{name}{ending}.png", width)
                page.context.close()


def save(page: Page, file: Path, width: int) -> None:
    """As tall as the page is, within bounds."""
    tall: Any = page.evaluate("document.documentElement.scrollHeight")
    height = DIALOG_TALL if page.locator("dialog").count() else max(500, min(int(tall), TALL_MAX))
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=file, animations="disabled", caret="hide")
    shrink(file)


def shrink(file: Path) -> None:
    """Fewer colours: pages have few."""
    if importlib.util.find_spec("PIL") is not None:
        image: Any = importlib.import_module("PIL.Image")
        image.open(file).convert("RGB").quantize(COLOURS, method=1, dither=0).save(file, optimize=True)


def main() -> None:
    """Serve, look, save."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "shop"
        directory.mkdir()
        seed(directory, MINUTES)
        with served(directory) as house, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            visits = Visits(browser, house)
            prepare(house)
            shoot(visits, house, target)
            browser.close()
    for line in visits.wrong:
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(f"{sum(one.stat().st_size for one in target.glob('*.png')) // 1024} KiB in {target}\n")


if __name__ == "__main__":
    main()
