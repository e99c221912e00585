"""Triggers, tests, curl lines, starting by hand and deliveries, over the real server and without scripts."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from hookledger.actors import Ports
from hookledger.journal.entry import principal
from hookledger.journal.events import TriggerReceived
from hookledger.runtime.secret_inputs import Cipher
from hookledger.runtime.secrets import environment_secrets
from tests.api.site import flow

from .house import ONE, Elements, Person, attribute, console, person, text_of, words

SECRET: Final = "it's a $ecret"
SIGNED: Final = "    signature: { preset: GITHUB, secret: \"{{ secret('S') }}\" }\n"
BODY: Final = """{"text":"it's $HOME `id` \\"quoted\\" ; rm -rf / & é <script>"}"""
HIDDEN: Final = "••••••••"


def ports(**secrets: str) -> Ports:
    """A world with secrets."""
    known = environment_secrets({f"HOOKLEDGER_SECRET_{name}": value for name, value in secrets.items()})
    return Ports(secrets=known, cipher=Cipher("a key of the tests"))


async def shell(line: str) -> str:
    """Run a curl line as it stands; its answer's body."""
    done = await trio.run_process(["sh", "-c", line], capture_stdout=True, stderr=subprocess.DEVNULL)
    return done.stdout.decode()


async def probe(admin: Person, trigger: str = "webhook", **fields: Any) -> str:
    """Send the test form; the page that comes back."""
    given = {"method": "POST", "content_type": "application/json", "body": "{}", "mode": "dry", **fields}
    answer = await admin.send(f"{ONE}/triggers/{trigger}/test", **given)
    assert answer.status_code == 200, answer.text
    return answer.text


# --- the tab --------------------------------------------------------------------------------------------


async def test_the_key_is_for_those_who_may_start_executions(tmp_path: Path) -> None:
    """
    The URL is shown without its key; who may operate can have it shown and copied, nobody else gets it.
    """
    async with (
        console(tmp_path, {"f": flow("f", key="{{ 'rendered-' ~ flow.id }}")}) as admin,
        person(admin.site, "viewer") as viewer,
    ):
        page, seen = (await admin.get(f"{ONE}/triggers")).text, (await viewer.get(f"{ONE}/triggers")).text
        url = attribute(page, "trigger-webhook-url", "data-value")
        assert (await admin.client.get(url)).status_code == 200
    assert url.endswith("/api/v1/main/executions/webhook/io.tests/f/rendered-f")
    assert text_of(page, "trigger-webhook-url").endswith(f"/io.tests/f/{HIDDEN}")
    assert "rendered-f" not in seen
    assert "role operator" in words(seen)


async def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    """
    A key that cannot be rendered is no riddle: the page says which secret is missing and how to set it.
    """
    async with console(tmp_path, {"f": flow("f", key="{{ secret('NOT_THERE') }}")}) as admin:
        pages = [words((await admin.get(f"{ONE}/{tab}")).text) for tab in ("triggers", "execute")]
        answer = await probe(admin)
    for page in (*pages, words(answer)):
        assert "Missing: NOT_THERE" in page
        assert "HOOKLEDGER_SECRET_NOT_THERE" in page


async def test_the_last_deliveries_have_verdicts(tmp_path: Path) -> None:
    """
    Accepted with its execution, refused with status and precise reason, repeated: each in words.
    """
    trigger = "    methods: [POST]\n    deduplication: { key: \"{{ trigger.headers['X-Id'][0] ?? '' }}\" }\n"
    async with console(tmp_path, {"f": flow("f", trigger=trigger)}) as admin:
        first = await admin.site.call("f", method="POST", headers={"X-Id": "1"})
        again = await admin.site.call("f", method="POST", headers={"X-Id": "1"})
        refused = await admin.site.call("f", method="PUT")
        ids = [answer.headers["x-delivery-id"] for answer in (first, again, refused)]
        for one in ids:
            await until_recorded(admin, one)
        page = words((await admin.get(f"{ONE}/triggers")).text)
    assert f"{ids[0]} accepted" in page
    assert f"{ids[1]} duplicate" in page
    assert f"{ids[2]} refused 405 method PUT" in page
    assert first.json()["id"] in page


# --- tests ----------------------------------------------------------------------------------------------


async def test_a_dry_run_tells_and_does_nothing(tmp_path: Path) -> None:
    """
    Every step says what it thinks; nothing starts, nothing is written down.
    """
    async with console(tmp_path, {"f": flow("f", trigger=SIGNED)}, ports=ports(S=SECRET)) as admin:
        good = words(await probe(admin, ready="on"))
        bad = words(await probe(admin))
        assert admin.site.executions() == set()
        listed = await admin.client.get("/api/v1/main/triggers/io.tests/f/webhook/deliveries")
    assert "It would be accepted" in good
    assert "passed signature" in good
    assert "It would be refused with 401: signature-missing" in bad
    assert listed.json()["total"] == 0


async def test_a_test_is_really_sent(tmp_path: Path) -> None:
    """
    With a live signature and further headers it is accepted like a sender's own; the answer is shown with its
    headers, its delivery and its execution, which is marked as a test.
    """
    async with console(tmp_path, {"f": flow("f", trigger=SIGNED)}, ports=ports(S=SECRET)) as admin:
        page = await probe(
            admin, mode="send", ready="on", body=BODY, headers="X-GitHub-Event: push", query="a=b%20c"
        )
        (execution,) = admin.site.executions()
        received = admin.site.events(execution)[0]
    assert isinstance(received, TriggerReceived)
    assert received.body.decode() == BODY
    assert received.query == "a=b%20c"
    assert ("X-GitHub-Event", "push") in received.headers
    assert received.labels["system.from"] == "testEvent"
    said = words(page)
    assert f"200 OK {execution} this delivery" in said
    assert "Content-Type: application/json" in said
    assert f'/ui/main/deliveries/{received.delivery}"' in page
    assert SECRET not in page
    assert Elements(page).dangerous == []


async def test_a_refused_test_says_why(tmp_path: Path) -> None:
    """
    The sender gets a plain 401; whoever tests is told which check failed, and finds the delivery.
    """
    async with console(tmp_path, {"f": flow("f", trigger=SIGNED)}, ports=ports(S=SECRET)) as admin:
        said = words(await probe(admin, mode="send", headers="X-Hub-Signature-256: sha256=00"))
        assert admin.site.executions() == set()
    assert "401 Unauthorized signature" in said
    assert "this delivery" in said


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"headers": "no header"}, "line 1 of the headers"),
        ({"query": "a b"}, "%20"),
        ({"trigger": "public", "ready": "on"}, "only its public key is known"),
    ],
)
async def test_what_cannot_be_sent_is_explained(tmp_path: Path, fields: dict[str, str], says: str) -> None:
    """
    A mistake in the form sends nothing, says what to change, and leaves what was typed.
    """
    public = (
        "  - id: public\n    type: io.kestra.plugin.core.trigger.Webhook\n    key: other\n"
        f"    signature: {{ preset: DISCORD, publicKeys: ['{'00' * 32}'] }}\n"
    )
    async with console(tmp_path, {"f": flow("f") + public}) as admin:
        page = await probe(admin, mode="send", body="typed", **fields)
        assert admin.site.executions() == set()
    assert "Nothing was sent" in page
    assert says in words(page)
    assert "typed</textarea>" in page


async def test_a_stream_is_shown(tmp_path: Path) -> None:
    """
    A webhook that answers with progress is followed to its end.
    """
    trigger = "    wait: true\n    response: { contentType: text/event-stream }\n"
    async with console(tmp_path, {"f": flow("f", trigger=trigger)}) as admin:
        page = words(await probe(admin, mode="send"))
    assert "text/event-stream" in page
    assert "event: " in page


# --- curl lines -----------------------------------------------------------------------------------------


async def line(admin: Person, **fields: str) -> dict[str, str]:
    """What the script asks for."""
    given = {"csrf": await admin.csrf(ONE), "trigger": "webhook", "method": "POST", "payload": "{}", **fields}
    answer = await admin.client.post(f"{ONE}/curl", data=given, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


@pytest.mark.parametrize(
    "trigger",
    [
        "",
        SIGNED,
        "    authentication: [{ type: BASIC, username: u, password: \"{{ secret('S') }}\" }]\n",
        "    methods: [PUT]\n",
    ],
)
async def test_the_very_line_works_in_a_shell(tmp_path: Path, trigger: str) -> None:
    """
    Whatever the trigger wants and the payload holds, the copied line is accepted and the body arrives as typed; the
    line on the page has neither key, nor password, nor signature.
    """
    source = flow("f", key="it's a key/ü", trigger=trigger)
    async with console(tmp_path, {"f": source}, ports=ports(S=SECRET)) as admin:
        made = await line(admin, payload=BODY, method="PUT" if "PUT" in trigger else "POST")
        answer = json.loads(await shell(made["line"]))
        received = admin.site.events(answer["id"])[0]
    assert isinstance(received, TriggerReceived)
    assert received.body.decode() == BODY
    assert received.method == ("PUT" if "PUT" in trigger else "POST")
    for secret in (SECRET, "it%27s%20a%20key", "sha256="):
        assert secret not in made["shown"]
    assert HIDDEN in made["shown"]


async def test_a_get_has_a_query_and_no_body(tmp_path: Path) -> None:
    """
    The right method, without what it cannot carry.
    """
    async with console(tmp_path, {"f": flow("f", trigger="    methods: [GET]\n")}) as admin:
        made = await line(admin, method="GET", query="name=a%20b", payload=BODY)
        answer = json.loads(await shell(made["line"]))
        received = admin.site.events(answer["id"])[0]
    assert isinstance(received, TriggerReceived)
    assert (received.method, received.query, received.body) == ("GET", "name=a%20b", b"")
    assert "Content-Type" not in made["line"]


async def test_the_line_is_refreshed_without_scripts(tmp_path: Path) -> None:
    """
    The button sends the form, and the page comes back with what was typed and its line.
    """
    async with console(tmp_path, {"f": flow("f")}) as admin:
        answer = await admin.send(f"{ONE}/curl", trigger="webhook", method="PUT", payload="it's")
        page = answer.text
    assert answer.status_code == 200
    assert "--data-raw 'it'\"'\"'s'" in attribute(page, "curl-webhook-line", "data-value")
    assert "it&#39;s</textarea>" in page
    assert "<option selected>PUT</option>" in page


async def test_who_may_not_operate_gets_no_line(tmp_path: Path) -> None:
    """
    A curl line has the key in it.
    """
    async with console(tmp_path, {"f": flow("f")}, role="viewer") as viewer:
        csrf = await viewer.csrf(ONE)
        for path, method in (
            ("curl", "POST"),
            ("execute", "GET"),
            ("execute", "POST"),
            ("triggers/webhook/test", "POST"),
        ):
            answer = await viewer.client.request(method, f"{ONE}/{path}", data={"csrf": csrf})
            assert answer.status_code == 403, path


# --- starting by hand -----------------------------------------------------------------------------------

INPUTS: Final = (
    "inputs:\n  - { id: city, type: STRING }\n  - { id: days, type: INT, min: 1, max: 14, defaults: 3 }\n"
    "  - { id: pass, type: SECRET, required: false }\n"
    "outputs:\n  - { id: said, type: STRING, value: '{{ outputs.out.value }}' }\n"
)


async def test_a_flow_is_started_by_hand(tmp_path: Path) -> None:
    """
    The inputs and labels that were typed start it under the user's name; its state and outputs stand beside the form.
    """
    source = flow("f", text="{{ inputs.city }} for {{ inputs.days }}", more=INPUTS)
    async with console(tmp_path, {"f": source}, ports=ports(), role="operator") as operator:
        answer = await operator.send(
            f"{ONE}/execute",
            **{"input.city": "<b>Rome", "input.days": "5", "input.pass": "hush", "labels": "why: test"},
        )
        assert answer.status_code == 303
        execution = answer.headers["location"].partition("run=")[2]
        await operator.site.until(lambda: len(operator.site.events(execution)) >= 4)
        page = (await operator.get(answer.headers["location"])).text
        received = operator.site.events(execution)[0]
        entry = operator.site.entries(execution)[0]
        raw = operator.site.journal_bytes()
    assert isinstance(received, TriggerReceived)
    assert (received.labels["why"], received.labels["system.from"]) == ("test", "console")
    assert entry.header.actor == principal("user:the-operator", entry.header.log)
    assert b"hush" not in raw
    said = words(page)
    assert f"SUCCESS {execution}" in said
    assert "said <b>Rome for 5" in said
    assert Elements(page).dangerous == []
    assert f'data-run="{execution}"' in page


async def test_mistakes_stand_at_their_field(tmp_path: Path) -> None:
    """
    Nothing starts; each problem is beside its input, what was typed is kept, a secret is not sent back.
    """
    async with console(tmp_path, {"f": flow("f", more=INPUTS)}, ports=ports()) as admin:
        answer = await admin.send(
            f"{ONE}/execute", **{"input.city": "", "input.days": "99", "input.pass": "hush", "labels": "a: b"}
        )
        labels = await admin.send(f"{ONE}/execute", **{"input.city": "x", "labels": "no label"})
        assert admin.site.executions() == set()
    page = answer.text
    assert (answer.status_code, labels.status_code) == (422, 422)
    assert "required input is missing" in text_of(page, "field-city-hint")
    assert "must not be above `max` (14)" in page
    assert 'value="99"' in page
    assert "a: b</textarea>" in page
    assert "hush" not in page
    assert "write a label as" in labels.text


async def test_the_newest_run_stands_beside_the_form(tmp_path: Path) -> None:
    """
    A pasted curl line starts an execution that nobody began on this page; it is shown there too.
    """
    async with console(tmp_path, {"f": flow("f"), "g": flow("g", key="other")}) as admin:
        before = words((await admin.get(f"{ONE}/execute")).text)
        other = (await admin.site.call("g", key="other")).json()["id"]
        called = (await admin.site.call("f")).json()["id"]
        after = (await admin.get(f"{ONE}/execute?run={other}")).text
    assert "The execution you start is shown here" in before
    assert called in after
    assert other not in words(after), "an execution of another flow is none of this page's"


async def test_a_disabled_flow_cannot_be_started(tmp_path: Path) -> None:
    """
    The page says so, the button is off, and sending the form all the same starts nothing.
    """
    async with console(tmp_path, {"f": flow("f", more="disabled: true\n")}) as admin:
        page = (await admin.get(f"{ONE}/execute")).text
        answer = await admin.send(f"{ONE}/execute")
        assert admin.site.executions() == set()
    assert "It cannot be started: it is disabled" in words(page)
    assert '<button class="primary" id="execute-button" disabled>' in page
    assert answer.status_code == 422
    assert "is disabled" in words(answer.text)


# --- one delivery ---------------------------------------------------------------------------------------


async def until_recorded(admin: Person, delivery: str) -> str:
    """The page of a delivery, once it is written down."""
    with trio.fail_after(30):
        while (answer := await admin.get(f"/ui/main/deliveries/{delivery}")).status_code != 200:  # noqa: ASYNC110
            await trio.sleep(0.01)
    return answer.text


async def test_a_delivery_tells_what_the_flow_saw(tmp_path: Path) -> None:
    """
    Verdict, verification and the variables without credentials; sending it again starts another execution and says
    where the copy came from.
    """
    async with console(tmp_path, {"f": flow("f", trigger=SIGNED)}, ports=ports(S=SECRET)) as admin:
        await probe(admin, mode="send", ready="on", body=BODY, headers="Authorization: Bearer hush")
        (execution,) = admin.site.executions()
        received = admin.site.events(execution)[0]
        assert isinstance(received, TriggerReceived)
        path = f"/ui/main/deliveries/{received.delivery}"
        page = (await admin.get(path)).text
        answer = await admin.send(f"{path}/replay")
        assert answer.status_code == 303
        (copy,) = admin.site.executions() - {execution}
        sent = admin.site.events(copy)[0]
        assert isinstance(sent, TriggerReceived)
        second = (await admin.get(f"/ui/main/deliveries/{sent.delivery}")).text
    assert "It was accepted and started an execution." in page
    assert "preset GITHUB" in words(page)
    assert "[redacted]" in page
    assert "hush" not in page
    assert Elements(page).dangerous == []
    assert f"/executions/io.tests/f/{copy}?done=sent" in answer.headers["location"]
    assert f"Sent again from {received.delivery}" in words(second)


async def test_a_refused_delivery_says_why(tmp_path: Path) -> None:
    """
    The precise reason, what nobody keeps, and that it cannot be sent again.
    """
    async with console(tmp_path, {"f": flow("f", trigger=SIGNED)}, ports=ports(S=SECRET)) as admin:
        refused = await admin.site.call("f", method="POST", headers={"X-Hub-Signature-256": "sha256=00"})
        page = await until_recorded(admin, refused.headers["x-delivery-id"])
        again = await admin.send(f"/ui/main/deliveries/{refused.headers['x-delivery-id']}/replay")
    said = words(page)
    assert "It was refused with 401 and started nothing: signature" in said
    assert "The body of a refused delivery is not kept." in said
    assert "Send again" not in said
    assert again.status_code in (404, 409)


async def test_a_duplicate_leads_to_the_first(tmp_path: Path) -> None:
    """
    What was repeated, and each repetition from the first one's page.
    """
    trigger = "    deduplication: { key: \"{{ trigger.headers['X-Id'][0] }}\" }\n"
    async with console(tmp_path, {"f": flow("f", trigger=trigger)}) as admin:
        first, again = [await admin.site.call("f", headers={"X-Id": "1"}) for _ in range(2)]
        repeated = await until_recorded(admin, again.headers["x-delivery-id"])
        page = await until_recorded(admin, first.headers["x-delivery-id"])
    assert f"First delivery {first.headers['x-delivery-id']}" in words(repeated)
    assert again.headers["x-delivery-id"] in words(page)
    assert "Deduplication key" in words(page)
