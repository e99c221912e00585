"""What an operator does through the API: start, pause, resume, kill, restart, label, read logs."""

from pathlib import Path
from typing import Any

import httpx

from .site import USER, Site, open_site

API = "/api/v1/main"

APPROVAL = """id: approval
namespace: io.tests
inputs:
  - id: amount
    type: INT
tasks:
  - id: said
    type: io.kestra.plugin.core.log.Log
    message: "asked for {{ inputs.amount }}"
  - id: wait
    type: io.kestra.plugin.core.flow.Pause
  - id: decide
    type: io.kestra.plugin.core.debug.Return
    format: "{{ outputs.wait.onResume.verdict }}"
"""


async def send(site: Site, method: str, path: str, body: Any = None) -> httpx.Response:
    """Send an authenticated request."""
    return await site.client.request(method, API + path, json=body, auth=USER)


async def started(site: Site) -> str:
    """Start the flow by hand and wait until it is paused."""
    response = await send(site, "POST", "/executions/io.tests/approval", {"inputs": {"amount": "7"}})
    assert response.status_code == 200, response.text
    execution = str(response.json()["id"])
    await site.until(lambda: any(type(e).__name__ == "ExecutionPaused" for e in site.events(execution)))
    return execution


async def test_a_paused_execution_is_resumed_with_inputs(tmp_path: Path) -> None:
    """
    `actions/resume` ends a pause; what the person gave is the pause's output, and the journal says who it was.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        body = {"inputs": {"verdict": "yes"}, "reason": "fine"}
        response = await send(site, "POST", f"/executions/{execution}/actions/resume", body)
        assert response.status_code == 200
        await site.until(lambda: type(site.events(execution)[-1]).__name__ == "OutputsResolved")
        shown = (await send(site, "GET", f"/executions/{execution}")).json()
        resumed: Any = next(e for e in site.events(execution) if type(e).__name__ == "ExecutionResumed")
        headers = b"".join(entry.raw for entry in site.entries(execution))
    assert USER[0].encode() not in headers  # headers outlive erasure, so no name stands in them
    assert shown["taskRunList"][-1]["outputs"] == {"value": "yes"}
    assert (resumed.by, resumed.reason) == (f"user:{USER[0]}", "fine")


async def test_a_killed_execution_stays_so(tmp_path: Path) -> None:
    """
    A killed execution ends KILLED and keeps what had succeeded; a restart of it is refused.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        assert (await send(site, "DELETE", f"/executions/{execution}/kill")).status_code == 200
        await site.until(lambda: type(site.events(execution)[-1]).__name__ == "ExecutionKilled")
        again = await send(site, "POST", f"/executions/{execution}/actions/restart")
        starts = [e for e in site.events(execution) if type(e).__name__ == "TaskStarted"]
    assert again.status_code == 409
    assert len(starts) == 1


async def test_a_wrong_member_of_a_body_is_named(tmp_path: Path) -> None:
    """
    What a body may not hold is named by its path, in words.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        said = [
            (await send(site, "POST", path, body)).json()["detail"]
            for path, body in (
                ("/executions/io.tests/approval", {"inputs": 3}),
                (f"/executions/{execution}/actions/restart", {"revision": "x"}),
                (f"/executions/{execution}/actions/labels", [{"key": "", "value": "x"}]),
            )
        ]
    for detail, path in zip(said, ("inputs: ", "revision: ", "[0].key: "), strict=True):
        assert f": {path}" in detail


ASKS = """
id: asks
namespace: io.tests
tasks:
  - id: wait
    type: io.kestra.plugin.core.flow.Pause
    onResume:
      - {id: approved, type: BOOLEAN}
      - {id: level, type: INT, defaults: 3, min: 1}
      - {id: pin, type: SECRET, required: false}
"""


async def test_an_answer_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    """
    A resume whose inputs do not fit is 422 and names every one of them; the execution stays PAUSED, as JSON and as a
    form, under both paths; `resume/validate` says the same of each input and changes nothing.
    """
    bad = {"approved": "maybe", "level": 0, "other": 1}
    async with open_site(tmp_path, {"f": ASKS}) as site:
        execution = (await send(site, "POST", "/executions/io.tests/asks")).json()["id"]
        await site.until(lambda: type(site.events(execution)[-1]).__name__ == "ExecutionPaused")
        one = f"/executions/{execution}"
        before = site.journal_bytes()
        refused = [
            await send(site, "POST", f"{one}/actions/resume", {"inputs": bad}),
            await send(site, "POST", f"{one}/resume", {"inputs": bad}),
            await site.client.post(
                f"/api/v1/main{one}/actions/resume",
                auth=USER,
                files={key: (None, str(bad[key])) for key in bad},
            ),
        ]
        missing = await send(site, "POST", f"{one}/actions/resume")
        checks = [
            (await send(site, "POST", f"{one}/{path}", {"inputs": {**bad, "pin": "1234"}})).json()
            for path in ("actions/resume/validate", "resume/validate")
        ]
        other = await send(site, "POST", f"{one}/actions/resume/validate", {"path": "elsewhere"})
        assert site.journal_bytes() == before
        state = (await send(site, "GET", one)).json()["state"]["current"]
        good = await send(site, "POST", f"{one}/actions/resume", {"inputs": {"approved": True}})
        await site.until(lambda: type(site.events(execution)[-1]).__name__ == "OutputsResolved")
        over = await send(site, "POST", f"{one}/actions/resume/validate")
    for answer in refused:
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (422, "urn:hookledger:problem:inputs-invalid")
        assert {fault["path"] for fault in problem["errors"]} == set(bad)
        assert all(name in problem["detail"] for name in bad)
    assert [fault["path"] for fault in missing.json()["errors"]] == ["approved"]
    assert (state, good.status_code) == ("PAUSED", 200)
    assert checks[0] == checks[1]
    assert (checks[0]["id"], checks[0]["namespace"], checks[0]["checks"]) == ("asks", "io.tests", [])
    found = {one["input"]["id"]: one for one in checks[0]["inputs"]}
    assert {name for name, one in found.items() if one["errors"]} == set(bad)
    assert (found["pin"]["value"], found["level"]["value"]) == ("******", 0)
    assert [answer.status_code for answer in (other, over)] == [409, 409]


async def test_what_is_not_possible_is_refused_with_the_reason(tmp_path: Path) -> None:
    """
    Unknown executions are 404, impossible commands 409, unreadable bodies 422, bad inputs 422; all are problems.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        answers = [
            await send(site, "POST", "/executions/nobody/actions/pause"),
            await send(site, "POST", f"/executions/{execution}/actions/restart"),
            await send(site, "POST", f"/executions/{execution}/actions/resume", {"pth": "x"}),
            await send(site, "POST", "/executions/io.tests/approval", {"inputs": {"amount": "many"}}),
            await send(site, "POST", "/executions/io.tests/nothing"),
        ]
    assert [answer.status_code for answer in answers] == [404, 409, 422, 422, 404]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)
    assert "only a finished execution" in answers[1].json()["detail"]


async def test_operators_need_credentials(tmp_path: Path) -> None:
    """
    None of this works without right credentials, and nothing happens.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        before = len(site.events(execution))
        for method, path in (
            ("DELETE", f"/executions/{execution}/kill"),
            ("POST", f"/executions/{execution}/actions/resume"),
            ("POST", "/executions/io.tests/approval"),
            ("GET", f"/logs/{execution}"),
        ):
            assert (await site.client.request(method, API + path)).status_code == 401
        assert len(site.events(execution)) == before
        assert site.executions() == {execution}


async def test_logs_and_labels(tmp_path: Path) -> None:
    """
    Log lines are read by execution; labels set later are on the execution and in the journal.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        (line,) = (await send(site, "GET", f"/logs/{execution}")).json()
        body = {"labels": {"ticket": "42"}}
        shown = (await send(site, "POST", f"/executions/{execution}/actions/labels", body)).json()
    assert (line["message"], line["level"], line["taskId"]) == ("asked for 7", "INFO", "said")
    assert {"key": "ticket", "value": "42"} in shown["labels"]


async def test_starting_by_hand_can_wait(tmp_path: Path) -> None:
    """
    `?wait=true` answers with the execution as it ended.
    """
    source = APPROVAL.replace("Pause", "Sleep\n    duration: PT0.01S").replace(
        "outputs.wait.onResume.verdict", "1 + 1"
    )
    async with open_site(tmp_path, {"f": source}) as site:
        response = await send(
            site, "POST", "/executions/io.tests/approval?wait=true", {"inputs": {"amount": 1}}
        )
    assert response.json()["state"]["current"] == "SUCCESS"
