"""Rows of the conformance table of Kestra's webhook; test_webhook.py and test_refusals.py tell the others."""

import base64
import json
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import trio

from hookledger.actors.engine import Engine
from hookledger.runtime.tasks.base import Effect, Outputs, TaskContext, TaskKind
from hookledger.runtime.tasks.registry import installed

from .site import HOOK, USER, Site, flow, open_site

API = "/api/v1/main"
WAIT = "    wait: true\n"
OUTPUTS = 'outputs:\n  - id: said\n    type: STRING\n    value: "{{ outputs.out.value }}"\n'
PAUSE = "  - id: nap\n    type: io.kestra.plugin.core.flow.Pause\ntriggers:"


async def api(site: Site, method: str, path: str, **more: Any) -> httpx.Response:
    """An authenticated request."""
    return await site.client.request(method, API + path, auth=USER, **more)


async def saved(site: Site, source: str) -> httpx.Response:
    """Create a flow."""
    return await api(site, "POST", "/flows", content=source, headers={"Content-Type": "application/x-yaml"})


async def test_the_answer_says_what_it_may_and_no_more(tmp_path: Path) -> None:
    """
    Ten members at most, labels of system and flow exactly, and the execution can be read at once (rows 2, 3, 7 to 10).
    """
    source = flow("f", more="labels:\n  flow-label-1: one\n  flow-label-2: two\n", text="{{ trigger }}")
    async with open_site(tmp_path, {"f": source}) as site:
        answer = await site.call(
            "f", method="POST", tail="?name=john&age=12&age=13", json={"a": 1, "b": True}
        )
        shown = answer.json()
        read = await api(site, "GET", f"/executions/{shown['id']}")
    members = {"tenantId", "id", "namespace", "flowId", "flowRevision", "trigger", "labels", "state"}
    assert set(shown) == members, "neither task runs nor inputs: callers are anonymous"
    assert (shown["tenantId"], shown["namespace"], shown["flowId"], shown["flowRevision"]) == (
        "main",
        "io.tests",
        "f",
        1,
    )
    assert {(label["key"], label["value"]) for label in shown["labels"]} == {
        ("system.from", "trigger"), ("system.correlationId", shown["id"]), ("flow-label-1", "one"),
        ("flow-label-2", "two"),
    }  # fmt: skip
    assert shown["state"]["startDate"] == shown["state"]["histories"][0]["date"]
    assert not {"endDate", "duration"} & set(shown["state"])
    assert shown["trigger"]["variables"]["body"] == {"a": 1, "b": True}
    assert shown["trigger"]["variables"]["parameters"] == {"name": ["john"], "age": ["12", "13"]}
    assert (read.status_code, read.json()["id"]) == (200, shown["id"])


async def test_a_correlation_id_of_the_flow_stays(tmp_path: Path) -> None:
    """
    `trigger` labels stand beside the flow's; a label of the system's own is refused when the flow is loaded (row 87).
    """
    async with open_site(tmp_path) as site:
        for where in ({"more": "labels:\n  system.x: a\n"}, {"trigger": "    labels:\n      system.x: a\n"}):
            refused = await saved(site, flow("f", **where))
            assert refused.status_code == 422
            assert "system." in refused.text


async def test_every_method_and_form_of_the_url(tmp_path: Path) -> None:
    """
    GET, POST and PUT with exactly the key, with or without a query and the tenant (rows 12 to 14, 19, 25).
    """
    async with open_site(tmp_path, {"f": flow("f", key="testkey")}) as site:
        for prefix in (HOOK, HOOK.replace("/main", "")):
            for method in ("GET", "POST", "PUT"):
                for query in ("", "?", "?param1=v&param2=v"):
                    answer = await site.client.request(method, f"{prefix}/io.tests/f/testkey{query}")
                    assert answer.status_code == 200, (prefix, method, query)
        assert len(site.executions()) == 18


async def test_waiting_for_one_that_is_killed(tmp_path: Path) -> None:
    """
    Killed while somebody waits: 200 with the state KILLED; a kill of an ended execution is 409, of none 404 (row 49).
    """
    answers: list[httpx.Response] = []
    async with open_site(tmp_path, {"f": flow("f", trigger=WAIT).replace("triggers:", PAUSE)}) as site:

        async def call() -> None:
            answers.append(await site.call("f"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await site.until(lambda: bool(site.executions()))
            (execution,) = site.executions()
            killed = await api(site, "DELETE", f"/executions/{execution}/actions/kill")
            assert killed.status_code in (200, 202)
        (answer,) = answers
        assert (answer.status_code, answer.json()["state"]["current"]) == (200, "KILLED")
        assert (await api(site, "DELETE", f"/executions/{execution}/kill")).status_code == 409
        assert (await api(site, "DELETE", "/executions/none/kill")).status_code == 404


async def test_waiting_for_one_with_a_warning(tmp_path: Path) -> None:
    """
    A task that may fail makes the execution a WARNING, and that is 200 (row 50).
    """
    failing = "  - {id: bad, type: io.kestra.plugin.core.execution.Fail, allowFailure: true}\ntriggers:"
    async with open_site(
        tmp_path, {"f": flow("f", text="x", trigger=WAIT).replace("triggers:", failing)}
    ) as site:
        answer = await site.call("f")
        assert (answer.status_code, answer.json()["state"]["current"]) == (200, "WARNING")


async def test_what_a_trigger_may_say(tmp_path: Path) -> None:
    """
    Mistakes are 422 when the flow is saved, and say what would be right (rows 36, 53, 55, 58, 60 to 64).
    """
    second = "  - {id: %s, type: io.kestra.plugin.core.trigger.Webhook, key: %s}\n"
    returning = WAIT + "    returnOutputs: true\n"
    rows = [
        (flow("f", trigger=returning + "    responseContentType: text/html\n"), ["application/json", "text/plain"]),
        (flow("f").replace('    key: "a-secret-key"\n', ""), ["key"]),
        (flow("f", key="k" * 257), ["key", "256"]),
        (flow("f", key=""), ["key"]),
        (flow("f", key="  "), ["key"]),
        (flow("f", trigger=second % ("webhook", "other")), ["webhook"]),
        (flow("f", trigger=second % ("other", "a-secret-key")), ["key"]),
        (flow("f", trigger="    responseCode: 202\n"), ["wait"]),
        (flow("f", trigger="    returnOutputs: true\n"), ["wait"]),
        (flow("f", trigger="    responseContentType: text/plain\n"), ["wait"]),
        (flow("f", trigger=WAIT + "    responseCode: 99\n"), ["responseCode"]),
        (flow("f", trigger="    fetchType: KEEP\n"), ["FETCH", "STORE", "NONE"]),
        (flow("f", trigger="    methods: [FETCH]\n"), ["methods"]),
    ]  # fmt: skip
    good = [
        flow("a", key="k" * 256), flow("b", trigger=returning + "    responseContentType: text/plain\n"),
        flow("c", trigger=returning + "    responseContentType: application/json\n"),
        flow("d", trigger=returning + "    responseContentType: null\n"), flow("e", trigger="    fetchType: none\n"),
        flow("g", trigger=second % ("other", "another")),
    ]  # fmt: skip
    async with open_site(tmp_path) as site:
        for source, words in rows:
            refused = await saved(site, source)
            assert refused.status_code == 422, source
            assert all(word in refused.text for word in words), refused.text
        for source in good:
            assert (await saved(site, source)).status_code == 200, source


async def test_a_saved_flow_is_shown_with_source_and_revision(tmp_path: Path) -> None:
    """
    POST of YAML with credentials is 200 with source and revision 1; the webhook itself needs none (rows 76, 92).
    """
    async with open_site(tmp_path) as site:
        source = flow("f")
        made = await saved(site, source)
        assert (made.status_code, made.json()["revision"], made.json()["source"]) == (200, 1, source)
        assert (await site.call("f")).status_code == 200
        assert (await site.call("f", auth=("nobody", "wrong"))).status_code == 200


async def test_binary_bodies_are_base64(tmp_path: Path) -> None:
    """
    Binary bodies are base64 of exactly these bytes; XML, forms and YAML are text (rows 65, 72, 73).
    """
    data = bytes(range(256))
    texts = {
        "application/x-www-form-urlencoded": "a=1&b=2", "text/xml": "<a/>", "application/yaml": "a: 1",
        "text/csv": "a,b", "application/vnd.x+xml": "<b/>",
    }  # fmt: skip
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        kind = {"Content-Type": "application/octet-stream"}
        found = await site.variables("f", method="POST", content=data, headers=kind)
        assert base64.b64decode(found["body"]) == data
        assert "parts" not in found
        for media, text in texts.items():
            found = await site.variables(
                "f", method="PUT", content=text.encode(), headers={"Content-Type": media}
            )
            assert found["body"] == text, media


async def test_forms_with_files(tmp_path: Path) -> None:
    """
    Each file of a form has a URI of its own with its own content, in order; fields are lists; the flow can read a file
    (rows 66, 67).
    """
    source = flow("f", trigger=WAIT, text="{{ read(trigger.parts[1].uri) }}", more=OUTPUTS)
    async with open_site(tmp_path, {"f": source}) as site:
        files = [("doc", ("../a.txt", b"one", "text/plain")), ("doc", ("../a.txt", b"two", "text/plain"))]
        answer = await site.call("f", method="POST", files=files, data={"tag": ["x", "ü"]})
        assert answer.status_code == 200, answer.text
        found = answer.json()["trigger"]["variables"]
        assert "body" not in found
        assert found["formFields"] == {"tag": ["x", "ü"]}
        assert [(part["name"], part["size"], part["contentType"]) for part in found["parts"]] == [
            ("doc", 3, "text/plain")
        ] * 2
        assert len({part["uri"] for part in found["parts"]}) == 2
        stored = [site.data / "files" / part["uri"].removeprefix("kestra:///") for part in found["parts"]]
        assert [path.read_bytes() for path in stored] == [b"one", b"two"]
        assert all(site.data.resolve() in path.resolve().parents and path.name == "a.txt" for path in stored)
        assert answer.json()["outputs"] == {"said": "two"}


async def test_where_a_body_goes(tmp_path: Path) -> None:
    """
    STORE gives a URI of the exact bytes and no body, and nothing for an empty one; NONE gives neither; the headers stay
    (rows 68 to 71).
    """
    flows = {
        "s": flow("s", trigger="    fetchType: STORE\n"), "n": flow("n", trigger="    fetchType: NONE\n"),
        "w": flow("w", trigger='    fetchType: STORE\n    when: "{{ false }}"\n'),
    }  # fmt: skip
    async with open_site(tmp_path, flows) as site:
        stored = await site.variables("s", method="POST", content=b'{"a": 1}', headers={"X-A": "1"})
        path = site.data / "files" / stored["uri"].removeprefix("kestra:///")
        assert path.read_bytes() == b'{"a": 1}'
        assert stored["uri"].startswith("kestra:///io/tests/s/executions/")
        for method in ("GET", "POST"):
            assert not {"uri", "body"} & set(await site.variables("s", method=method))
        dropped = await site.variables("n", method="POST", json={"a": 1}, headers={"X-A": "1"})
        assert not {"uri", "body"} & set(dropped)
        assert dropped["headers"]["X-A"] == stored["headers"]["X-A"] == ["1"]
        before = sorted((site.data / "files").rglob("*"))
        assert (await site.call("w", method="POST", files={"f": b"x"})).status_code == 204
        assert sorted((site.data / "files").rglob("*")) == before


async def test_conditions_start_nothing_unless_they_hold(tmp_path: Path) -> None:
    """
    Met: 200; unmet: 204 without a body and without an execution; one that cannot be evaluated: 422 (rows 38 to 41).
    """
    when = "    when: \"{{ trigger.body.hello == 'world' }}\"\n"
    old = (
        "    conditions:\n      - type: io.kestra.plugin.core.condition.Expression\n"
        "        expression: \"{{ trigger.body.hello == 'world' }}\"\n"
    )
    async with open_site(tmp_path, {"w": flow("w", trigger=when), "c": flow("c", trigger=old)}) as site:
        for name in ("w", "c"):
            before = len(site.executions())
            assert (await site.call(name, method="POST", json={"hello": "world"})).status_code == 200
            unmet = await site.call(name, method="POST", json={"hello": "webhook"})
            assert (unmet.status_code, unmet.content) == (204, b"")
            raised = await site.call(name, method="POST", json={"other": 1})
            assert raised.status_code == 422
            assert len(site.executions()) == before + 1


async def test_inputs_are_typed_before_anything_starts(tmp_path: Path) -> None:
    """
    `inputs` are rendered and typed; what fails is 422 and starts nothing (rows 42 to 45).
    """
    more = "inputs:\n  - {id: count, type: INT}\n  - {id: note, type: STRING, defaults: none}\n" + OUTPUTS
    mapped = WAIT + '    inputs:\n      count: "{{ trigger.body.count }}"\n'
    source = flow("f", text="{{ inputs.count + 1 }} {{ inputs.note }}", more=more, trigger=mapped)
    async with open_site(tmp_path, {"f": source}) as site:
        assert (await site.call("f", method="POST", json={"count": 3})).json()["outputs"] == {
            "said": "4 none"
        }
        for body in ({"count": "three"}, {"other": 1}, {"count": None}):
            refused = await site.call("f", method="POST", json=body)
            assert refused.status_code == 422, body
            assert refused.json()["type"].endswith("delivery-refused")
        assert len(site.executions()) == 1


async def test_errors_are_problem_documents(tmp_path: Path) -> None:
    """
    404, 405, 409, 413, 422: type, title, status, and never the key (rows 20, 24, 27, 89, 90, 91).
    """
    flows = {
        "f": flow("f"), "off": flow("off", more="disabled: true\n"),
        "in": flow("in", trigger='    inputs: {n: "{{ trigger.body.none }}"}\n', more="inputs: [{id: n, type: INT}]\n"),
    }  # fmt: skip
    async with open_site(tmp_path, flows, server__bodyLimit=100) as site:
        answers = {
            404: await site.call("f", "wrong-key"), 405: await site.call("f", method="DELETE"),
            409: await site.call("off"), 413: await site.call("f", method="POST", content=b"x" * 101),
            422: await site.call("in"),
        }  # fmt: skip
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail"} <= set(answer.json())
        assert answer.json()["status"] == status
        assert "secret-key" not in answer.text
        assert "wrong-key" not in answer.text


async def test_a_flow_that_is_removed_is_reachable_no_longer(tmp_path: Path) -> None:
    """
    After its deletion a webhook is the uniform 404; a newer revision answers in the older one's place.
    """
    async with open_site(tmp_path) as site:
        await saved(site, flow("f"))
        newer = flow("f", key="newer").replace("text", "text")
        headers = {"Content-Type": "application/x-yaml"}
        assert (
            await api(site, "PUT", "/flows/io.tests/f", content=newer, headers=headers)
        ).status_code == 200
        unknown = await site.call("none")
        assert (await site.call("f")).content == unknown.content
        assert (await site.call("f", "newer")).json()["flowRevision"] == 2
        assert (await api(site, "DELETE", "/flows/io.tests/f")).status_code == 204
        assert (await site.call("f", "newer")).content == unknown.content


async def test_following_ends_with_the_execution(tmp_path: Path) -> None:
    """
    `follow` of a webhook's execution: the last event's id is `end` and its state is terminal (row 82).
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        execution = (await site.call("f")).json()["id"]
        answer = await api(site, "GET", f"/executions/{execution}/follow")
        last = answer.text.strip().rpartition("\n\n")[2]
    assert last.startswith("id: end\n")
    assert json.loads(last.partition("data: ")[2])["state"]["current"] == "SUCCESS"


async def test_what_is_open_and_what_is_not(tmp_path: Path) -> None:
    """
    `GET /ping` is 200 `pong` for anybody; the API without credentials is 401 with a Basic challenge (rows 77, 80).
    """
    async with open_site(tmp_path) as site:
        ping = await site.client.get("/ping")
        assert (ping.status_code, ping.text) == (200, "pong")
        for path in ("dashboards", "executions/search", "flows/search"):
            refused = await site.client.get(f"{API}/{path}")
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("value", ["true", "TRUE", "false"])
async def test_test_events_are_marked(tmp_path: Path, value: str) -> None:
    """
    `X-Kestra-Test-Event: true` makes the label `system.from` say `testEvent` (row 85).
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        labels = (await site.call("f", headers={"X-Kestra-Test-Event": value})).json()["labels"]
    expected = "trigger" if value == "false" else "testEvent"
    assert {"key": "system.from", "value": expected} in labels


class Gone(TaskKind, frozen=True, kw_only=True):
    """A task type that is installed here and not in the server."""

    types: ClassVar[tuple[str, ...]] = ("com.example.Gone",)
    effect: ClassVar[Effect] = "pure"

    async def run(self, context: TaskContext) -> Outputs:
        """Do nothing."""
        return {}


async def test_a_flow_that_no_longer_loads_is_told_to_who_has_the_key(tmp_path: Path) -> None:
    """
    A stored flow that stopped parsing is 409 for the right key and the uniform 404 for any other (rows 30, 31).
    """
    registry = installed()
    registry.register(Gone)
    gone = "  - id: gone\n    type: com.example.Gone\ntriggers:"
    async with Engine.open(tmp_path / "data", registry=registry) as engine:
        await engine.register(flow("f").replace("triggers:", gone))
    async with open_site(tmp_path) as site:
        for method in ("GET", "POST", "DELETE"):
            right, wrong, none = [
                await site.call(name, key, method=method)
                for name, key in (("f", "a-secret-key"), ("f", "wrong"), ("none", "a-secret-key"))
            ]
            assert (right.status_code, wrong.status_code) == (409, 404)
            assert right.headers["content-type"] == "application/problem+json"
            assert "com.example" not in right.text, "why is in the journal, for those who may know"
            assert wrong.content == none.content
        assert site.executions() == set()
        listed = await api(site, "GET", "/triggers/io.tests/f/webhook/deliveries")
        assert "com.example.Gone" in listed.text


async def test_a_flow_reads_its_own_files_only(tmp_path: Path) -> None:
    """
    `read()` gives a stored body's text, at most 1 MiB of it; files of another namespace, and what is no stored file,
    are refused.
    """
    stored = flow("s", trigger=WAIT + "    fetchType: STORE\n", text="{{ read(trigger.uri) }}", more=OUTPUTS)
    asking = flow("a", trigger=WAIT, text="{{ read(trigger.body.uri) }}", more=OUTPUTS)
    other = asking.replace("io.tests", "io.others")
    async with open_site(tmp_path, {"s": stored, "a": asking, "o": other}) as site:
        kept = (await site.call("s", method="POST", content="ä\n".encode())).json()
        assert kept["outputs"] == {"said": "ä\n"}
        uri = kept["trigger"]["variables"]["uri"]
        assert (await site.call("a", method="POST", json={"uri": uri})).json()["outputs"] == {"said": "ä\n"}
        foreign = await site.client.post(f"{HOOK}/io.others/a/a-secret-key", json={"uri": uri})
        assert foreign.status_code == 500
        for wrong in (
            "kestra:///../journal",
            "/etc/passwd",
            "kestra:///io/tests/s",
            "kestra:///io/tests/../others/x",
        ):
            assert (await site.call("a", method="POST", json={"uri": wrong})).status_code == 500, wrong
        large = await site.call("s", method="POST", content=b"x" * (1024 * 1024 + 1))
        assert large.status_code == 500
