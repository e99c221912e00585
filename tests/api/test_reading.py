"""Finding things: executions by every filter, log lines, triggers, graphs, outputs, and the server itself."""

from pathlib import Path
from typing import Any, Final

import trio

from .site import USER, Site, flow, open_site
from .test_following import messages
from .test_operations import APPROVAL, started

API: Final = "/api/v1/main"
LOGGING: Final = """id: loud
namespace: io.tests.sub
labels: {team: red}
tasks:
  - {id: quiet, type: io.kestra.plugin.core.log.Log, message: whisper, level: DEBUG}
  - {id: shout, type: io.kestra.plugin.core.log.Log, message: "SHOUT", level: WARN}
triggers:
  - {id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key, wait: true}
  - {id: daily, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 3 * * *"}
"""


async def get(site: Site, path: str, status: int = 200) -> Any:
    """Read something."""
    answer = await site.client.get(API + path, auth=USER)
    assert answer.status_code == status, answer.text
    return answer.json()


async def loud(site: Site) -> str:
    """Run the flow that logs."""
    answer = await site.client.get(f"{API}/executions/webhook/io.tests.sub/loud/a-secret-key")
    return str(answer.json()["id"])


async def test_executions_are_found_by_every_filter(tmp_path: Path) -> None:
    """
    Namespace and below, labels, trigger, text, id, time and order; Kestra's `filters[...]` say the same.
    """
    async with open_site(tmp_path, {"l": LOGGING, "f": flow("f", trigger="    wait: true\n")}) as site:
        first, other = await loud(site), (await site.call("f")).json()["id"]
        begun = (await get(site, f"/executions/{other}"))["state"]["startDate"]

        async def found(query: str) -> list[str]:
            return [one["id"] for one in (await get(site, f"/executions/search?{query}"))["results"]]

        cases = {
            "namespacePrefix=io.tests": [other, first],
            "namespacePrefix=io.tests.sub": [first],
            "labels=team:red": [first],
            "labels=team:red&labels=other:x": [],
            "triggerId=hook": [first],
            "q=LOUD": [first],
            f"id={other}": [other],
            f"startDate={begun}": [other],
            f"endDate={begun}": [first],
            "sort=startDate:asc": [first, other],
            "sort=state.startDate:desc": [other, first],
            "filters[labels][EQUALS][team]=red": [first],
            "filters[namespace][PREFIX]=io.tests.sub": [first],
            "filters[state][IN]=SUCCESS,FAILED&filters[flowId][EQUALS]=f": [other],
            f"filters[startDate][GREATER_THAN_OR_EQUAL_TO]={begun}": [other],
        }
        for query, expected in cases.items():
            assert await found(query) == expected, query
        listed = await get(site, "/executions?namespace=io.tests&flowId=f")
    assert [one["id"] for one in listed["results"]] == [other]


async def test_an_executions_entity_tag_changes_with_it(tmp_path: Path) -> None:
    """
    What has not changed is 304 for who names its entity tag; flows have one too.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        for path in (f"{API}/executions/{execution}", f"{API}/flows/io.tests/approval"):
            tag = (await site.client.get(path, auth=USER)).headers["etag"]
            same = await site.client.get(path, auth=USER, headers={"If-None-Match": tag})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        note = {"text": "seen"}
        await site.client.post(f"{API}/executions/{execution}/actions/note", json=note, auth=USER)
        changed = await site.client.get(
            f"{API}/executions/{execution}", auth=USER, headers={"If-None-Match": '"3"'}
        )
    assert changed.status_code == 200


async def test_log_lines_are_chosen(tmp_path: Path) -> None:
    """
    By level, task, task run and attempt; as text to keep; over the newest executions.
    """
    async with open_site(tmp_path, {"l": LOGGING}) as site:
        execution = await loud(site)

        async def said(query: str) -> list[str]:
            return [line["message"] for line in await get(site, f"/logs/{execution}?{query}")]

        assert await said("") == ["whisper", "SHOUT"]
        assert await said("minLevel=INFO") == ["SHOUT"]
        assert await said("taskId=quiet") == ["whisper"]
        assert await said(f"taskRunId={execution}:shout&attempt=0") == ["SHOUT"]
        assert await said("attempt=1") == []
        text = await site.client.get(f"{API}/logs/{execution}/download?minLevel=WARN", auth=USER)
        found = await get(site, "/logs/search?namespace=io.tests.sub&q=shout")
        none = await get(site, "/logs/search?flowId=loud&minLevel=ERROR")
        await get(site, "/logs/nobody", 404)
    assert text.headers["content-disposition"] == f'attachment; filename="{execution}.log"'
    assert (text.headers["content-type"], text.text.split()[1:]) == (
        "text/plain; charset=utf-8",
        ["WARN", "shout", "SHOUT"],
    )
    assert ([line["message"] for line in found["results"]], found["total"], none["total"]) == (
        ["SHOUT"],
        1,
        0,
    )


async def test_a_log_is_followed_to_the_end(tmp_path: Path) -> None:
    """
    `start`, then each line as it becomes durable, then `end` with the execution; none is told twice.
    """
    source = APPROVAL.replace(
        '    format: "{{ outputs.wait.onResume.verdict }}"',
        "    format: x\n  - {id: bye, type: io.kestra.plugin.core.log.Log, message: bye}",
    )
    seen: list[tuple[str, Any]] = []
    async with open_site(tmp_path, {"f": source}) as site:
        execution = await started(site)
        with trio.fail_after(30):
            async with site.client.stream("GET", f"{API}/logs/{execution}/follow", auth=USER) as response:
                async for name, data in messages(response):
                    seen.append((name, data.get("message")))
                    if len(seen) == 2:
                        await site.client.post(f"{API}/executions/{execution}/actions/resume", auth=USER)
    assert seen == [("start", None), ("progress", "asked for 7"), ("progress", "bye"), ("end", None)]


async def test_triggers_are_listed_with_webhooks_and_without_keys(tmp_path: Path) -> None:
    """
    What started last and what will be next; unlike Kestra's list it has webhooks, and no key is in it.
    """
    async with open_site(tmp_path, {"l": LOGGING, "f": flow("f")}) as site:
        execution = await loud(site)
        found = await get(site, "/triggers/search?namespace=io.tests.sub")
        some = await get(site, "/triggers/search?q=schedule")
        flows_own = await get(site, "/triggers/io.tests.sub/loud")
        await get(site, "/triggers/io.tests.sub/none", 404)
    states = {one["trigger"]["id"]: one["state"] for one in found["results"]}
    assert (found["total"], some["total"], flows_own["total"]) == (2, 1, 2)
    assert states["hook"]["executionId"] == execution
    assert states["daily"]["nextEvaluationDate"].endswith("T03:00:00.000000Z")
    assert "executionId" not in states["daily"]
    assert "a-secret-key" not in str(found)


async def test_graphs_are_drawn(tmp_path: Path) -> None:
    """
    Of a flow, of an execution's revision and of a text; nodes, edges, and a cluster for what holds tasks.
    """
    nested = APPROVAL.replace(
        "type: io.kestra.plugin.core.flow.Pause",
        "type: io.kestra.plugin.core.flow.Sequential\n"
        "    tasks: [{id: in, type: io.kestra.plugin.core.flow.Pause}]",
    )
    async with open_site(tmp_path, {"f": nested}) as site:
        execution = await started(site)
        graphs = [
            await get(site, "/flows/io.tests/approval/graph"),
            await get(site, f"/executions/{execution}/graph"),
            (
                await site.client.post(
                    f"{API}/flows/graph", content=nested, auth=USER, headers={"Content-Type": "text/yaml"}
                )
            ).json(),
        ]
        await get(site, "/flows/io.tests/none/graph", 404)
        await get(site, "/flows/io.tests/approval/graph?revision=9", 404)
    assert graphs[0] == graphs[1] == graphs[2]
    assert [node["uid"] for node in graphs[0]["nodes"]] == ["said", "wait", "wait/in", "decide"]
    (cluster,) = graphs[0]["clusters"]
    assert (cluster["cluster"]["uid"], cluster["nodes"], cluster["parents"]) == ("wait", ["wait/in"], [])


async def test_parts_of_a_flow_are_checked(tmp_path: Path) -> None:
    """
    One task or one trigger, in YAML or JSON, with the places of its own text.
    """

    async def check(site: Site, kind: str, text: str, media: str = "application/x-yaml") -> Any:
        path = f"{API}/flows/validate/{kind}"
        answer = await site.client.post(path, content=text, auth=USER, headers={"Content-Type": media})
        assert answer.status_code == 200
        return answer.json()

    async with open_site(tmp_path) as site:
        good = await check(site, "task", "id: a\ntype: io.kestra.plugin.core.log.Log\nmessage: x\n")
        json = await check(site, "task", '{"id": "a", "type": "io.nobody.Knows"}', "application/json")
        bad = await check(site, "task", "id: a\ntype: io.kestra.plugin.core.log.Log\nmesage: x\n")
        hook = await check(site, "trigger", "id: h\ntype: io.kestra.plugin.core.trigger.Webhook\n")
        none = await check(site, "trigger", "- a")
    assert good == {"index": 0, "warnings": []}
    assert json["errors"][0]["path"] == "type"
    assert bad["errors"][-1] | {"message": ""} == {"path": "mesage", "line": 3, "column": 1, "message": ""}
    assert "key" in hook["constraints"]
    assert none["constraints"]


async def test_a_replay_may_begin_at_a_task(tmp_path: Path) -> None:
    """
    `taskRunId` keeps what had been done before that task; the label names the execution it is taken from.
    """
    source = APPROVAL.replace("  - id: wait\n    type: io.kestra.plugin.core.flow.Pause\n", "").replace(
        "outputs.wait.onResume.verdict", "uuid()"
    )
    async with open_site(tmp_path, {"f": source}) as site:
        path = f"{API}/executions/io.tests/approval?wait=true"
        first = (await site.client.post(path, json={"inputs": {"amount": 1}}, auth=USER)).json()
        kept, again = first["taskRunList"]
        path = f"{API}/executions/{first['id']}/actions/replay?taskRunId={again['id']}"
        copy = (await site.client.post(path, auth=USER)).json()["id"]
        await site.until(lambda: type(site.events(copy)[-1]).__name__ == "OutputsResolved")
        shown = await get(site, f"/executions/{copy}")
        state = await get(site, f"/executions/{copy}/state")
        whole = await site.client.post(f"{API}/executions/{copy}/actions/replay", auth=USER)
    assert [run["taskId"] for run in shown["taskRunList"]] == ["said", "decide"]
    assert shown["taskRunList"][0]["state"]["startDate"] == kept["state"]["startDate"]
    assert shown["taskRunList"][1]["outputs"] != again["outputs"]
    assert {"key": "system.replayOf", "value": first["id"]} in shown["labels"]
    assert [run["taskId"] for run in state["taskRunList"]] == ["said", "decide"]
    assert (whole.status_code, whole.json()["inputs"]) == (200, {"amount": 1})


async def test_the_server_says_what_it_is(tmp_path: Path) -> None:
    """
    `ping` and `health` are open to anybody; the version is for who may read.
    """
    async with open_site(tmp_path) as site:
        ping = await site.client.get("/ping")
        assert (ping.status_code, ping.text) == (200, "pong")
        assert (await site.client.get("/health")).json() == {"status": "UP"}
        assert (await site.client.get(f"{API}/configs")).status_code == 401
        assert (await get(site, "/configs"))["version"]
