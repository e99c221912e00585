"""Pages of flows over the real server, without scripts: lists, the editor, revisions, hostile text."""

import re
from pathlib import Path
from typing import Final

import pytest

from hookledger.journal.events import FlowRegistered
from tests.api.site import flow

from .house import FLOWS, ONE, Elements, console, person, source_in, text_of, words

HOSTILE: Final = "</textarea><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def quoted(text: str) -> str:
    """A text in YAML."""
    return "'" + text.replace("'", "''") + "'"


# --- the list -------------------------------------------------------------------------------------------


async def test_an_empty_list_teaches(tmp_path: Path) -> None:
    """
    Without a flow the page says what one is, and how to get the first one; a viewer is sent to somebody who may.
    """
    async with console(tmp_path) as admin, person(admin.site, "viewer") as viewer:
        shown, read = (await admin.get(FLOWS)).text, (await viewer.get(FLOWS)).text
    for page in (shown, read):
        assert "There are no flows yet" in page
        assert "hookledger serve DIR" in page
    assert f'href="{FLOWS}/new"' in shown
    assert f'href="{FLOWS}/new"' not in read


async def test_the_list_says_how_it_goes(tmp_path: Path) -> None:
    """
    A row has the newest state, a spark line with words, the kinds of triggers, and marks for what cannot start.
    """
    flows = {
        "a": flow("f", text="{{ trigger.body.x }}"),
        "b": flow("off", more="disabled: true\n", key="other"),
    }
    async with console(tmp_path, flows) as admin:
        await admin.site.call("f", method="POST", json={"x": 1})
        failed = (await admin.site.call("f", method="POST", json={})).json()["id"]
        await admin.site.until(lambda: len(admin.site.events(failed)) >= 3)
        page = (await admin.get(FLOWS)).text
    run, off = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)[1:]
    assert '<span class="state failed">FAILED</span>' in run
    assert 'aria-label="the last 2 runs: ' in run
    assert run.count("<rect") == 2
    assert ">Webhook<" in run
    assert "DISABLED" in off
    assert "never ran" in off


async def test_the_list_is_searched_and_paged(tmp_path: Path) -> None:
    """
    By namespace (with those below it) and by text; 25 to a page; the second page has the rest.
    """
    flows = {f"n{number:02}": flow(f"n{number:02}", key=f"k{number}") for number in range(27)}
    flows["other"] = flow("other").replace("io.tests", "io.tests.below")
    async with console(tmp_path, flows) as admin:
        first, second = (await admin.get(FLOWS)).text, (await admin.get(f"{FLOWS}?page=2")).text
        below = (await admin.get(f"{FLOWS}?namespace=io.tests.below")).text
        found = (await admin.get(f"{FLOWS}?q=N1")).text
        nothing = (await admin.get(f"{FLOWS}?q=zzz")).text
    names = re.compile(r'<a class="name" [^>]*>(.*?)</a>')
    assert len(names.findall(first)) == 25
    assert names.findall(second) == ["n25", "n26", "other"]
    assert 'rel="next"' in first
    assert 'rel="next"' not in second
    assert names.findall(below) == ["other"]
    assert len(names.findall(found)) == 10
    assert "No flow matches" in nothing


# --- the editor -----------------------------------------------------------------------------------------


async def test_a_flow_is_written_in_the_console(tmp_path: Path) -> None:
    """
    A starter, saved as it is, is a flow with the user's name in the journal, and its page says so.
    """
    async with console(tmp_path) as admin:
        page = (await admin.get(f"{FLOWS}/new?from=webhook")).text
        made = await admin.goes(f"{FLOWS}/new", source=source_in(page))
        called = await admin.client.post(
            "/api/v1/main/executions/webhook/company.team/hello/change-me", json={"name": "Ada"}
        )
        events = admin.site.events("system")
    assert made.status_code == 200
    assert "The flow is created." in made.text
    assert called.json() == {"greeting": "Hello Ada!"}
    assert [event.by for event in events if isinstance(event, FlowRegistered)] == ["user:the-admin"]


async def test_mistakes_come_back_with_their_lines_and_the_text(tmp_path: Path) -> None:
    """
    Nothing is saved; the text is as it was typed, hostile as it may be, and every problem has its line.
    """
    source = f"id: f\nnamespace: io.tests\ntaks: []\ndescription: {quoted(HOSTILE)}\n"
    async with console(tmp_path) as admin:
        answer = await admin.send(f"{FLOWS}/new", source=source.replace("\n", "\r\n"))
        assert not any(isinstance(event, FlowRegistered) for event in admin.site.events("system"))
    assert answer.status_code == 422
    assert source_in(answer.text) == source
    assert "Line 3, column 1" in answer.text
    assert 'data-line="3"' in answer.text
    assert "<script>alert" not in answer.text


async def test_a_name_is_taken_once(tmp_path: Path) -> None:
    """
    A new flow with the name of another is refused with advice, and the text stays.
    """
    async with console(tmp_path, {"f": flow("f")}) as admin:
        answer = await admin.send(f"{FLOWS}/new", source=flow("f", text="mine"))
    assert answer.status_code == 409
    assert "choose another id" in answer.text
    assert "mine" in source_in(answer.text)


async def test_a_change_is_a_new_revision(tmp_path: Path) -> None:
    """
    Saving makes a revision; saving the same again says that nothing changed.
    """
    async with console(tmp_path) as admin:
        await admin.goes(f"{FLOWS}/new", source=flow("f"))
        saved = await admin.goes(f"{ONE}/source", source=flow("f", text="new"), revision="1")
        same = await admin.goes(f"{ONE}/source", source=flow("f", text="new"), revision="2")
    assert "The flow is saved as a new revision." in saved.text
    assert "nothing changed" in same.text
    assert 'name="revision" value="2"' in same.text


async def test_another_name_in_the_text_is_refused(tmp_path: Path) -> None:
    """
    The editor of one flow does not create another.
    """
    async with console(tmp_path, {"f": flow("f")}) as admin:
        answer = await admin.send(f"{ONE}/source", source=flow("g"), revision="1")
    assert answer.status_code == 422
    assert "Line 1, column 5" in answer.text


async def test_nobody_overwrites_what_he_has_not_seen(tmp_path: Path) -> None:
    """
    A text made from an older revision is refused with who was quicker and the difference; the text stays, and saving
    it again puts it on top.
    """
    mine = flow("f", text="mine")
    async with console(tmp_path) as admin:
        await admin.goes(f"{FLOWS}/new", source=flow("f", text="first"))
        await admin.goes(f"{ONE}/source", source=flow("f", text="theirs"), revision="1")
        refused = await admin.send(f"{ONE}/source", source=mine, revision="1")
        newest = await admin.client.get("/api/v1/main/flows/io.tests/f?source=true")
        known = re.search(r'name="revision" value="(\d+)"', refused.text)
        assert known is not None
        taken = await admin.goes(f"{ONE}/source", source=mine, revision=known[1])
    assert refused.status_code == 409
    assert "user:the-admin saved revision 2" in words(refused.text)
    assert source_in(refused.text) == mine
    assert "theirs" in newest.json()["source"]
    assert re.search(r'<td class="gone">.*theirs', refused.text)
    assert re.search(r'<td class="came">.*mine', refused.text)
    assert "saved as a new revision" in taken.text


async def test_who_may_not_edit_reads(tmp_path: Path) -> None:
    """
    A viewer sees the source without a form, and the server refuses a change all the same.
    """
    async with console(tmp_path, {"f": flow("f")}, role="viewer") as viewer:
        page = await viewer.get(f"{ONE}/source")
        refused = await viewer.send(f"{ONE}/source", source=flow("f", text="x"), revision="1")
        new = await viewer.get(f"{FLOWS}/new")
    assert "<textarea" not in page.text
    assert "io.kestra.plugin.core.debug.Return" in page.text
    assert (refused.status_code, new.status_code) == (403, 403)


# --- a flow's page --------------------------------------------------------------------------------------


async def test_the_overview_tells_what_it_is(tmp_path: Path) -> None:
    """
    Inputs, outputs, labels, triggers, concurrency, and the last runs.
    """
    more = (
        "description: What it does.\nlabels: { team: blue }\nconcurrency: { limit: 2, behavior: FAIL }\n"
        "inputs:\n  - { id: city, type: STRING, defaults: Rome, description: Where. }\n"
    )
    async with console(tmp_path, {"f": flow("f", more=more)}) as admin:
        started = (await admin.site.call("f")).json()["id"]
        page = (await admin.get(ONE)).text
    said = words(page)
    assert "What it does." in said
    assert "team: blue" in said
    assert "2 at once; one too many fails" in said
    assert "city STRING no Rome Where." in said
    assert started in said
    assert "GET, POST, PUT; answers at once" in said


@pytest.mark.parametrize("tab", ["", "/source", "/triggers", "/executions", "/revisions", "/execute"])
async def test_hostile_text_is_text(tmp_path: Path, tab: str) -> None:
    """
    Ids, labels, descriptions, defaults and conditions of a flow are shown and never run.
    """
    more = (
        f"description: {quoted(HOSTILE)}\nlabels: {{ {quoted(HOSTILE)}: {quoted(HOSTILE)} }}\n"
        f"inputs:\n  - {{ id: a, type: STRING, defaults: {quoted(HOSTILE)}, displayName: {quoted(HOSTILE[:60])}, "
        f"description: {quoted(HOSTILE)} }}\n"
        f"  - {{ id: b, type: SELECT, values: [{quoted(HOSTILE)}], defaults: {quoted(HOSTILE)} }}\n"
    )
    trigger = f"    publicUrl: http://x.example/\n    labels: {{ x: {quoted(HOSTILE)} }}\n"
    async with console(
        tmp_path, {"f": flow("f", text="{{ inputs.a }}", more=more, trigger=trigger)}
    ) as admin:
        await admin.site.call("f")
        page = await admin.get(f"{ONE}{tab}")
    assert page.status_code == 200
    assert Elements(page.text).dangerous == []


async def test_the_executions_of_a_flow_are_filtered(tmp_path: Path) -> None:
    """
    By state; what is no state filters nothing.
    """
    async with console(tmp_path, {"f": flow("f", text="{{ trigger.body.x }}")}) as admin:
        good = (await admin.site.call("f", method="POST", json={"x": 1})).json()["id"]
        bad = (await admin.site.call("f", method="POST", json={})).json()["id"]
        await admin.site.until(lambda: len(admin.site.events(bad)) >= 3)
        failed = (await admin.get(f"{ONE}/executions?state=FAILED")).text
        refused = (await admin.get(f"{ONE}/executions?state=%3Cscript%3E")).text
        everything = (await admin.get(f"{ONE}/executions")).text
    assert bad in failed
    assert good not in failed
    assert "there is no state `&lt;SCRIPT&gt;`" in refused
    assert good not in refused
    assert good in everything
    assert bad in everything


async def test_what_is_not_there_is_404(tmp_path: Path) -> None:
    """
    An unknown flow or delivery is a page that says so, and repeats nothing that a browser would run.
    """
    async with console(tmp_path) as admin:
        for path in (
            f"{FLOWS}/a/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "/ui/main/deliveries/%3Cscript%3Ealert(1)",
        ):
            answer = await admin.get(path)
            assert answer.status_code == 404
            assert "<script>alert" not in answer.text


async def test_a_removed_flow_can_be_brought_back(tmp_path: Path) -> None:
    """
    Removing says what it does; the pages stay and say so; saving the source brings it back.
    """
    async with console(tmp_path) as admin:
        await admin.goes(f"{FLOWS}/new", source=flow("f"))
        gone = await admin.goes(f"{ONE}/remove")
        page = (await admin.get(ONE)).text
        assert (await admin.site.call("f")).status_code == 404
        await admin.goes(f"{ONE}/source", source=flow("f"), revision="1")
        assert (await admin.site.call("f")).status_code == 200
    assert "takes no more deliveries" in gone.text
    assert "This flow was removed" in page


# --- revisions ------------------------------------------------------------------------------------------


async def test_revisions_are_compared_and_restored(tmp_path: Path) -> None:
    """
    Who changed what; two of them in one column or side by side, with signs; an old one comes back as the newest.
    """
    async with console(tmp_path) as admin:
        await admin.goes(f"{FLOWS}/new", source=flow("f", text="one"))
        for number, text in enumerate(("two", "three"), 1):
            await admin.goes(f"{ONE}/source", source=flow("f", text=text), revision=str(number))
        newest = (await admin.get(f"{ONE}/revisions")).text
        chosen = (await admin.get(f"{ONE}/revisions?from=1&to=3&view=side")).text
        odd = await admin.get(f"{ONE}/revisions?from=x&to=99&view=<b>")
        back = await admin.goes(f"{ONE}/revisions/1/restore")
        missing = await admin.send(f"{ONE}/revisions/99/restore")
    assert text_of(newest, "diff-title") == "From revision 2 to 3"
    assert "user:the-admin" in newest
    assert re.search(r'<td class="gone"><span class="sign">−</span>.*two', newest)
    assert re.search(r'<td class="came"><span class="sign">\+</span>.*three', newest)
    assert '<table class="diff side">' in chosen
    row = next(row for row in re.findall(r"<tr>(.*?)</tr>", chosen, re.DOTALL) if "three" in row)
    assert re.search(r'<td class="gone">.*one.*<td class="came">.*three', row, re.DOTALL)
    assert odd.status_code == 200
    assert "one" in source_in(back.text)
    assert 'name="revision" value="4"' in back.text
    assert missing.status_code == 404
