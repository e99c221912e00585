"""Requests in somebody else's name: over the whole tables of the API and of the console."""

import re
from pathlib import Path
from typing import Final

import pytest

from hookledger.api.html import POLICY
from hookledger.api.routes import PREFIXES
from tests.api.browser import browser
from tests.api.identity.people import API, auth, password_of, peopled
from tests.api.identity.test_roles import PAGES, TABLE
from tests.api.site import Site, flow

EVIL: Final = "https://evil.example"
SAFE: Final = ("GET", "HEAD", "OPTIONS")
CHANGING: Final = [
    (route.method, prefix + re.sub(r"<\w+>", "x", route.path))
    for table, prefix in ((TABLE, PREFIXES[0]), (PAGES, "/ui/main"))
    for route in table
    if route.method not in SAFE
]
"""Every route that changes something, and what only looks as if."""


def left(site: Site) -> tuple[set[str], set[str]]:
    """What there would be more of if something had been carried out."""
    return site.executions(), {path.name for path in site.flows.iterdir()}


async def test_no_route_takes_a_cookie_alone(tmp_path: Path) -> None:
    """
    CSRF: a request with the session's cookie and without the page's token is 403 on every route that is not for
    reading, before it is known whether there is anything to change.
    """
    async with peopled(tmp_path, {"f": flow("f")}) as site, browser(site) as admin:
        await admin.log_in("the-admin", password_of("admin"))
        before = left(site)
        for method, path in CHANGING:
            answer = await admin.client.request(method, path, content=b"")
            assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (403, "csrf-missing"), (
                path
            )
            assert "x-execution-id" not in answer.headers
        assert left(site) == before
    assert len(CHANGING) > 30


@pytest.mark.parametrize("headers", [{"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}])
async def test_no_route_takes_what_another_site_sends(tmp_path: Path, headers: dict[str, str]) -> None:
    """
    A page of another site with a browser that knows both the cookie and the token, or remembers the password of HTTP
    Basic: 403 on every route that is not for reading.
    """
    async with peopled(tmp_path, {"f": flow("f")}) as site, browser(site) as admin:
        await admin.log_in("the-admin", password_of("admin"))
        sent = {**headers, "X-CSRF-Token": await admin.csrf()}
        before = left(site)
        for method, path in CHANGING:
            answer = await admin.client.request(method, path, headers=sent)
            assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (403, "cross-origin"), (
                path
            )
            if path.startswith(API):
                remembered = await site.client.request(method, path, headers=headers, auth=auth("admin"))
                assert remembered.status_code == 403, path
        assert left(site) == before


async def test_no_form_overrides_its_method(tmp_path: Path) -> None:
    """
    A GET stays a GET, whatever headers or fields ask for another method; frames around it change nothing.
    """
    async with peopled(tmp_path, {"f": flow("f")}) as site, browser(site) as admin:
        await admin.log_in("the-admin", password_of("admin"))
        headers = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}
        answer = await admin.get(f"{API}/flows/io.tests/f?_method=DELETE", headers=headers)
        assert answer.status_code in (200, 400)
        assert (await admin.get(f"{API}/flows/io.tests/f")).status_code == 200


async def test_every_page_is_closed_to_others(tmp_path: Path) -> None:
    """
    Clickjacking, sniffing, caches: each page of the table, found or not, has the policy, `nosniff` and `no-store`, and
    so has all data of the API (sandboxed, too) but for what is for everybody.
    """
    async with peopled(tmp_path, {"f": flow("f")}) as site, browser(site) as admin:
        await admin.log_in("the-admin", password_of("admin"))
        for route in PAGES:
            if route.method == "GET" and route.path != "/live":
                answer = await admin.get("/ui/main" + re.sub(r"<\w+>", "x", route.path))
                assert answer.headers["content-security-policy"] == POLICY, route.path
                assert answer.headers["x-content-type-options"] == "nosniff", route.path
                assert answer.headers["cache-control"] == "no-store", route.path
                assert "set-cookie" not in answer.headers
        for one in TABLE:
            if one.method == "GET" and one.needs is not None and "follow" not in one.path:
                answer = await admin.get(PREFIXES[0] + re.sub(r"<\w+>", "x", one.path))
                assert answer.headers["content-security-policy"] == "sandbox", one.path
                assert answer.headers["x-content-type-options"] == "nosniff", one.path
                assert answer.headers["cache-control"] == "no-store", one.path


async def test_a_stream_asks_who_listens(tmp_path: Path) -> None:
    """
    Server-sent events are no way around: without a session the console's lead to the login, the API's are 401.
    """
    async with peopled(tmp_path, {"f": flow("f")}) as site:
        execution = (await site.call("f")).json()["id"]
        for path in (f"executions/{execution}/follow", f"logs/{execution}/follow"):
            assert (await site.client.get(f"{API}/{path}")).status_code == 401, path
        for path in ("/ui/main/live", f"/ui/main/live?execution={execution}"):
            answer = await site.client.get(path)
            assert (answer.status_code, answer.headers["location"][:14]) == (303, "/ui/main/login"), path


async def test_names_are_not_told_by_answers(tmp_path: Path) -> None:
    """
    User enumeration: with a wrong password, a name that exists and one that does not get the same page and the same
    problem.
    """
    async with peopled(tmp_path) as site, browser(site) as one, browser(site) as other:
        pages = [await one.log_in("the-admin", "wrong"), await other.log_in("nobody123", "wrong")]
        texts = [re.sub(r'value="[^"]*"', "", page.text) for page in pages]
        assert texts[0] == texts[1]
        assert [page.status_code for page in pages] == [401, 401]
        basic = [
            await site.client.get(f"{API}/tokens", auth=(name, "no")) for name in ("the-admin", "nobody123")
        ]
        assert basic[0].text == basic[1].text
        assert basic[0].headers["www-authenticate"] == basic[1].headers["www-authenticate"]


@pytest.mark.parametrize("role", ["viewer", "operator", "auditor"])
async def test_nobody_becomes_more_than_they_are(tmp_path: Path, role: str) -> None:
    """
    Privilege escalation: fields and headers that name a role or a user change nothing for who sends them.
    """
    async with peopled(tmp_path) as site, browser(site) as person:
        await person.log_in(f"the-{role}", password_of(role))
        claims = {"X-Forwarded-User": "the-admin", "X-Remote-User": "the-admin", "X-Role": "admin"}
        answer = await person.client.post(
            "/ui/main/tokens?role=admin",
            headers=claims,
            data={"csrf": await person.csrf(), "name": "x", "role": "admin"},
        )
        assert answer.status_code == 403
        listed = await site.client.get(f"{API}/tokens", auth=auth(role), headers=claims)
        assert listed.status_code == 403
