"""The same console without JavaScript, on a phone and on a desk: what is read, and every form."""

import json
import re
import subprocess
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from .house import DESK, PHONE, UI, House, Visits, fits
from .places import places
from .test_running import SLEEPER, menu
from .test_scripted import ECHO, FLOW

WIDTHS: Final = (DESK, PHONE)
LOADS_MAX: Final = 50


def comes_to(page: Page, state: str) -> None:
    """Load the page of an execution again, as a person without scripts does, until it shows a state."""
    for _ in range(LOADS_MAX):
        page.goto(page.url.partition("?")[0])
        if page.locator("#run-head .state").inner_text() == state:
            return
    raise AssertionError(f"it does not come to {state}")


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_read(visits: Visits, house: House, width: int) -> None:
    """
    Each has its heading and its text, keeps to its width, and offers no control that only a script would work.
    """
    visits.expect(404, f"{UI}/")
    page = visits.window("admin", width=width, scripts=False)
    for path in (path for paths in places(house).values() for path in paths):
        page.goto(path)
        expect(page.locator("h1")).to_have_count(1)
        assert fits(page), path
        shown = page.locator("button:visible")
        for button in shown.all():
            assert button.evaluate("one => one.form !== null"), f"{path}: {button.inner_text()} does nothing"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_flow_is_written_and_called(visits: Visits, house: House, width: int) -> None:
    """
    A mistake comes back with its line and the text, the corrected text is saved; the line of the curl form, made for
    the typed payload, works in a shell; the execution stands in the list.
    """
    name = f"plain{width}"
    page = visits.window("admin", width=width, scripts=False)
    page.goto(f"{UI}/flows")
    page.get_by_role("link", name="New flow").click()
    visits.expect(422, f"{UI}/flows/new")
    page.get_by_label("Source (YAML)").fill(FLOW.format(name=name))
    page.get_by_role("button", name="Create flow").click()
    expect(page.locator("#faults")).to_contain_text("Line 5")
    expect(page.get_by_label("Source (YAML)")).to_have_value(FLOW.format(name=name))
    page.get_by_label("Source (YAML)").fill(ECHO.format(name=name))
    page.get_by_role("button", name="Create flow").click()
    expect(page.get_by_text("The flow is created.")).to_be_visible()
    page.get_by_role("link", name="Triggers").click()
    page.locator("noscript summary").first.click()
    assert house.get("/flows/io.tests/" + name)["id"] == name
    url = page.locator("noscript pre").first.inner_text()
    assert url.endswith(f"/io.tests/{name}/a-secret-key")
    page.get_by_role("link", name="Execute", exact=True).click()
    payload = '{"said": "it\'s $HOME `id` é"}'
    page.get_by_label("Payload").fill(payload)
    page.get_by_role("button", name="Refresh the line").click()
    page.locator("noscript summary").first.click()
    line = page.locator("noscript pre").first.inner_text()
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=30)
    execution = json.loads(done.stdout)["id"]
    assert house.trigger(execution)["body"] == json.loads(payload)
    page.goto(f"{UI}/executions?flow={name}")
    page.get_by_role("link", name=execution).click()
    comes_to(page, "SUCCESS")
    page.get_by_role("link", name="Journal").click()
    page.get_by_label("State after event", exact=True).fill("0")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#moment")).to_have_attribute("data-at", "0")
    assert fits(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_an_execution_is_operated(visits: Visits, house: House, width: int) -> None:
    """
    Started by hand, labelled, killed, replayed: with forms alone.
    """
    name = f"napper{width}"
    house.save(SLEEPER.format(name=name))
    page = visits.window("operator", width=width, scripts=False)
    page.goto(f"{UI}/flows/io.tests/{name}")
    page.get_by_role("link", name="Execute", exact=True).click()
    page.get_by_role("button", name="Execute").click()
    page.locator("#execution-link").click()
    state = page.locator("#run-head .state")
    comes_to(page, "RUNNING")
    menu(page, "Labels")
    page.get_by_label("Labels to add or replace").fill("by: hand")
    page.get_by_role("button", name="Set labels").click()
    expect(page.locator("#facts")).to_contain_text("by: hand")
    menu(page, "Kill")
    page.get_by_label("Reason").fill("enough")
    page.get_by_role("button", name="Kill this execution").click()
    expect(state).to_have_text(re.compile("KILL"))
    comes_to(page, "KILLED")
    menu(page, "Replay")
    page.get_by_role("button", name="Start a new execution").click()
    comes_to(page, "RUNNING")
    assert fits(page)
    menu(page, "Kill")
    page.get_by_role("button", name="Kill this execution").click()


def test_a_paused_one_is_answered(visits: Visits, house: House) -> None:
    """
    An answer that the flow does not take comes back with its field; the right one is taken.
    """
    body = {"service": "shop", "version": "3.1.0"}
    execution = house.start("ops.deploy/approval/may-it-go-out", json=body)
    page = visits.window("operator", width=PHONE, scripts=False)
    page.goto(f"{UI}/executions/{execution}")
    form = page.locator("#ask-1")
    form.get_by_label("approved").select_option("false")
    form.get_by_label("reason").fill("not on a Friday")
    form.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status").first).to_have_text("The execution goes on.")
    comes_to(page, "CANCELLED")
