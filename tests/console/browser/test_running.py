"""Executions in a browser: through time, and under an operator's hands."""

import re
import shutil
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, expect

from hookledger.journal.sqlite import partition_file
from tests.api.browser import COOKIE
from tests.journal.builders import sql

from .house import UI, House, Visits, served
from .seeds import found

SLEEPER: Final = """
id: {name}
namespace: io.tests
tasks:
  - {{id: say, type: io.kestra.plugin.core.log.Log, message: good night}}
  - {{id: nap, type: io.kestra.plugin.core.flow.Sleep, duration: PT6H}}
triggers:
  - {{id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key}}
"""

FAILS_ONCE: Final = SLEEPER.format(name="failsonce").replace(
    "flow.Sleep, duration: PT6H", "execution.Fail, condition: '{{ taskrun.attemptsCount < 1 }}'"
)


def status_at(house: House, execution: str, event: int) -> str:
    """The state after an event, as the API has it."""
    state: Any = house.get(f"/executions/{execution}/state?at={event}")
    return str(state["state"]["current"])


def menu(page: Page, name: str) -> None:
    """Open the menu with an action's form."""
    page.locator("summary", has_text=re.compile(f"^{name}$")).click()


def moment(page: Page, event: int) -> str:
    """Wait until the state after an event is shown; what is said about it."""
    part = page.locator("#moment")
    expect(part).to_have_attribute("data-at", str(event))
    return part.locator(".state").first.inner_text()


def test_the_slider_moves_through_time(visits: Visits, house: House) -> None:
    """
    By mouse and by keyboard: after each event the state is the one that folding so far gives, the event is marked in
    the list, and the address can be passed on.
    """
    path = found(house.data, "hand_over", "FAILED")
    execution = path.rpartition("/")[2]
    page = visits.window("viewer")
    page.goto(f"{path}/journal")
    expect(page.locator("#badge")).to_have_text("✓ The chain verifies")
    slider = page.get_by_role("slider", name="Event")
    last = int(slider.get_attribute("max") or 0)
    assert last >= 7
    assert moment(page, last) == "FAILED"
    slider.focus()
    page.keyboard.press("Home")
    for event in range(last + 1):
        assert moment(page, event) == status_at(house, execution, event)
        expect(page.locator("ol.events li.shown")).to_have_attribute("id", f"event-{event}")
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Previous").click()
    assert moment(page, last - 1) == status_at(house, execution, last - 1)
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 1, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert moment(page, 0) == status_at(house, execution, 0)
    page.get_by_label("Show the state after event 2", exact=True).click()
    assert moment(page, 2) == status_at(house, execution, 2)
    assert page.url.endswith("/journal?at=2")
    page.reload()
    assert moment(page, 2) == status_at(house, execution, 2)


def test_time_plays_by_itself(visits: Visits, house: House) -> None:
    """
    Play goes from the first event to the last and stops there.
    """
    page = visits.window("viewer")
    page.goto(f"{found(house.data, 'payment_event', 'SUCCESS')}/journal")
    last = page.get_by_role("slider", name="Event").get_attribute("max") or ""
    play = page.locator("#at-play")
    play.click()
    expect(play).to_have_text("Stop")
    expect(page.locator("#moment")).to_have_attribute("data-at", "1")
    expect(page.locator("#moment")).to_have_attribute("data-at", last)
    expect(play).to_have_text("Play")


def test_a_flipped_byte_is_told(visits: Visits, morning: Path, tmp_path: Path) -> None:
    """
    In a copy of the data directory in which one byte of a payload is another: the badge says so, with the rule.
    """
    shutil.copytree(morning, tmp_path, dirs_exist_ok=True)
    path = found(tmp_path / "data", "hand_over", "FAILED")
    execution = path.rpartition("/")[2]
    sql(
        partition_file(tmp_path / "data"),
        "DROP TRIGGER entry_is_never_changed",
        "UPDATE entry SET payload = CAST(replace(CAST(payload AS TEXT), 'warehouse', 'warehause') AS BLOB) "
        f"WHERE exec = '{execution}' AND n = 0",
    )
    with served(tmp_path) as house:
        cookie = house.cookie("auditor")
        page = visits.window("", address=house.address)
        page.context.add_cookies([{"name": COOKIE, "value": cookie, "url": house.address}])
        page.goto(f"{path}/journal")
        expect(page.locator("#badge")).to_have_text("✗ The chain does not verify")
        expect(page.locator(".violations")).to_contain_text("S04")
        expect(page.locator("#verify-command")).to_have_text(f"hookledger journal verify {execution}")
        page.wait_for_load_state("networkidle")  # the server ends with this block


def test_one_is_killed(visits: Visits, house: House) -> None:
    """
    The kill with its reason: every page open on it shows it by itself, and nothing offers to restart it.
    """
    house.save(SLEEPER.format(name="sleeper"))
    execution = house.start("io.tests/sleeper/a-secret-key")
    page = visits.window("operator")
    page.goto(f"{UI}/executions/{execution}")
    watching = page.context.new_page()
    watching.goto(f"{UI}/executions/{execution}")
    state, seen = page.locator("#run-head .state"), watching.locator("#run-head .state")
    expect(state).to_have_text("RUNNING")
    expect(watching.locator(".live")).to_have_text("Live")
    menu(page, "Kill")
    page.get_by_label("Reason").fill("it's <b>enough</b>")
    page.get_by_role("button", name="Kill this execution").click()
    expect(page.get_by_role("status").first).to_have_text("The kill is recorded.")
    expect(state).to_have_text("KILLED")
    expect(seen).to_have_text("KILLED")
    expect(page.locator("#story")).to_contain_text("it's <b>enough</b>")
    expect(page.locator("summary").filter(has_text=re.compile(r"^Restart$"))).to_have_count(0)
    page.get_by_role("link", name="Journal").click()
    expect(page.locator("#events")).to_contain_text("KillRequested")
    expect(page.locator("#badge")).to_have_text("✓ The chain verifies")


def test_one_that_failed_is_restarted(visits: Visits, house: House) -> None:
    """
    The restart with its reason: the page shows it by itself, and the journal says who and why.
    """
    house.save(FAILS_ONCE)
    execution = house.start("io.tests/failsonce/a-secret-key")
    page = visits.window("operator")
    page.goto(f"{UI}/executions/{execution}")
    state = page.locator("#run-head .state")
    expect(state).to_have_text("FAILED")
    menu(page, "Restart")
    page.get_by_label("Reason").fill("once more")
    page.get_by_role("button", name="Restart", exact=True).click()
    expect(state).to_have_text("SUCCESS")
    page.get_by_role("link", name="Journal").click()
    expect(page.locator("#events")).to_contain_text("ExecutionRestarted")
    expect(page.locator("#events")).to_contain_text("once more")
    expect(page.locator("#badge")).to_have_text("✓ The chain verifies")


def test_a_paused_one_is_answered(visits: Visits, house: House) -> None:
    """
    The form has what the flow asks for; a yes lets it go on to its end, and what was typed is its output.
    """
    body = {"service": "shop", "version": "3.0.0"}
    execution = house.start("ops.deploy/approval/may-it-go-out", json=body)
    page = visits.window("operator")
    page.goto(f"{UI}/executions/{execution}")
    form = page.locator("#ask-1")
    expect(page.locator("#run-head .state")).to_have_text("PAUSED")
    form.get_by_label("approved").select_option("true")
    form.get_by_label("reason").fill("tested <i>twice</i> & found good")
    form.get_by_role("button", name="Resume").click()
    expect(page.locator("#run-head .state")).to_have_text("SUCCESS")
    expect(page.locator("#facts")).to_contain_text("tested <i>twice</i> & found good")
    expect(page.locator("#ask-1")).to_have_count(0)


def test_one_is_replayed(visits: Visits, house: House) -> None:
    """
    A new execution from what started the old one; the old one stays as it was.
    """
    path = found(house.data, "payment_event", "SUCCESS")
    page = visits.window("operator")
    page.goto(path)
    menu(page, "Replay")
    page.get_by_role("button", name="Start a new execution").click()
    expect(page.get_by_role("status").first).to_have_text("A new execution has begun.")
    expect(page.locator("#run-head .state")).to_have_text("SUCCESS")
    assert not page.url.startswith(house.address + path)


def test_labels_and_notes_are_added(visits: Visits, house: House) -> None:
    """
    Both are on the page afterwards, as text whatever they hold.
    """
    page = visits.window("operator")
    page.goto(found(house.data, "payment_event", "SUCCESS"))
    menu(page, "Labels")
    page.get_by_label("Labels to add or replace").fill("ticket: <b>17</b>")
    page.get_by_role("button", name="Set labels").click()
    expect(page.locator("#facts a.tag", has_text="ticket")).to_have_text("ticket: <b>17</b>")
    menu(page, "Note")
    page.get_by_role("textbox", name="Note").fill("asked Stripe\n<script>window.pwned = 1</script>")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".notes .text")).to_contain_text("<script>window.pwned = 1</script>")
    assert page.evaluate("window.pwned") is None
