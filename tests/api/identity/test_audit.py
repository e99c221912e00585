"""Who did what."""

from pathlib import Path
from typing import Any

from hookledger.journal.events import AccessRecorded
from tests.api.browser import LOGOUT, browser
from tests.api.site import USER, Site, flow, open_site

from .people import API, auth, peopled, recorded

AUDIT = f"{API}/audit"
TOKENS = f"{API}/tokens"


async def audit(site: Site, query: str = "", auth: tuple[str, str] = USER) -> dict[str, Any]:
    answer = await site.client.get(f"{AUDIT}?{query}", auth=auth)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def lines(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Who, what, how it went."""
    return [
        (one["by"], one["fields"].get("action") or one["type"], one["fields"].get("outcome", "ok"))
        for one in found["results"]
    ]


async def test_the_list_says_who_did_what(tmp_path: Path) -> None:
    """
    Logins, logouts, refused logins and requests, flows and tokens, newest first, each with when and by whom.
    """
    async with peopled(tmp_path) as site, browser(site) as person:
        await person.log_in(password="wrong")
        await person.log_in()
        headers = {"X-CSRF-Token": await person.csrf()}
        yaml = {"Content-Type": "application/x-yaml"}
        await person.client.post(f"{API}/flows", content=flow("f"), headers=headers | yaml)
        await person.client.delete(f"{API}/flows/io.tests/f", headers=headers)
        made = await person.client.post(TOKENS, json={"name": "ci", "role": "viewer"}, headers=headers)
        await person.client.delete(f"{TOKENS}/{made.json()['id']}", headers=headers)
        await person.post(LOGOUT, {"csrf": await person.csrf()})
        await site.client.get(TOKENS, auth=auth("auditor"))
        await recorded(site, AccessRecorded, 4)
        found = await audit(site, auth=auth("auditor"))
    me = "user:tester"
    assert lines(found) == [
        ("user:the-auditor", "request", "forbidden"),
        (me, "logout", "ok"),
        (me, "TokenRevoked", "ok"),
        (me, "TokenIssued", "ok"),
        (me, "FlowRemoved", "ok"),
        (me, "FlowRegistered", "ok"),
        (me, "login", "ok"),
        (me, "login", "wrong name or password"),
    ]
    assert all(one["at"].endswith("Z") for one in found["results"])
    assert not {"source", "sha256"} & {name for one in found["results"] for name in one["fields"]}
    assert found["results"][5]["fields"]["flow"] == "f"


async def test_the_list_comes_in_pages(tmp_path: Path) -> None:
    """
    `size` acts, older ones `before` where the page said; flows that lie in the directory are the engine's doing.
    """
    async with open_site(tmp_path, {name: flow(name) for name in "abc"}) as site:
        first = await audit(site, "size=2")
        assert [one["fields"]["flow"] for one in first["results"]] == ["c", "b"]
        second = await audit(site, f"size=2&before={first['next']}")
        assert [one["fields"]["flow"] for one in second["results"]] == ["a"]
        assert "next" not in second
        assert (await site.client.get(f"{AUDIT}?size=0", auth=USER)).status_code == 400


async def test_the_list_of_one_person(tmp_path: Path) -> None:
    """
    `by` finds what one user did, also to executions, and nothing of anybody else.
    """
    async with peopled(tmp_path, {"f": flow("f")}) as site:
        started = await site.client.post(f"{API}/executions/io.tests/f", auth=auth("operator"), json={})
        path = f"{API}/executions/{started.json()['id']}/actions/labels"
        await site.client.post(path, auth=auth("admin"), json={"labels": {"a": "b"}})
        found = (await audit(site, "by=the-admin"))["results"]
        assert [(one["by"], one["type"], one["execution"]) for one in found] == [
            ("user:the-admin", "LabelsSet", started.json()["id"])
        ]
