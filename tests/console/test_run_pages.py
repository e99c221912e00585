"""Pages of executions over the real server, without scripts: the list, the tabs, the actions, the proof."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import httpx
import pytest

from hookledger.journal.sqlite import partition_file
from hookledger.journal.sqlite.reader import SqliteReader
from tests.api.site import Site, flow
from tests.journal.builders import tamper

from .house import console, person, text_of, words

LIST: Final = "/ui/main/executions"
HOSTILE: Final = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
ASK: Final = """
id: ask
namespace: io.tests
tasks:
  - id: approve
    type: io.kestra.plugin.core.flow.Pause
    pauseDuration: P2D
    behavior: FAIL
    onResume:
      - {id: approved, type: BOOLEAN}
      - {id: level, type: INT, required: false}
  - id: out
    type: io.kestra.plugin.core.debug.Return
    format: "{{ outputs.approve.onResume.approved }}"
triggers:
  - {id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key}
"""
FAILING: Final = """
id: bad
namespace: io.tests
labels: {team: payments}
tasks:
  - {id: say, type: io.kestra.plugin.core.log.Log, message: ["first line", "second line"], level: WARN}
  - {id: charge, type: io.kestra.plugin.core.execution.Fail, errorMessage: "no money <b>left</b>"}
triggers:
  - {id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key, wait: true}
"""


def page_of(execution: str, name: str = "f", tab: str = "") -> str:
    return "/".join(part for part in (LIST, "io.tests", name, execution, tab) if part)


async def run(site: Site, name: str = "f", count: int = 3, **more: object) -> str:
    """Call a flow's webhook; returns the execution once it has this many events."""
    execution: str = (await site.call(name, **more)).json()["id"]  # type: ignore[arg-type]
    await site.until(lambda: len(site.events(execution)) >= count)
    return execution


def flash(response: httpx.Response) -> str:
    """What a page says was done."""
    found = re.search(r'<p class="notice good" role="status">(.*?)</p>', response.text)
    return found[1] if found else ""


# --- the list -------------------------------------------------------------------------------------------


async def test_an_empty_list_shows_a_command_that_works(tmp_path: Path) -> None:
    """
    Before the first execution the page has a curl line; run as it is, it makes that first execution.
    """
    async with console(tmp_path, {"f": flow("f", text="hi")}) as admin:
        command = text_of((await admin.get(LIST)).text, "first-run")
        assert command.startswith("curl http://127.0.0.1:")
        started = await admin.site.client.get(command.removeprefix("curl "))
        page = (await admin.get(LIST)).text
    assert started.status_code == 200
    assert started.json()["id"] in page


async def test_the_list_is_filtered_by_what_stands_in_the_address(tmp_path: Path) -> None:
    """
    State, flow, label, text and time narrow the list; the form shows what it was narrowed by; nothing found says so.
    """
    async with console(tmp_path, {"f": flow("f", text="hi"), "bad": FAILING}) as admin:
        good, bad = await run(admin.site), await run(admin.site, "bad")

        async def found(query: str) -> set[str]:
            text = (await admin.get(f"{LIST}?{query}")).text
            return {execution for execution in (good, bad) if execution in text}

        assert await found("") == {good, bad}
        assert await found("state=FAILED&state=KILLED") == {bad}
        assert await found("state=FAILED&state=SUCCESS") == {good, bad}
        assert await found("flow=f") == {good}
        assert await found("namespace=io") == {good, bad}
        assert await found("namespace=io.other") == set()
        assert await found("label=team:payments") == {bad}
        assert await found(f"text={good[-8:]}") == {good}
        assert await found("since=PT1H") == {good, bad}
        assert await found("until=2020-01-01T00:00") == set()
        narrowed = (await admin.get(f"{LIST}?state=FAILED&flow=bad")).text
        nothing = (await admin.get(f"{LIST}?flow=unheard-of")).text
        odd = (await admin.get(f"{LIST}?since=yesterday&label=x&state=ODD")).text
    assert '<input type="checkbox" name="state" value="FAILED" checked>' in narrowed
    assert 'value="bad"' in narrowed
    assert "1–1 of 1 execution" in words(narrowed)
    assert "Nothing matches" in nothing
    assert f'href="{LIST}">Clear filters' in nothing
    assert "`yesterday` is no time" in odd
    assert "`x` is no label" in odd
    assert "there is no state `ODD`" in odd


async def test_the_list_has_pages(tmp_path: Path) -> None:
    """
    Fifty executions a page, with totals, and links to older and newer ones that keep the filters.
    """
    async with console(tmp_path, {"f": flow("f", text="hi")}) as admin:
        for _ in range(52):
            await admin.site.call("f")
        first = (await admin.get(f"{LIST}?flow=f")).text
        second = (await admin.get(f"{LIST}?flow=f&page=2")).text
    assert "1–50 of 52 executions" in words(first)
    assert 'rel="next" href="/ui/main/executions?flow=f&amp;page=2"' in first
    assert "51–52 of 52 executions" in words(second)
    assert 'rel="prev" href="/ui/main/executions?flow=f"' in second


# --- where an execution is ------------------------------------------------------------------------------


async def test_an_execution_has_one_address(tmp_path: Path) -> None:
    """
    Its id alone, or the right id under a wrong flow, leads to its own address; an unknown id is 404 inside the frame.
    """
    async with console(tmp_path, {"f": flow("f", text="hi")}) as admin:
        execution = await run(admin.site)
        short = await admin.get(f"{LIST}/{execution}")
        wrong = await admin.get(f"{LIST}/io.tests/other/{execution}/journal")
        missing = await admin.get(f"{LIST}/io.tests/f/0VAtR4000004q0000000001")
        system = await admin.get(f"{LIST}/io.tests/f/system")
        nowhere = await admin.get("/ui/main/nowhere", headers={"accept": "text/html"})
    assert (short.status_code, short.headers["location"]) == (303, page_of(execution))
    assert (wrong.status_code, wrong.headers["location"]) == (303, page_of(execution, tab="journal"))
    assert (missing.status_code, system.status_code, nowhere.status_code) == (404, 404, 404)
    assert "No such execution" in missing.text
    for page in (missing, system, nowhere):
        assert 'aria-label="Main"' in page.text


@pytest.mark.parametrize("tab", ["", "timeline", "topology", "logs", "outputs", "journal"])
async def test_every_tab_is_for_readers(tmp_path: Path, tab: str) -> None:
    """
    A viewer sees every tab of a failed execution, and no form that would change something.
    """
    async with console(tmp_path, {"bad": FAILING}, role="viewer") as viewer:
        execution = await run(viewer.site, "bad")
        response = await viewer.get(page_of(execution, "bad", tab))
    assert response.status_code == 200
    assert set(re.findall(r'<form method="post" action="([^"]*)"', response.text)) == {"/ui/main/logout"}


# --- what the tabs say ----------------------------------------------------------------------------------


async def test_the_overview_says_what_happened(tmp_path: Path) -> None:
    """
    The sentence, the error with its place in the YAML, the delivery, the answer, labels that lead to their like.
    """
    async with console(tmp_path, {"bad": FAILING}) as admin:
        execution = await run(admin.site, "bad")
        page = (await admin.get(page_of(execution, "bad"))).text
        received = admin.site.events(execution)[0]
    story = text_of(page, "story")
    assert re.match(
        r"Failed after \S+ .?s: task charge failed: no money <b>left</b>\. The answer is 500\.", story
    )
    assert "Started by webhook webhook (delivery" in story
    assert re.search(r"begins at <a [^>]*>[^<]*bad\.yaml:7:5</a>", page)
    assert f'href="/ui/main/deliveries/{received.delivery}"' in page  # type: ignore[union-attr]
    assert "label=team%3Apayments" in page
    assert "<b>left</b>" not in page


async def test_the_timeline_is_a_drawing_and_a_table(tmp_path: Path) -> None:
    """
    Each attempt is a bar with a title, and a row of the table that says the same in words.
    """
    async with console(tmp_path, {"bad": FAILING}) as admin:
        execution = await run(admin.site, "bad")
        page = (await admin.get(page_of(execution, "bad", "timeline"))).text
    assert len(re.findall(r'<rect class="bar ', page)) == 2
    assert re.search(r"<title>charge, attempt 1, FAILED, from .*: no money &lt;b&gt;left", page)
    assert "charge attempt 1 FAILED" in words(page)


async def test_the_topology_shows_how_each_task_stands(tmp_path: Path) -> None:
    """
    Tasks have their state's style and words; those that never began say so.
    """
    more = FAILING.replace(
        "triggers:", "  - {id: never, type: io.kestra.plugin.core.log.Log, message: x}\ntriggers:"
    )
    async with console(tmp_path, {"bad": more}) as admin:
        execution = await run(admin.site, "bad")
        page = (await admin.get(page_of(execution, "bad", "topology"))).text
    assert re.search(r'<g class="node failed"><title>charge', page)
    assert re.search(r'<g class="node success"><title>say', page)
    assert re.search(r'<g class="node idle"><title>never [^<]*: not begun', page)
    assert "never Log tasks not begun" in words(page)


async def test_logs_are_filtered_and_downloaded(tmp_path: Path) -> None:
    """
    By level and by task, on the page and in the file.
    """
    async with console(tmp_path, {"bad": FAILING}) as admin:
        execution = await run(admin.site, "bad")
        logs = page_of(execution, "bad", "logs")
        every, errors = (await admin.get(logs)).text, (await admin.get(f"{logs}?level=ERROR&task=say")).text
        file = await admin.get(f"{logs}.txt?task=say")
    assert "second line" in every
    assert "No line matches" in errors
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert file.headers["content-disposition"] == f'attachment; filename="{execution}.log"'
    assert [line.rpartition(" WARN say #1 ")[2] for line in file.text.splitlines()] == [
        "first line",
        "second line",
    ]


async def test_outputs_are_trees(tmp_path: Path) -> None:
    """
    Outputs of the flow and of its tasks, nested data as nested lists, and the JSON to copy.
    """
    outputs = 'outputs:\n  - {id: made, type: JSON, value: \'{"a": [1, null, "<i>"]}\'}\n'
    async with console(tmp_path, {"f": flow("f", text="hi", more=outputs)}) as admin:
        execution = await run(admin.site)
        page = (await admin.get(page_of(execution, tab="outputs"))).text
    assert json.loads(text_of(page, "json-flow")) == {"made": {"a": [1, None, "<i>"]}}
    assert json.loads(text_of(page, "json-1")) == {"value": "hi"}
    assert "&lt;i&gt;" in page
    assert "<i>" not in page


# --- what may be done -----------------------------------------------------------------------------------


async def test_a_person_answers_a_pause_with_its_form(tmp_path: Path) -> None:
    """
    The form asks for what `onResume` declares; a wrong value is refused with what was typed still there; a right one
    goes on, and the journal says who.
    """
    async with console(tmp_path, {"ask": ASK}, role="operator") as operator:
        execution = await run(operator.site, "ask", 2)
        here = page_of(execution, "ask")
        page = (await operator.get(here)).text
        assert "Waits for a person at approve since" in text_of(page, "story")
        wrong = await operator.send(
            f"{here}/resume", LIST, place="approve", **{"input.approved": "true", "input.level": "much"}
        )
        assert wrong.status_code == 422
        assert 'value="much"' in wrong.text
        assert "level" in text_of(wrong.text, "problem")
        done = await operator.goes(
            f"{here}/resume", place="approve", **{"input.approved": "true", "input.level": ""}
        )
        await operator.site.until(lambda: len(operator.site.events(execution)) >= 6)
        resumed = operator.site.events(execution)[2]
    assert flash(done) == "The execution goes on."
    assert (resumed.by, resumed.inputs) == ("user:the-operator", {"approved": True, "level": None})  # type: ignore[union-attr]


async def test_the_life_of_an_execution_in_forms(tmp_path: Path) -> None:
    """
    Pause, resume, note, labels, kill with a reason, replay: each is carried out, said, and in the journal; what was
    killed stays so.
    """
    async with console(tmp_path, {"ask": ASK}) as admin:
        execution = await run(admin.site, "ask", 2)
        here = page_of(execution, "ask")
        assert flash(await admin.goes(f"{here}/pause")) == "The execution is paused: nothing new begins."
        assert flash(await admin.goes(f"{here}/resume", place="")) == "The execution goes on."
        noted = await admin.goes(f"{here}/note", text=HOSTILE)
        assert (
            flash(await admin.goes(f"{here}/labels", labels="team: a\r\nsite: b:c")) == "The labels are set."
        )
        await admin.goes(f"{here}/kill", reason="wrong customer")
        await admin.site.until(lambda: admin.site.events(execution)[-1].terminal)
        killed = (await admin.get(here)).text
        refused = await admin.send(f"{here}/restart", LIST, revision="1")
        again = await admin.goes(f"{here}/replay")
        types = [type(event).__name__ for event in admin.site.events(execution)]
    assert "&lt;script&gt;alert(1)" in noted.text
    assert "<script>alert" not in noted.text
    assert "Killed by the-admin after" in text_of(killed, "story")
    assert "wrong customer" in text_of(killed, "story")
    assert types[2:8] == [
        "ExecutionPaused", "ExecutionResumed", "OperatorNote", "LabelsSet", "KillRequested", "ExecutionKilled",
    ]  # fmt: skip
    assert len(types) == 8
    assert refused.status_code == 409
    assert "stays so" in text_of(refused.text, "problem")
    assert f"{here}/restart" not in killed
    assert str(again.url.path) != here
    assert f"{LIST}/{execution}" in again.text


async def test_a_replay_may_begin_at_a_task(tmp_path: Path) -> None:
    """
    What was done before the task is there from the first event on, and the page says where it came from.
    """
    source = flow("f", text="hi").replace(
        "triggers:", "  - {id: more, type: io.kestra.plugin.core.debug.Return, format: again}\ntriggers:"
    )
    async with console(tmp_path, {"f": source}) as admin:
        execution = await run(admin.site, count=6)
        page = await admin.goes(f"{page_of(execution)}/replay", task="more")
        made = page.url.path.rpartition("/")[2]
        await admin.site.until(lambda: len(admin.site.events(made)) >= 4)
        page = await admin.get(page_of(made))
        first = (await admin.get(f"{page_of(made, tab='journal')}?at=0")).text
        nowhere = await admin.send(f"{page_of(execution)}/replay", LIST, task="nowhere")
    assert f"{execution} at event 3" in words(page.text)
    assert "out SUCCESS" in text_of(first, "stands-list")
    assert text_of(first, "badge") == "✓ The chain verifies"
    assert nowhere.status_code == 409


@pytest.mark.parametrize(
    ("action", "fields", "words_"),
    [
        ("labels", {"labels": "no colon"}, "write a label as `name: value`"),
        ("labels", {"labels": "system.x: y"}, "are set by the engine"),
        ("labels", {"labels": ""}, "give 1 to 50 labels"),
        ("note", {"text": " "}, "a note has 1 to 4000 characters"),
        ("restart", {"revision": "one"}, "a revision is a number"),
        ("restart", {}, "only a finished execution can be restarted"),
        ("resume", {"place": "nowhere"}, "`nowhere` does not wait"),
    ],
)
async def test_what_cannot_be_done_is_said(
    tmp_path: Path, action: str, fields: dict[str, str], words_: str
) -> None:
    """
    A refused action is the execution's page again with the reason, and nothing is recorded.
    """
    async with console(tmp_path, {"ask": ASK}) as admin:
        execution = await run(admin.site, "ask", 2)
        response = await admin.send(f"{page_of(execution, 'ask')}/{action}", LIST, **fields)
        events = admin.site.events(execution)
    assert response.status_code == 409
    assert words_ in text_of(response.text, "problem")
    assert len(events) == 2


@pytest.mark.parametrize("action", ["kill", "pause", "resume", "restart", "labels", "note", "replay"])
async def test_who_may_only_read_changes_nothing(tmp_path: Path, action: str) -> None:
    """
    A viewer who sends the form anyway is refused inside the frame, with the role that could; so is a form without
    the page's token.
    """
    async with (
        console(tmp_path, {"ask": ASK}, role="viewer") as viewer,
        person(viewer.site, "operator") as other,
    ):
        execution = await run(viewer.site, "ask", 2)
        path = f"{page_of(execution, 'ask')}/{action}"
        csrf = await viewer.csrf(LIST)
        refused = await viewer.client.post(path, data={"csrf": csrf}, headers={"accept": "text/html"})
        forged = await other.client.post(path, data={"csrf": csrf}, headers={"accept": "text/html"})
        events = viewer.site.events(execution)
    assert refused.status_code == forged.status_code == 403
    assert "`operator` has it" in words(refused.text)
    assert 'aria-label="Main"' in refused.text
    assert len(events) == 2


# --- the journal ----------------------------------------------------------------------------------------


async def test_the_journal_moves_through_time(tmp_path: Path) -> None:
    """
    `at=N` shows the state after event N and what it changed; the part alone is what the slider fetches.
    """
    async with console(tmp_path, {"bad": FAILING}) as admin:
        execution = await run(admin.site, "bad")
        journal = page_of(execution, "bad", "journal")
        newest, first = (await admin.get(journal)).text, (await admin.get(f"{journal}?at=0")).text
        part = (await admin.get(f"{journal}?part=moment&at=1")).text
        beyond = (await admin.get(f"{journal}?at=99999")).text
    assert "After event 5 of 5: FAILED" in text_of(newest, "moment").replace(" :", ":")
    assert "state : – → CREATED" in words(first)
    assert 'data-at="1"' in part
    assert "task say : – → RUNNING" in words(part)
    assert "<html" not in part
    assert 'data-at="5"' in beyond
    assert newest.count('<li id="event-') == 6


async def test_the_badge_is_computed(tmp_path: Path) -> None:
    """
    It says that the chain verifies; after somebody changed a byte of a payload in the file it names the rule, the
    place and the command, and the page still shows what can be read.
    """
    async with console(tmp_path, {"bad": FAILING}) as admin:
        execution = await run(admin.site, "bad")
        journal = page_of(execution, "bad", "journal")
        before = (await admin.get(journal)).text
        file = partition_file(admin.site.data)
    tamper(
        file,
        "UPDATE entry SET payload = CAST(replace(CAST(payload AS TEXT), 'no money', 'no honey') AS BLOB) "
        f"WHERE exec = '{execution}'",
    )
    async with console(tmp_path, {"bad": FAILING}) as admin:
        after = (await admin.get(journal)).text
    assert text_of(before, "badge") == "✓ The chain verifies"
    assert text_of(after, "badge") == "✗ The chain does not verify"
    assert "S04 the payload is not the one the header commits to" in words(after)
    assert text_of(after, "verify-command") == f"hookledger journal verify {execution}"


async def test_an_unreadable_entry_is_no_blank_page(tmp_path: Path) -> None:
    """
    A payload that is no JSON any more: every tab still answers and says what cannot be read; nothing is offered that
    would need it.
    """
    async with console(tmp_path, {"bad": FAILING}) as admin:
        execution = await run(admin.site, "bad")
        file = partition_file(admin.site.data)
    tamper(file, f"UPDATE entry SET payload = CAST('[' AS BLOB) WHERE exec = '{execution}'")
    async with console(tmp_path, {"bad": FAILING}) as admin:
        pages = [
            await admin.get(page_of(execution, "bad", tab))
            for tab in ("", "timeline", "topology", "logs", "outputs", "journal")
        ]
    assert [page.status_code for page in pages] == [200] * 6
    for page in pages:
        assert "cannot be read" in text_of(page.text, "broken")
        assert "/restart" not in page.text
    assert text_of(pages[-1].text, "badge") == "✗ The chain does not verify"


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def wrong(self) -> list[str]:
        """Tags that run something, or look as we did not mean it."""
        return [
            f"{tag} {attributes}"
            for tag, attributes in self.found
            if tag in ("img", "iframe", "style")
            or (tag == "script" and not (attributes.get("src") or "").startswith("/ui/static/"))
            or any(name.startswith("on") or name == "style" for name in attributes)
        ]


# --- hostile text ---------------------------------------------------------------------------------------


async def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """
    What senders, labels, log lines and outputs bring is shown as text on every page that shows it.
    """
    quoted = json.dumps(HOSTILE)
    more = f"labels:\n  team: {quoted}\ninputs:\n  - {{id: word, type: STRING, defaults: {quoted}}}\n"
    source = flow("f", text="{{ trigger.body.x }}", more=more).replace(
        "triggers:", f"  - {{id: say, type: io.kestra.plugin.core.log.Log, message: {quoted}}}\ntriggers:"
    )
    async with console(tmp_path, {"f": source}) as admin:
        execution = await run(admin.site, count=6, method="POST", json={"x": HOSTILE}, params={"q": HOSTILE})
        tabs = ("", "timeline", "topology", "logs", "outputs", "journal", "logs.txt")
        pages = [await admin.get(page_of(execution, tab=tab)) for tab in tabs]
        pages += [
            await admin.get(f"{LIST}?text={HOSTILE}&label={HOSTILE}&flow={HOSTILE}&since={HOSTILE}"),
            await admin.get(f"{LIST}/{HOSTILE}"),
            await admin.get(LIST),
            await admin.get("/ui/main/"),
            await admin.get("/ui/main/", params={"window": HOSTILE}),
            await admin.get("/ui/main/audit", params={"by": HOSTILE, "kind": HOSTILE, "before": HOSTILE}),
        ]
    for page in pages:
        assert page.status_code in (200, 400, 404)
        if page.headers["content-type"].startswith("text/html"):
            assert Tags(page.text).wrong() == []
    assert sum("&lt;script&gt;" in page.text for page in pages) >= 6


async def test_an_error_of_ours_says_nothing_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A fault inside the server is a page inside the frame without its words; the log has them.
    """

    def faulty(_self: object, _query: object) -> None:
        raise RuntimeError("the inside of the server")

    async with console(tmp_path, {"f": flow("f", text="hi")}) as admin:
        monkeypatch.setattr(SqliteReader, "rows", faulty)
        page = await admin.get(LIST, headers={"accept": "text/html"})
    assert page.status_code == 500
    assert "Something went wrong here" in page.text
    assert "the inside of the server" not in page.text
    assert "the inside of the server" in caplog.text
