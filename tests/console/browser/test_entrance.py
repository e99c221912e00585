"""Coming in and going out, the theme, and doing everything by keyboard."""

import re
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.api.identity.people import password_of

from .house import UI, House, Visits

STOPS_MAX: Final = 60
NAME: Final = """() => {
  const one = document.activeElement;
  const label = one.labels?.[0]?.textContent ?? one.getAttribute("aria-label") ?? one.textContent;
  return label.trim().replace(/\\s+/g, " ");
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name has the focus, and shows it."""
    for _ in range(STOPS_MAX):
        page.keyboard.press("Tab")
        if page.evaluate(NAME) == name:
            shown: Any = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert shown != "none", f"nobody sees that {name} has the focus"
            return
    raise AssertionError(f"{name} is not reached by Tab")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_person_logs_in_and_out(visits: Visits, scripts: bool) -> None:
    """
    A wrong password is told on the form, the right one leads to the page that was wanted, and after logging out the
    back button shows nothing.
    """
    page = visits.window("", scripts=scripts)
    visits.expect(401, f"{UI}/login")
    page.goto(f"{UI}/executions?state=FAILED")
    page.get_by_label("User name").fill("the-viewer")
    page.get_by_label("Password").fill("no")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is not right.")
    expect(page.get_by_label("User name")).to_have_value("the-viewer")
    page.get_by_label("Password").fill(password_of("viewer"))
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(rf"{UI}/executions\?state=FAILED$"))
    expect(page.get_by_text("the-viewer (viewer)")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    page.goto(f"{UI}/flows")
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()


def test_a_page_whose_session_ended_leads_to_the_login(visits: Visits, house: House) -> None:
    """
    A list that was left open does not stand there as if nothing had happened: at the next news it is the login, which
    leads back to it.
    """
    page = visits.window("")
    page.goto(f"{UI}/executions")
    page.get_by_label("User name").fill("the-viewer")
    page.get_by_label("Password").fill(password_of("viewer"))
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".live")).to_have_text("Live")
    page.context.clear_cookies()
    house.start("shop.orders/stock_sync/sync-the-stock")
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    expect(page).to_have_url(re.compile("next=.*executions"))


def test_the_theme_stays(visits: Visits) -> None:
    """
    The system's theme at first; what a person chose holds on the next page, after a reload and in another window.
    """
    page = visits.window("viewer", theme="dark")
    page.goto(f"{UI}/flows")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Theme").click()
    light = page.evaluate(ground)
    assert light != dark
    page.get_by_role("link", name="Executions", exact=True).click()
    expect(page.get_by_role("heading", name="Executions", level=1)).to_be_visible()
    assert page.evaluate(ground) == light
    page.reload()
    assert page.evaluate(ground) == light
    other = page.context.new_page()
    other.goto(f"{UI}/")
    assert other.evaluate(ground) == light
    bright = visits.window("viewer", theme="light")
    bright.goto(f"{UI}/flows")
    assert bright.evaluate(ground) == light


def test_it_is_done_by_keyboard(visits: Visits, house: House) -> None:
    """
    Log in, find a flow, execute it, look at what came of it: Tab, Enter and letters, and one always sees where one is.
    """
    house.save(
        "id: a_first\nnamespace: io.a\ntasks:\n  - {id: out, type: io.kestra.plugin.core.log.Log, message: hi}\n"
    )
    page = visits.window("")
    page.goto(UI + "/")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("the-operator")
    tab_to(page, "Password")
    page.keyboard.type(password_of("operator"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
    tab_to(page, "Skip to content")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.goto(f"{UI}/")
    tab_to(page, "Flows")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Flows", level=1)).to_be_visible()
    tab_to(page, "a_first")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="a_first", level=1)).to_be_visible()
    tab_to(page, "Execute")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to(page, "Execute")
    page.keyboard.press("Enter")
    expect(page.locator("#execute-result")).to_contain_text("SUCCESS")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#execute")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    execution = page.locator("#newest-link").inner_text()
    tab_to(page, execution)
    page.keyboard.press("Enter")
    expect(page.locator("#execution-id")).to_have_text(execution)
    tab_to(page, "Journal")
    page.keyboard.press("Enter")
    expect(page.locator("#slider")).to_be_visible()
    tab_to(page, "Event")
    page.keyboard.press("Home")
    expect(page.locator("#moment")).to_have_attribute("data-at", "0")


def test_the_editor_lets_go_of_the_keyboard(visits: Visits) -> None:
    """
    Tab indents; Escape, then Tab leaves, so nobody is caught in it.
    """
    page = visits.window("admin")
    page.goto(f"{UI}/flows/new")
    page.locator("#source").fill("")
    page.keyboard.press("Tab")
    expect(page.locator("#source")).to_have_value("  ")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator("#source")).not_to_be_focused()
