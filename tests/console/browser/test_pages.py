"""Every page, in both themes, on a desk and on a phone: nobody is shut out, and nothing scrolls sideways."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from .house import DESK, PHONE, House, Visits, fits
from .places import NO_PAGES, PAGES, ROUTES, places

WIDTHS: Final = (DESK, PHONE)
ALL: Final = sorted({*PAGES, *(route for route in ROUTES if route not in NO_PAGES)})
AXE: Final[str] = Axe().axe_script
CONTRAST: Final = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
WHOLE: Final = {"resultTypes": ["violations"]}


def violations(page: Page, options: dict[str, Any]) -> Iterator[str]:
    """What axe-core, which is in the page already, finds of every impact."""
    found: Any = page.evaluate("options => axe.run(options)", options)
    for one in found["violations"]:
        for node in one["nodes"]:
            what = f"{one['impact']} {one['id']}: {one['help']}"
            yield f"{what}: {node['html'][:160]} {node['failureSummary'][:300]}"


def test_every_page_is_looked_at(house: House) -> None:
    """
    The list of pages is that of the console's table; a new page without an address here fails.
    """
    assert set(places(house)) - {"/login", "no page"} == set(ROUTES) - NO_PAGES


@pytest.mark.parametrize("route", ALL)
def test_a_page_is_for_everybody(visits: Visits, house: House, route: str) -> None:
    """
    axe-core finds nothing of any weight, in light and in dark; at 1,440 and at 390 pixels the page has its width.
    """
    visits.expect(404, "/ui/main/")
    wrong: list[str] = []
    for width in WIDTHS:
        page = visits.window("" if route == "/login" else "admin", width=width)
        for path in places(house)[route]:
            page.goto(path)
            expect(page.locator("h1")).to_have_count(1)
            if not fits(page):
                wrong.append(f"{path} at {width}: scrolls sideways")
            page.evaluate(AXE)
            wrong += [f"{path} at {width}: {one}" for one in violations(page, WHOLE)]
            page.emulate_media(color_scheme="dark")
            wrong += [f"{path} at {width}, dark: {one}" for one in violations(page, CONTRAST)]
            page.emulate_media(color_scheme="light")
    assert wrong == []
