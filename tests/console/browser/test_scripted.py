"""The whole job in a browser: write a flow, copy its URL, send to it, watch what comes of it."""

import json
import re
import subprocess
from typing import Final

import httpx
from playwright.sync_api import Page, expect

from .house import UI, House, Visits

FLOW: Final = """id: {name}
namespace: io.tests
tasks:
  - id: out
    type: io.kestra.plugin.core.debug.Retrun
    format: "{{{{ trigger.body }}}}"
triggers:
  - id: webhook
    type: io.kestra.plugin.core.trigger.Webhook
    key: a-secret-key
"""
ECHO: Final = FLOW.replace("Retrun", "Return")
WILD: Final = {
    "quotes": "it's \"so\" 'said'",
    "shell": "$HOME ${PATH} $(id) `id` \\ \\n ! # ; & | > < * ? ~ %s {a,b}",
    "lines": "first\nsecond\r\n\ttabbed",
    "letters": "é ß 漢字 \U0001f389 \u202e \u0000",
    "html": "</pre><script>window.pwned = 1</script>",
    "last": "the-end",
}


def clipboard(page: Page) -> str:
    """What was copied."""
    return str(page.evaluate("navigator.clipboard.readText()"))


def shell(line: str) -> str:
    """Type a line into a shell."""
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=30)
    return done.stdout.decode()


def curl_of(page: Page, trigger: str, payload: str) -> str:
    """Open the dialog of a flow's page, type a payload, press Copy: the line."""
    page.get_by_role("link", name="Execute", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Payload").fill(payload)
    line = dialog.get_by_role("region", name=f"curl line of {trigger}")
    expect(line).to_contain_text("the-end")
    expect(line).not_to_contain_text("a-secret-key")
    copy = dialog.locator(f"[data-copy=curl-{trigger}-line]")
    copy.click()
    expect(copy).to_have_text("Copied")
    return clipboard(page)


def test_a_flow_is_written(visits: Visits) -> None:
    """
    While one types, a mistake is named at its line; the list leads there; corrected, the text is saved.
    """
    page = visits.window()
    page.goto(f"{UI}/flows")
    page.get_by_role("link", name="New flow").click()
    page.locator("#source").fill(FLOW.format(name="written"))
    (fault,) = [page.locator("#faults li.bad")]
    expect(fault).to_contain_text("Line 5")
    expect(fault).to_contain_text("io.kestra.plugin.core.debug.Return")
    expect(page.locator(".gutter span.bad")).to_have_text("5")
    page.get_by_role("link", name=re.compile("Line 5")).click()
    page.keyboard.press("End")
    for _ in "run":
        page.keyboard.press("Backspace")
    page.keyboard.type("urn")
    expect(page.locator("#editor-state")).to_have_text("Checked: nothing is wrong.")
    expect(page.locator("#faults")).to_be_hidden()
    expect(page.locator(".gutter span.bad")).to_have_count(0)
    page.get_by_role("button", name="Create flow").click()
    expect(page.get_by_role("status").first).to_have_text("The flow is created.")
    expect(page.get_by_role("heading", name="written", level=1)).to_be_visible()


def test_the_url_of_a_webhook_is_copied(visits: Visits, house: House) -> None:
    """
    It is shown without its key until somebody asks; Copy takes the whole, and the whole starts an execution.
    """
    house.save(ECHO.format(name="copied"))
    page = visits.window("operator")
    page.goto(f"{UI}/flows/io.tests/copied")
    page.get_by_role("link", name="Triggers").click()
    url = page.get_by_role("region", name="URL of webhook")
    expect(url).not_to_contain_text("a-secret-key")
    page.locator("#trigger-webhook [data-copy]").first.click()
    copied = clipboard(page)
    page.locator("#trigger-webhook [data-reveal]").first.click()
    expect(url).to_have_text(copied)
    page.locator("#trigger-webhook [data-reveal]").first.click()
    expect(url).not_to_contain_text("a-secret-key")
    answer = httpx.post(copied, json={"x": 1}, trust_env=False)
    assert house.trigger(answer.json()["id"])["body"] == {"x": 1}
    expect(page.locator("#trigger-webhook-deliveries")).to_contain_text("accepted")


def test_the_curl_line_carries_what_was_typed(visits: Visits, house: House) -> None:
    """
    Whatever stands in the payload: the very line, run by a shell, brings it unchanged into the flow. The execution
    shows up beside the form and in a list that was open all the time, by itself.
    """
    house.save(ECHO.format(name="shelled"))
    page = visits.window("operator")
    rows = page.context.new_page()
    rows.goto(f"{UI}/executions?flow=shelled&since=PT1H")
    expect(rows.locator(".live")).to_have_text("Live")
    page.goto(f"{UI}/flows/io.tests/shelled")
    payload = json.dumps(WILD, ensure_ascii=False, indent=2)
    line = curl_of(page, "webhook", payload)
    assert line.startswith("curl -X POST ")
    execution = json.loads(shell(line))["id"]
    assert house.trigger(execution)["body"] == WILD
    expect(page.locator("#newest-link")).to_have_text(execution)
    expect(page.locator("#execute-result")).to_contain_text("SUCCESS")
    row = rows.locator("#list tbody tr").first
    expect(row).to_contain_text(execution)
    expect(row).to_contain_text("SUCCESS")
    assert page.evaluate("window.pwned") is None


def test_a_line_is_signed_for_now(visits: Visits, house: House) -> None:
    """
    Where the trigger asks for a signature, the line has one that is accepted; with one letter more it is refused.
    """
    page = visits.window("operator")
    page.goto(f"{UI}/flows/ops.deploy/push")
    line = curl_of(page, "github", '{"ref":"the-end"}')
    execution = json.loads(shell(line))["id"]
    assert house.trigger(execution)["body"] == {"ref": "the-end"}
    assert json.loads(shell(line.replace("the-end", "the-ends")))["status"] == 401


def test_it_is_started_by_hand(visits: Visits, house: House) -> None:
    """
    A mistake stands at its field and what was typed stays; corrected, state and outputs come beside the form.
    """
    house.save(
        "id: handed\nnamespace: io.tests\ninputs:\n  - {id: number, type: INT}\n"
        "tasks:\n  - {id: out, type: io.kestra.plugin.core.log.Log, message: hi}\n"
        'outputs:\n  - {id: twice, type: INT, value: "{{ inputs.number * 2 }}"}\n'
    )
    page = visits.window("operator")
    page.goto(f"{UI}/flows/io.tests/handed")
    page.get_by_role("link", name="Execute", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Labels").fill("no label")
    dialog.get_by_label("number").fill("21")
    visits.expect(422, "/handed/execute")
    dialog.get_by_role("button", name="Execute").click()
    expect(dialog.locator("#labels")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_label("number")).to_have_value("21")
    dialog.get_by_label("Labels").fill("team: payments")
    dialog.get_by_role("button", name="Execute").click()
    expect(dialog.locator("#execute-result")).to_contain_text("SUCCESS")
    expect(dialog.locator("#execute-result dd")).to_have_text("42")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
