"""The webhook as a sender meets it: real requests to a real server."""

import base64
import json
from pathlib import Path

import httpx
import pytest
import trio

from hookledger.api.views import receipt
from hookledger.journal.events import TriggerReceived, type_name

from .site import HOOK, flow, open_site

EXAMPLES = Path(__file__).parents[2] / "examples/flows"
KEY = "4wjtkzwVGBM9yKnjm3yv8r"
OUTPUTS = 'outputs:\n  - id: said\n    type: STRING\n    value: "{{ outputs.out.value }}"\n'
WAIT = "    wait: true\n"
RETURN = WAIT + "    returnOutputs: true\n"
FAIL = '    format: "{{ nothing.here }}"\n'


def examples() -> dict[str, str]:
    """The product page's flows as they are shipped."""
    return {path.stem: path.read_text() for path in EXAMPLES.glob("*.yaml")}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_the_first_example_answers_at_once(tmp_path: Path, method: str) -> None:
    """
    GET, POST and PUT start the flow and answer 200 with the execution, which exists by then (rows 1, 7, 8, 10).
    """
    async with open_site(tmp_path, examples()) as site:
        response = await site.client.request(
            method, f"{HOOK}/company.team/trigger/{KEY}?name=john&age=12&age=13"
        )
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        shown = response.json()
        assert list(shown) == [
            "tenantId", "id", "namespace", "flowId", "flowRevision", "trigger", "labels", "state",
        ]  # fmt: skip
        assert shown["trigger"]["id"] == "webhook"
        assert shown["trigger"]["type"] == "io.kestra.plugin.core.trigger.Webhook"
        assert shown["trigger"]["variables"]["parameters"] == {"name": ["john"], "age": ["12", "13"]}
        assert shown["state"]["current"] == "CREATED"
        assert len(shown["state"]["histories"]) == 1
        assert shown["labels"] == [
            {"key": "system.from", "value": "trigger"},
            {"key": "system.correlationId", "value": shown["id"]},
        ]
        assert shown["id"] in site.executions()


async def test_the_second_example_greets(tmp_path: Path) -> None:
    """
    `wait` with `returnOutputs` answers the outputs alone; a missing parameter is what `??` is for.
    """
    async with open_site(tmp_path, examples()) as site:
        path = f"{HOOK}/company.team/webhook_return_outputs/{KEY}"
        assert (await site.client.get(path, params={"name": "Alice"})).text == '{"greeting":"Hello Alice!"}'
        response = await site.client.get(path)
        assert response.text == '{"greeting":"Hello world!"}'
        assert response.headers["content-type"] == "application/json"


async def test_two_tasks_are_six_events_in_one_entry(tmp_path: Path) -> None:
    """
    A waiting delivery of pure tasks is one entry: nobody needs to know of it before it ends (architecture, 4).
    """
    source = flow("six", trigger=WAIT).replace(
        "triggers:", "  - id: two\n    type: io.kestra.plugin.core.debug.Return\n    format: x\ntriggers:"
    )
    async with open_site(tmp_path, {"six": source}) as site:
        response = await site.call("six")
        (entry,) = site.entries(response.json()["id"])
        assert [type_name(event) for event in entry.events()] == [
            "TriggerReceived", "TaskStarted", "TaskReturned", "TaskStarted", "TaskReturned", "OutputsResolved",
        ]  # fmt: skip


async def test_the_body_becomes_data_where_it_is_an_object_or_a_list(tmp_path: Path) -> None:
    """
    A JSON object or array is data whatever the content type says; any other text stays the text it is.
    """
    rows: list[tuple[str, object]] = [
        ('{"a":1,"b":true}', {"a": 1, "b": True}),
        ('[{"a":1}]', [{"a": 1}]),
        ("bla", "bla"),
        ("42", "42"),
        ("true", "true"),
        ('"x"', '"x"'),
        ("null", "null"),
        ('{"a":1} trailing', '{"a":1} trailing'),
        ('{"a":1}\n{"a":2}\n', '{"a":1}\n{"a":2}\n'),
        ('{\\"a\\":1}', '{\\"a\\":1}'),
        ('{"a":null}', {"a": None}),
        ('{"a":1,"a":2}', {"a": 2}),
        ("a=1&b=2", "a=1&b=2"),
        (" \n", " \n"),
        ('{"n":12345678901234567890}', {"n": 12345678901234567890}),
        ("ä🚀", "ä🚀"),
        ("[" * 100_000, "[" * 100_000),
    ]
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for method in ("POST", "PUT"):
            for text, expected in rows:
                for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
                    found = await site.variables(
                        "f", method=method, content=text.encode(), headers={"Content-Type": kind}
                    )
                    assert found["body"] == expected, (method, kind, text[:40])


async def test_an_empty_body_is_absent(tmp_path: Path) -> None:
    """
    Without a body there is no `trigger.body`, whatever the method (row 5).
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for method in ("GET", "POST", "PUT"):
            assert "body" not in await site.variables("f", method=method)
        with_body = await site.variables("f", content=b"of a GET")
        assert with_body["body"] == "of a GET"


async def test_charsets_and_binary_bodies(tmp_path: Path) -> None:
    """
    Text is decoded with the charset it names, UTF-8 otherwise; what is no text is base64 (rows 65, 73).
    """
    data = bytes(range(256))
    async with open_site(tmp_path, {"f": flow("f")}) as site:

        async def body(content: bytes, kind: str | None) -> object:
            headers = {"Content-Type": kind} if kind else {}
            return (await site.variables("f", method="POST", content=content, headers=headers))["body"]

        assert await body("é".encode("latin-1"), "text/plain; charset=ISO-8859-1") == "é"
        assert await body("é".encode(), "text/plain") == "é"
        assert await body("é".encode(), None) == "é"
        assert await body(b"x", "text/plain; charset=no-such-thing") == "x"
        assert await body(b"x", "text/plain; charset=zip") == "x"
        assert await body(b"<a/>", "text/xml") == "<a/>"
        assert await body(b"<a/>", "application/soap+xml") == "<a/>"
        assert await body(data, "application/octet-stream") == base64.b64encode(data).decode()
        assert await body(b"\xff", "text/plain") == "\ufffd"


async def test_headers_are_lists_in_the_senders_spelling(tmp_path: Path) -> None:
    """
    Header names keep their case, every value is a list, and expressions find them without regard to case.
    """
    source = flow("h", text="{{ trigger.headers['x-twice'][1] }}", more=OUTPUTS, trigger=RETURN)
    async with open_site(tmp_path, {"f": flow("f"), "h": source}) as site:
        headers = [("X-Twice", "one"), ("X-Twice", "two"), ("x-lower", "l")]
        found = await site.variables("f", headers=headers)
        assert found["headers"]["X-Twice"] == ["one", "two"]
        assert found["headers"]["x-lower"] == ["l"]
        assert (await site.call("h", headers=headers)).json() == {"said": "two"}


async def test_the_query_is_read_as_it_was_sent(tmp_path: Path) -> None:
    """
    Repeated names keep their order, `+` is a space, percent-encoding is UTF-8, a name alone has an empty value.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        rows = {
            "": {},
            "?": {},
            "?name=john&age=12&age=13": {"name": ["john"], "age": ["12", "13"]},
            "?a=1+2&b=1%2B2": {"a": ["1 2"], "b": ["1+2"]},
            "?a=&b": {"a": [""], "b": [""]},
            "?%C3%A4=%F0%9F%9A%80&x=a%26b%3Dc": {"ä": ["🚀"], "x": ["a&b=c"]},
            "?a=b=c;d": {"a": ["b=c;d"]},
        }
        for query, expected in rows.items():
            answer = await site.raw(
                f"GET {HOOK}/io.tests/f/a-secret-key{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            found = json.loads(answer.partition(b"\r\n\r\n")[2])["trigger"]["variables"]["parameters"]
            assert found == expected, query


async def test_labels_of_flow_trigger_and_system(tmp_path: Path) -> None:
    """
    An execution carries `system.from`, `system.correlationId`, the flow's and the trigger's labels (rows 2, 85, 86).
    """
    source = flow("f", more="labels:\n  team: data\n  env: test\n", trigger="    labels:\n      way: hook\n")
    async with open_site(tmp_path, {"f": source}) as site:
        shown = (await site.call("f")).json()
        assert {label["key"]: label["value"] for label in shown["labels"]} == {
            "system.from": "trigger",
            "system.correlationId": shown["id"],
            "team": "data",
            "env": "test",
            "way": "hook",
        }
        tested = (await site.call("f", headers={"X-Kestra-Test-Event": "true"})).json()
        assert {"key": "system.from", "value": "testEvent"} in tested["labels"]


async def test_keys_may_be_rendered_and_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A key may come from `flow.id` or a secret (trimmed) and may hold any character but a slash (rows 32, 34).
    """
    monkeypatch.setenv("HOOKLEDGER_SECRET_HOOK", "from the vault\n")
    flows = {
        "by-id": flow("by-id", key="{{ flow.id }}"),
        "by-secret": flow("by-secret", key="{{ secret('HOOK') }}"),
        "odd": flow("odd", key="ä b%20+?#"),
    }
    async with open_site(tmp_path, flows) as site:
        assert (await site.call("by-id", "by-id")).status_code == 200
        assert (await site.call("by-secret", "from%20the%20vault")).status_code == 200
        assert (await site.call("by-secret", "from+the+vault")).status_code == 404
        assert (await site.call("odd", "%C3%A4%20b%2520+%3F%23")).status_code == 200
        assert (await site.call("odd", "%c3%a4%20%62%2520%2b%3f%23")).status_code == 200


async def test_the_right_trigger_of_several_is_found(tmp_path: Path) -> None:
    """
    Each webhook of a flow has its own key (row 37).
    """
    second = "  - id: second\n    type: io.kestra.plugin.core.trigger.Webhook\n    key: other-key\n"
    async with open_site(tmp_path, {"f": flow("f", trigger=second)}) as site:
        assert (await site.call("f")).json()["trigger"]["id"] == "webhook"
        assert (await site.call("f", "other-key")).json()["trigger"]["id"] == "second"


async def test_the_tenant_may_be_left_out(tmp_path: Path) -> None:
    """
    `/api/v1/...` means `/api/v1/main/...` (row 25).
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        response = await site.client.get("/api/v1/executions/webhook/io.tests/f/a-secret-key")
        assert response.status_code == 200
        assert response.json()["tenantId"] == "main"


async def test_a_proxy_may_send_the_whole_url(tmp_path: Path) -> None:
    """
    A request target in absolute form is understood (RFC 9112, section 3.2.2).
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        answer = await site.raw(
            f"GET http://hooks.example{HOOK}/io.tests/f/a-secret-key?a=b HTTP/1.1\r\n"
            "Host: hooks.example\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'"parameters":{"a":["b"]}' in answer


async def test_wait_answers_the_finished_execution(tmp_path: Path) -> None:
    """
    `wait` alone answers the execution with its end, duration and outputs (rows 46, 47).
    """
    async with open_site(tmp_path, {"f": flow("f", text="hi", more=OUTPUTS, trigger=WAIT)}) as site:
        response = await site.call("f")
        state = response.json()["state"]
        assert response.status_code == 200
        assert state["current"] == "SUCCESS"
        assert state["histories"][-1]["state"] == "SUCCESS"
        assert state["duration"].startswith("PT")
        assert state["endDate"] == state["histories"][-1]["date"]
        assert response.json()["outputs"] == {"said": "hi"}


async def test_plain_text_is_the_bare_text(tmp_path: Path) -> None:
    """
    text/plain with one text output is that text, as every handshake needs it; several outputs are their JSON.
    """
    plain = RETURN + "    responseContentType: text/plain\n"
    token = "{{ trigger.parameters.validationToken[0] ?? 'none' }}"
    several = OUTPUTS + "  - id: more\n    type: STRING\n    value: ü\n"
    flows = {
        "one": flow("one", text=token, more=OUTPUTS, trigger=plain),
        "two": flow("two", text=token, more=several, trigger=plain),
        "number": flow("number", text="5", more=OUTPUTS.replace("STRING", "INT"), trigger=plain),
        "none": flow("none", trigger=plain),
    }
    async with open_site(tmp_path, flows) as site:
        answers = {name: await site.call(name, tail="?validationToken=a%20<b>") for name in flows}
        assert {answer.headers["content-type"] for answer in answers.values()} == {"text/plain"}
        assert answers["one"].text == "a <b>"
        assert answers["two"].content == '{"said":"a <b>","more":"ü"}'.encode()
        assert answers["number"].text == '{"said":5}'
        assert answers["none"].content == b""


async def test_no_outputs_is_an_empty_body(tmp_path: Path) -> None:
    """
    `returnOutputs` of a flow without outputs answers 200 with nothing (row 52).
    """
    async with open_site(tmp_path, {"f": flow("f", trigger=RETURN)}) as site:
        response = await site.call("f")
        assert (response.status_code, response.content) == (200, b"")


async def test_response_code(tmp_path: Path) -> None:
    """
    `responseCode` is a number or an expression over the finished execution; one that is no status counts as 500.
    """
    flows = {
        "fixed": flow("fixed", more=OUTPUTS, text="x", trigger=RETURN + "    responseCode: 202\n"),
        "made": flow(
            "made",
            more=OUTPUTS,
            text="{{ trigger.parameters.code[0] }}",
            trigger=WAIT + '    responseCode: "{{ outputs.out.value }}"\n',
        ),
    }
    async with open_site(tmp_path, flows) as site:
        fixed = await site.call("fixed")
        assert (fixed.status_code, fixed.text) == (202, '{"said":"x"}')
        for code, expected in {"207": 207, "404": 404, "99": 500, "600": 500, "abc": 500}.items():
            response = await site.call("made", tail=f"?code={code}")
            assert response.status_code == expected, code
            assert response.json()["state"]["current"] == "SUCCESS"


async def test_a_failing_flow_is_a_failed_request(tmp_path: Path) -> None:
    """
    `wait` for an execution that fails answers 500 with its record, or what `responseCode` says.
    """
    failing = flow("failing", text="{{ nothing.here }}", trigger=WAIT)
    coded = flow("coded", text="{{ nothing.here }}", trigger=WAIT + "    responseCode: 200\n")
    unheeded = flow("unheeded", text="{{ nothing.here }}")
    async with open_site(tmp_path, {"a": failing, "b": coded, "c": unheeded}) as site:
        response = await site.call("failing")
        assert response.status_code == 500
        assert response.json()["state"]["current"] == "FAILED"
        assert "taskRunList" not in response.json()
        assert (await site.call("coded")).status_code == 200
        assert (await site.call("unheeded")).status_code == 200


async def test_the_receipt_names_an_entry_of_the_journal(tmp_path: Path) -> None:
    """
    `Hookledger-Receipt` holds execution, entry number and leaf hash exactly as the journal on disk has them.
    """
    async with open_site(tmp_path, {"f": flow("f"), "w": flow("w", trigger=WAIT)}) as site:
        for name in ("f", "w"):
            response = await site.call(name)
            given = response.headers["hookledger-receipt"]
            assert given in [receipt(entry) for entry in site.entries(response.json()["id"])]
            assert response.headers["x-delivery-id"]


async def test_every_delivery_has_its_own_id(tmp_path: Path) -> None:
    """
    `X-Delivery-Id` is in every answer, fresh each time, and in the journal with what was accepted.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        good, bad = await site.call("f"), await site.call("f", "wrong")
        assert good.headers["x-delivery-id"] != bad.headers["x-delivery-id"]
        received = site.events(good.json()["id"])[0]
        assert isinstance(received, TriggerReceived)
        assert received.delivery == good.headers["x-delivery-id"]


async def test_credentials_never_reach_the_journal(tmp_path: Path) -> None:
    """
    Authorization, Cookie and the key in the path are replaced before anything is written: not one byte on disk.
    """
    secrets = {"Authorization": "Bearer tok-aaaa", "Cookie": "sid=ck-bbbb", "X-Api-Key": "key-cccc"}
    async with open_site(
        tmp_path, {"f": flow("f", key="{{ flow.id }}-dddd"), "w": flow("w", trigger=WAIT)}
    ) as site:
        first = await site.call("f", "f-dddd", headers=secrets, content=b"body-eeee")
        second = await site.call("w", headers=secrets)
        assert (first.status_code, second.status_code) == (200, 200)
        for response in (first, second):
            shown = response.json()["trigger"]["variables"]["headers"]
            assert shown["Authorization"] == shown["Cookie"] == ["[redacted]"]
            assert "aaaa" not in response.text
        disk = site.journal_bytes()
    assert b"body-eeee" in disk or base64.b64encode(b"body-eeee") in disk
    for part in (b"tok-aaaa", b"ck-bbbb", b"key-cccc", b"f-dddd", base64.b64encode(b"tok-aaaa")):
        assert part not in disk


async def test_a_secret_input_needs_the_key(tmp_path: Path) -> None:
    """
    With `encryptionKey` a SECRET input is taken and stands nowhere on disk; without it, 422.
    """
    more = "inputs:\n  - id: token\n    type: SECRET\n" + OUTPUTS
    mapped = RETURN + "    inputs:\n      token: \"tok-{{ 'f' ~ 'fff' }}\"\n"
    flows = {"f": flow("f", text="{{ inputs.token | length }}", more=more, trigger=mapped)}
    async with open_site(tmp_path, flows) as site:
        assert (await site.call("f")).status_code == 422
    async with open_site(tmp_path, encryptionKey="a key") as site:
        assert (await site.call("f")).json() == {"said": "8"}
        assert b"tok-ffff" not in site.journal_bytes()
        assert base64.b64encode(b"tok-ffff") not in site.journal_bytes()


async def test_hanging_up_does_not_stop_the_execution(tmp_path: Path) -> None:
    """
    A caller who leaves cancels only its own waiting; the execution goes on and can be read afterwards.
    """
    pause = "  - id: nap\n    type: io.kestra.plugin.core.flow.Pause\n    delay: PT0.3S\ntriggers:"
    source = flow("slow", text="done", trigger=WAIT).replace("triggers:", pause)
    async with open_site(tmp_path, {"slow": source}) as site:
        stream = await trio.open_tcp_stream("127.0.0.1", site.port)
        await stream.send_all(f"GET {HOOK}/io.tests/slow/a-secret-key HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await site.until(lambda: bool(site.executions()))
        (execution,) = site.executions()
        await stream.aclose()
        await site.until(lambda: type_name(site.events(execution)[-1]) == "OutputsResolved")


async def test_waiting_has_an_end(tmp_path: Path) -> None:
    """
    An execution longer than `webhook.waitLimit` ends in 504 with its id and receipt; it goes on.
    """
    pause = "  - id: nap\n    type: io.kestra.plugin.core.flow.Pause\ntriggers:"
    source = flow("slow", trigger=WAIT).replace("triggers:", pause)
    async with open_site(tmp_path, {"slow": source}, webhook__waitLimit="PT0.1S") as site:
        response = await site.call("slow")
        assert response.status_code == 504
        assert response.headers["content-type"] == "application/problem+json"
        execution = response.json()["executionId"]
        assert response.headers["hookledger-receipt"].startswith(f"execution={execution};")
        assert execution in site.executions()


async def test_conditions_and_inputs_are_checked_before_an_execution_exists(tmp_path: Path) -> None:
    """
    `when` false is 204 with no body, an input that does not fit is 422 with the reason; neither starts anything.
    """
    typed = "inputs:\n  - id: count\n    type: INT\n"
    mapped = '    inputs:\n      count: "{{ trigger.body.count }}"\n'
    flows = {
        "when": flow("when", trigger="    when: \"{{ trigger.body.hello == 'world' }}\"\n"),
        "input": flow("input", more=typed, trigger=mapped),
        "unmapped": flow("unmapped", more=typed),
    }
    async with open_site(tmp_path, flows) as site:
        refused: list[httpx.Response] = []
        unmet = await site.call("when", method="POST", json={"hello": "you"})
        assert (unmet.status_code, unmet.content) == (204, b"")
        refused.append(await site.call("when", method="POST", json={"other": 1}))
        refused.append(await site.call("input", method="POST", json={"count": "many"}))
        refused.append(await site.call("input", method="POST", json={}))
        refused.append(await site.call("unmapped"))
        assert [response.status_code for response in refused] == [422] * 4
        assert {response.headers["content-type"] for response in refused} == {"application/problem+json"}
        assert all(response.json()["detail"] for response in refused)
        assert site.executions() == set()
        assert (await site.call("when", method="POST", json={"hello": "world"})).status_code == 200
        assert (await site.call("input", method="POST", json={"count": 3})).status_code == 200


async def test_the_url_member_needs_a_public_url(tmp_path: Path) -> None:
    """
    With `server.publicUrl` the answer links to the execution's page; without it there is no `url` (row 11).
    """
    async with open_site(tmp_path, {"f": flow("f")}, server__publicUrl="https://hooks.example/") as site:
        shown = (await site.call("f")).json()
        assert shown["url"] == f"https://hooks.example/ui/main/executions/io.tests/f/{shown['id']}"
