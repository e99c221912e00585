"""Requests that a page of somebody else makes a browser send."""

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookledger.journal.events import AccessRecorded
from tests.api.browser import HOME, LOGIN, LOGOUT, Browser, browser
from tests.api.site import USER, Site, flow, open_site

from .people import API, peopled, recorded, system_events

EVIL = "https://evil.example"
YAML = {"Content-Type": "application/x-yaml"}


@asynccontextmanager
async def logged_in(directory: Path) -> AsyncGenerator[tuple[Site, Browser, str]]:
    """A site, somebody's browser with a session, and the token of their pages."""
    async with open_site(directory) as site, browser(site, log_in=True) as person:
        yield site, person, await person.csrf()


async def create(person: Browser, name: str, **headers: str) -> httpx.Response:
    """Create a flow as a script of a page would."""
    sent = [(name.encode(), text.encode("latin-1")) for name, text in (YAML | headers).items()]
    return await person.client.post(f"{API}/flows", content=flow(name), headers=sent)


async def test_a_change_within_a_session_carries_its_token(tmp_path: Path) -> None:
    """
    Without the page's token, with a wrong one, an empty one or that of another session: 403, and nothing happens.
    """
    async with logged_in(tmp_path) as (site, person, csrf), browser(site, log_in=True) as other:
        wrong = ("", "x" * 43, csrf[:-1], csrf + "x", await other.csrf(), "\xff")
        forged = [await create(person, "f", **{"X-CSRF-Token": token}) for token in wrong]
        answers = [await create(person, "f"), *forged]
        kinds = [answer.json()["type"].rpartition(":")[2] for answer in answers]
        assert [answer.status_code for answer in answers] == [403] * 7
        assert kinds == ["csrf-missing"] + ["csrf-wrong"] * 6
        assert (await person.get(f"{API}/flows/io.tests/f")).status_code == 404
        assert (await create(person, "f", **{"X-CSRF-Token": csrf})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "OURS"},
    ],
)
async def test_a_page_of_another_site_changes_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    """
    Even with the right token: what the browser says about where a request comes from is enough to refuse it.
    """
    async with logged_in(tmp_path) as (site, person, csrf):
        sent = {name: site.address if value == "OURS" else value for name, value in headers.items()}
        answer = await create(person, "f", **{"X-CSRF-Token": csrf, **sent})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:hookledger:problem:cross-origin")
        assert "server.publicUrl" in answer.json()["detail"]
        assert (await person.get(f"{API}/flows/io.tests/f")).status_code == 404
        (written,) = (await recorded(site, AccessRecorded, 2))[1:]
        assert (written.by, written.action, written.outcome) == ("user:tester", "request", "cross-origin")
        assert written.resource == f"POST {API}/flows"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "OURS"},
        {"Origin": "https://hooks.example.com"},
        {"Origin": "HTTPS://Hooks.Example.com"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://inner-name-of-a-proxy"},
        {},
    ],
)
async def test_our_own_pages_are_let_through(tmp_path: Path, headers: dict[str, str]) -> None:
    """
    Our own origin is that of the Host header or the public URL, whoever ends TLS; where the browser itself says
    `same-origin`, it knows better than we do behind a proxy.
    """
    public = "http://hooks.example.com"
    async with open_site(tmp_path, server__publicUrl=public) as site, browser(site, log_in=True) as person:
        csrf = await person.csrf()
        sent = {name: site.address if value == "OURS" else value for name, value in headers.items()}
        answer = await create(person, "f", **{"X-CSRF-Token": csrf, **sent})
        assert answer.status_code == 200, answer.text


async def test_a_form_carries_the_token_as_a_field(tmp_path: Path) -> None:
    """
    Without scripts the token is the form's field `csrf`; the handler still gets the whole body.
    """
    async with logged_in(tmp_path) as (site, person, csrf):
        assert (await create(person, "f", **{"X-CSRF-Token": csrf})).status_code == 200
        started = f"{API}/executions/io.tests/f"
        refused = await person.client.post(started, data={"csrf": "x"})
        taken = await person.client.post(started, data={"csrf": csrf})
        assert refused.status_code == 403
        assert taken.status_code != 403
        assert len(site.executions()) <= 1


async def test_passwords_and_tokens_need_no_token(tmp_path: Path) -> None:
    """
    Programs with Basic or Bearer change things as they are. A browser that remembered a Basic password is stopped
    when another site's page uses it; a Bearer token no browser sends by itself.
    """
    async with open_site(tmp_path) as site:

        async def post(name: str, **more: Any) -> int:
            headers = {**YAML, **more.pop("headers", {})}
            answer = await site.client.post(f"{API}/flows", content=flow(name), headers=headers, **more)
            return answer.status_code

        made = await site.client.post(f"{API}/tokens", json={"name": "t", "role": "admin"}, auth=USER)
        bearer = {"Authorization": f"Bearer {made.json()['token']}"}
        assert await post("a", auth=USER) == 200
        assert await post("b", headers=bearer) == 200
        assert await post("c", headers={**bearer, "Origin": EVIL}) == 200
        assert await post("d", auth=USER, headers={"Origin": EVIL}) == 403
        assert await post("e", auth=USER, headers={"Sec-Fetch-Site": "cross-site"}) == 403


async def test_a_login_form_is_drawn_for_its_browser(tmp_path: Path) -> None:
    """
    Login CSRF: nobody logs somebody else in. Without the form's token, with that of another browser, or from another
    site's page there is no session, however right the password is.
    """
    right = {"user": USER[0], "password": USER[1]}
    async with open_site(tmp_path) as site, browser(site) as person, browser(site) as other:
        theirs = await other.form()
        assert (await person.post(LOGIN, right)).status_code == 403  # no cookie, no token
        mine = await person.form()
        assert (await person.post(LOGIN, right)).status_code == 403
        again = await person.post(LOGIN, {**right, "csrf": theirs["csrf"]})
        assert again.status_code == 403
        assert "Try again" in again.text
        crossed = await person.post(LOGIN, {**right, **mine}, headers={"Origin": EVIL})
        assert crossed.status_code == 403
        assert person.session == ""
        assert (await person.post(LOGIN, {**right, **mine})).status_code == 303
        assert [one.outcome for one in system_events(site, AccessRecorded)] == ["cross-origin", "ok"]


async def test_nobody_else_logs_somebody_out(tmp_path: Path) -> None:
    """
    Logging out needs the page's token; a foreign page that posts without the cookie cannot make the browser drop it.
    """
    async with logged_in(tmp_path) as (site, person, csrf):
        for fields, headers in (({}, {}), ({"csrf": csrf}, {"Origin": EVIL}), ({"csrf": "x"}, {})):
            assert (await person.post(LOGOUT, fields, headers=headers)).status_code == 403
        assert (await person.client.get(LOGOUT)).status_code == 405
        assert (await person.get(HOME)).status_code == 200
        stranger = await site.client.post(LOGOUT)
        assert (stranger.status_code, stranger.headers.get("set-cookie")) == (303, None)


async def test_reading_needs_no_token(tmp_path: Path) -> None:
    """
    Links from other sites still open pages: reading changes nothing.
    """
    async with logged_in(tmp_path) as (_, person, _):
        headers = {"Sec-Fetch-Site": "cross-site", "Referer": EVIL}
        assert (await person.get(HOME, headers=headers)).status_code == 200
        assert (await person.client.head(HOME)).status_code == 200


async def test_a_huge_form_is_refused(tmp_path: Path) -> None:
    """
    A form is read whole to find its token, so it is bounded: 413.
    """
    async with peopled(tmp_path) as site, browser(site, log_in=True) as person:
        answer = await person.post(LOGOUT, {"csrf": "x" * (1024 * 1024 + 1)})
        assert answer.status_code == 413
        assert (await person.get(HOME)).status_code == 200


@pytest.mark.parametrize("path", [LOGIN, f"{API}/flows"])
async def test_a_body_that_stays_silent_is_given_up(tmp_path: Path, path: str) -> None:
    """
    A stranger who begins a form, or a program that begins a body, and sends nothing more gets 408 (real time, little).
    """
    async with open_site(tmp_path, server__idleTimeout="PT0.2S") as site:
        credentials = base64.b64encode(":".join(USER).encode()).decode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\nConnection: close\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
        )
        if path != LOGIN:
            head = head.replace("x-www-form-urlencoded", "x-yaml") + f"Authorization: Basic {credentials}\r\n"
        answer = await site.raw(f"{head}\r\nuser=".encode())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"request-timeout" in answer
