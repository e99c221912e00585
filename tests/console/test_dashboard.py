"""The dashboard, the audit and the tokens over the real server."""

import re
from pathlib import Path

import pytest

from hookledger.api.console.dashboard import STATES, chart_of, table_of
from hookledger.journal.events import AccessRecorded, DeliveryRejected
from hookledger.journal.figures import MINUTE, MinuteCount
from tests.api.identity.people import recorded
from tests.api.site import flow

from .house import console, person, text_of, words
from .test_run_pages import ASK, FAILING, page_of, run

HOME = "/ui/main/"


def counted(minute: int, state: str, count: int) -> MinuteCount:
    return MinuteCount(minute=minute, state=state, count=count)


def test_minutes_become_bars() -> None:
    """
    A bar is as many minutes as the window says; what began is in the table, not in the bars.
    """
    now = 1000 * MINUTE + 5
    counts = [
        counted(1000, "SUCCESS", 3),
        counted(999, "FAILED", 1),
        counted(1000, "CREATED", 9),
        counted(2, "FAILED", 7),
    ]
    minutes = chart_of(counts, now, 60, 1)
    assert len(minutes.columns) == 60
    assert minutes.columns[-1].title.endswith(": 3 SUCCESS")
    assert minutes.columns[-2].title.endswith(": 1 FAILED")
    assert minutes.most == 3
    quarters = chart_of(counts, now, 24 * 60, 15)
    assert len(quarters.columns) == 96
    assert quarters.columns[-1].title.endswith("3 SUCCESS, 1 FAILED")
    assert table_of(counts[:3]) == {"CREATED": 9, "SUCCESS": 3, "FAILED": 1}
    assert set(table_of(counts)) <= {"CREATED", *STATES}


async def test_a_fresh_install_gets_three_steps(tmp_path: Path) -> None:
    """
    Nothing has run: a flow, a curl line that works, and what comes then; with no flow at all, how to write one.
    """
    async with console(tmp_path, {"f": flow("f", text="hi")}) as admin:
        page = (await admin.get(HOME)).text
        command = text_of(page, "first-run")
        assert (await admin.site.client.get(command.removeprefix("curl "))).status_code == 200
        assert "three steps" not in (await admin.get(HOME)).text
    (tmp_path / "second").mkdir()
    async with console(tmp_path / "second") as admin:
        empty = (await admin.get(HOME)).text
    assert "three steps to the first execution" in page
    assert 'href="/ui/main/flows/new"' in empty
    assert "curl" not in empty


@pytest.mark.parametrize(
    "demanding",
    [
        flow("f", trigger="    authentication:\n      - {type: BASIC, username: u, password: p}\n"),
        flow("f", more="inputs:\n  - {id: a, type: STRING}\n"),
        flow("f", key="{{ secret('KEY') }}"),
        flow("f", more="disabled: true\n"),
    ],
)
async def test_no_command_is_shown_that_would_not_work(tmp_path: Path, demanding: str) -> None:
    """
    A flow that asks for proof, for inputs, or whose key is a secret is not offered as the first one to try.
    """
    async with console(tmp_path, {"f": demanding}) as admin:
        page = (await admin.get(HOME)).text
    assert 'id="first-run"' not in page


async def test_the_dashboard_says_how_it_goes(tmp_path: Path) -> None:
    """
    What ended by state, how long it took, what is open and why, what failed, who was refused, how large the journal is.
    """
    async with console(tmp_path, {"ask": ASK, "bad": FAILING, "f": flow("f", text="hi")}) as admin:
        await run(admin.site)
        bad, waiting = await run(admin.site, "bad"), await run(admin.site, "ask", 2)
        assert (await admin.site.call("f", key="wrong")).status_code == 404
        await recorded(admin.site, DeliveryRejected, 1)
        page = (await admin.get(HOME)).text
        day = (await admin.get(f"{HOME}?window=day")).text
    shown = words(page)
    assert re.search(r"Started 3 Success 1 Failed 1 Half within \S+ .?s", shown)
    assert "1 waits for a person" in shown
    assert page_of(waiting, "ask") in page
    assert page_of(bad, "bad") in page
    assert "io.tests/bad 1" in shown
    assert "no webhook has this key" in shown
    assert "Executions 3" in shown
    assert "none published" in shown
    assert "last 24 hours" in words(day)


# --- audit ----------------------------------------------------------------------------------------------


async def test_the_audit_says_who_did_what(tmp_path: Path) -> None:
    """
    Logins, flows and refusals, newest first; of one person also what they did to executions.
    """
    async with console(tmp_path, {"ask": ASK}, role="auditor") as auditor:
        async with person(auditor.site, "operator") as operator:
            execution = await run(auditor.site, "ask", 2)
            await operator.goes(f"{page_of(execution, 'ask')}/kill", reason="enough")
            assert (await operator.get("/ui/main/audit", headers={"accept": "text/html"})).status_code == 403
            await recorded(
                auditor.site, AccessRecorded, 3
            )  # two logins and the refusal, which nobody waits for
        everything = words((await auditor.get("/ui/main/audit")).text)
        theirs = (await auditor.get("/ui/main/audit?by=the-operator")).text
        flows = words((await auditor.get("/ui/main/audit?kind=FlowRegistered")).text)
        nobody = (await auditor.get("/ui/main/audit?by=nobody")).text
    assert everything.index("user:the-operator") < everything.index("user:the-auditor")
    assert "request REFUSED" in everything
    assert "flow registered io.tests/ask" in flows
    assert "login" not in flows.partition("When (UTC)")[2]
    assert "kill" in words(theirs)
    assert f"/ui/main/executions/{execution}" in theirs
    assert "user:the-auditor" not in theirs
    assert "Nothing matches" in nobody


async def test_the_audit_has_pages(tmp_path: Path) -> None:
    """
    Older acts are a link away, and none is shown twice.
    """
    flows = {f"f{n:02}": flow(f"f{n:02}", key=f"key-{n}") for n in range(60)}
    async with console(tmp_path, flows, role="auditor") as auditor:
        first = (await auditor.get("/ui/main/audit?kind=FlowRegistered")).text
        older = re.search(r'rel="next" href="([^"]*)"', first)
        assert older
        second = (await auditor.get(older[1].replace("&amp;", "&"))).text
    found = [set(re.findall(r"/ui/main/flows/io.tests/(f\d\d)", page)) for page in (first, second)]
    assert [len(names) for names in found] == [50, 10]
    assert found[0] | found[1] == set(flows)


# --- tokens ---------------------------------------------------------------------------------------------


async def test_a_token_is_shown_once_works_and_is_revoked(tmp_path: Path) -> None:
    """
    The secret stands in the answer to the form and nowhere later; it works until it is revoked.
    """
    async with console(tmp_path) as admin:
        issued = await admin.send(
            "/ui/main/tokens", "/ui/main/tokens", name="deploy-bot", role="viewer", life="P30D"
        )
        secret = text_of(issued.text, "secret")
        listed = (await admin.get("/ui/main/tokens")).text
        headers = {"authorization": f"Bearer {secret}"}
        client = admin.site.client
        works = await client.get("/api/v1/main/executions/search", headers=headers)
        revoke = re.search(r'action="(/ui/main/tokens/[^"]*/revoke)"', listed)
        assert revoke
        gone = await admin.goes(revoke[1])
        refused = await client.get("/api/v1/main/executions/search", headers=headers)
    assert issued.status_code == 200
    assert secret.startswith("hlt_")
    assert secret not in listed
    assert "deploy-bot" in listed
    assert (works.status_code, refused.status_code) == (200, 401)
    assert "The token is revoked." in gone.text
    assert "REVOKED" in gone.text


@pytest.mark.parametrize(
    ("fields", "status", "words_"),
    [
        ({"name": "", "role": "viewer", "life": ""}, 422, "a name has 1 to 100"),
        ({"name": "<b>", "role": "viewer", "life": ""}, 422, "a name has 1 to 100"),
        ({"name": "x", "role": "root", "life": ""}, 422, "there is no role"),
        ({"name": "x", "role": "viewer", "life": "soon"}, 422, "expiresIn"),
    ],
)
async def test_a_token_that_cannot_be_is_refused(
    tmp_path: Path, fields: dict[str, str], status: int, words_: str
) -> None:
    """
    The form comes back with what is wrong and what was typed.
    """
    async with console(tmp_path) as admin:
        response = await admin.send("/ui/main/tokens", "/ui/main/tokens", **fields)
    assert response.status_code == status
    assert words_ in text_of(response.text, "problem")


async def test_tokens_are_for_admins(tmp_path: Path) -> None:
    """
    Nobody else sees the page, or the link to it.
    """
    async with console(tmp_path, role="operator") as operator:
        page = await operator.get("/ui/main/tokens", headers={"accept": "text/html"})
        home = (await operator.get(HOME)).text
    assert page.status_code == 403
    assert "/ui/main/tokens" not in home
    assert "/ui/main/audit" not in home
