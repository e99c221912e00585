"""Logging in and out of the console, and everything somebody may try with a session."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from hookledger.api.identity.identity import Identity
from hookledger.api.identity.sessions import PER_USER_MAX, SESSIONS_MAX, Sessions
from hookledger.api.permissions import Role
from hookledger.journal.ports import SystemClock, SystemEntropy
from tests.api.browser import COOKIE, HOME, LOGIN, LOGOUT, browser
from tests.api.site import USER, open_site

from .people import API, Clock, peopled


def someone(name: str = "alice") -> Identity:
    return Identity(name=name, role=Role.VIEWER)


async def test_a_person_logs_in_and_out(tmp_path: Path) -> None:
    """
    The login form leads to the first page, under a session; the page's logout form ends it.
    """
    async with open_site(tmp_path) as site, browser(site) as person:
        first = await person.get(HOME)
        assert (first.status_code, first.headers["location"]) == (303, LOGIN)
        assert (await person.log_in()).headers["location"] == HOME
        page = await person.get(HOME)
        assert page.status_code == 200
        assert "tester" in page.text
        assert (await person.get(LOGIN)).headers["location"] == HOME
        out = await person.post(LOGOUT, {"csrf": await person.csrf()})
        assert (out.status_code, out.headers["location"]) == (303, LOGIN)
        assert person.session == ""
        assert (await person.get(HOME)).status_code == 303


async def test_the_first_pages_lead_to_the_console(tmp_path: Path) -> None:
    """
    `/`, `/ui`, `/ui/` and `/ui/main` are the console's first page, whoever asks.
    """
    async with open_site(tmp_path) as site:
        for path in ("/", "/ui", "/ui/", "/ui/main"):
            answer = await site.client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, HOME), path


async def test_a_wrong_password_is_told_on_the_form(tmp_path: Path) -> None:
    """
    401 with the form again: the name stays, the password does not, and no browser opens a dialog of its own. A wrong
    name and a wrong password read alike.
    """
    async with open_site(tmp_path) as site, browser(site) as person:
        wrong = await person.log_in(password="hunter2")
        unknown = await person.log_in('"><script>alert(1)</script>', password="hunter2")
    for answer in (wrong, unknown):
        assert answer.status_code == 401
        assert not answer.headers["www-authenticate"].startswith("Basic")
        assert "The user name or the password is not right." in answer.text
        assert "hunter2" not in answer.text
        assert COOKIE not in answer.headers.get("set-cookie", "")
    assert 'value="tester"' in wrong.text
    assert "<script>alert" not in unknown.text
    assert "&lt;script&gt;" in unknown.text


async def test_nobody_can_choose_the_id_of_a_session(tmp_path: Path) -> None:
    """
    Session fixation: a login under a planted cookie gets a new id, and the planted one never works.
    """
    async with open_site(tmp_path) as site, browser(site) as person:
        person.client.cookies.set(COOKIE, "planted", domain="127.0.0.1")
        assert (await person.get(HOME)).status_code == 303
        answer = await person.log_in()
        assert answer.headers["set-cookie"].startswith(f"{COOKIE}=")
        async with browser(site, cookies={COOKIE: "planted"}) as attacker:
            assert (await attacker.get(HOME)).status_code == 303


async def test_a_login_ends_the_session_before_it(tmp_path: Path) -> None:
    """
    Session fixation with a real session: the attacker's own id, left in the victim's browser, is over once the
    victim has logged in.
    """
    async with peopled(tmp_path) as site, browser(site) as attacker, browser(site) as victim:
        await attacker.log_in("the-viewer", "password of the viewer")
        fields = await victim.form()
        victim.client.cookies.set(COOKIE, attacker.session, domain="127.0.0.1")
        await victim.post(LOGIN, {**fields, "user": USER[0], "password": USER[1]})
        assert (await attacker.get(HOME)).status_code == 303


async def test_a_copied_cookie_is_worth_nothing_after_logout(tmp_path: Path) -> None:
    """
    Logging out ends the session in the server, not only in the browser; others go on.
    """
    async with (
        open_site(tmp_path) as site,
        browser(site, log_in=True) as one,
        browser(site, log_in=True) as two,
    ):
        copied = one.session
        assert copied != two.session
        await one.post(LOGOUT, {"csrf": await one.csrf()})
        async with browser(site, cookies={COOKIE: copied}) as thief:
            assert (await thief.get(HOME)).status_code == 303
        assert (await two.get(HOME)).status_code == 200


async def test_a_restart_logs_everybody_out(tmp_path: Path) -> None:
    """
    Sessions are in memory only; what the disk holds opens nothing.
    """
    async with open_site(tmp_path) as site, browser(site, log_in=True) as person:
        copied = person.session
        assert copied.encode() not in site.journal_bytes()
    async with open_site(tmp_path) as site, browser(site, cookies={COOKIE: copied}) as person:
        assert (await person.get(HOME)).status_code == 303


async def test_a_session_ends_with_time(tmp_path: Path) -> None:
    """
    After 8 h without use, and after 24 h in any case.
    """
    clock = Clock()
    async with peopled(tmp_path, clock=clock) as site:
        async with browser(site, log_in=True) as person:
            clock.move(hours=7.9)
            assert (await person.get(HOME)).status_code == 200
            clock.move(hours=8)
            assert (await person.get(HOME)).status_code == 303
        async with browser(site, log_in=True) as person:
            for hours, status in ((7, 200), (7, 200), (7, 200), (2.9, 200), (0.2, 303)):
                clock.move(hours=hours)
                assert (await person.get(HOME)).status_code == status


def test_sessions_are_bounded() -> None:
    """
    One user's logins push out that user's own; all together have a bound too, and the one unused for longest goes.
    """
    sessions = Sessions(SystemClock(), SystemEntropy())
    other, _ = sessions.begin(someone("bob"))
    mine = [sessions.begin(someone())[0] for _ in range(PER_USER_MAX + 1)]
    assert len(sessions) == PER_USER_MAX + 1
    assert sessions.find(mine[0]) is None
    assert sessions.find(other) is not None
    for number in range(SESSIONS_MAX):
        sessions.begin(someone(f"user {number}"))
    assert len(sessions) == SESSIONS_MAX
    assert sessions.find(other) is None


def test_the_server_does_not_know_the_secret() -> None:
    """
    Only the hash of what the browser holds is kept, and it has 256 bits.
    """
    sessions = Sessions(SystemClock(), SystemEntropy())
    secret, session = sessions.begin(someone())
    assert len(secret) == 43
    assert secret not in repr(vars(sessions))
    assert secret != session.csrf


async def test_the_cookie_is_for_this_server_alone(tmp_path: Path) -> None:
    """
    No script reads it, no other site's form sends it, no other host gets it.
    """
    async with open_site(tmp_path) as site, browser(site) as person:
        answer = await person.log_in()
    flags = {part.strip() for part in answer.headers.get_list("set-cookie")[0].split(";")[1:]}
    assert flags == {"Path=/", "HttpOnly", "SameSite=Lax"}


@pytest.mark.parametrize(
    ("settings", "headers", "secure"),
    [
        ({"server__publicUrl": "https://hooks.example.com"}, {}, True),
        ({"server__trustedProxies": ["127.0.0.1"]}, {"X-Forwarded-Proto": "https"}, True),
        ({"server__trustedProxies": ["127.0.0.1"]}, {"Forwarded": "for=192.0.2.1;proto=https"}, True),
        ({"server__trustedProxies": ["127.0.0.1"]}, {"X-Forwarded-Proto": "http"}, False),
        ({"server__trustedProxies": ["192.0.2.1"]}, {"X-Forwarded-Proto": "https"}, False),
        ({}, {"X-Forwarded-Proto": "https"}, False),
    ],
)
async def test_under_https_the_cookie_is_bound_to_it(
    tmp_path: Path, settings: dict[str, Any], headers: dict[str, str], secure: bool
) -> None:
    """
    Secure and `__Host-` when the public URL is https, or a proxy of ours says so; nobody else's word counts.
    """
    async with open_site(tmp_path, **settings) as site, browser(site, headers=headers) as person:
        (first,) = (await person.get(LOGIN)).headers.get_list("set-cookie")
        held = first.partition(";")[0]
        page = await person.get(LOGIN, headers={"Cookie": held})
        fields = {"csrf": page.text.split('name="csrf" value="')[1].split('"')[0]}
        fields |= {"user": USER[0], "password": USER[1]}
        person.client.cookies.clear()
        answer = await person.post(LOGIN, fields, headers={"Cookie": held})
        assert answer.status_code == 303
        set_cookie = answer.headers.get_list("set-cookie")[0]
        assert set_cookie.startswith(f"__Host-{COOKIE}=" if secure else f"{COOKIE}=")
        assert ("Secure" in set_cookie.split("; ")) == secure
        assert "Domain" not in set_cookie
        name, _, secret = set_cookie.partition(";")[0].partition("=")
        person.client.cookies.clear()
        assert (await person.get(HOME, headers={"Cookie": f"{name}={secret}"})).status_code == 200
        if secure:
            assert (await person.get(HOME, headers={"Cookie": f"{COOKIE}={secret}"})).status_code == 303


async def test_a_planted_second_cookie_is_worth_nothing(tmp_path: Path) -> None:
    """
    Cookie tossing: of two cookies of the name nobody knows which is ours, so neither counts.
    """
    async with open_site(tmp_path) as site, browser(site, log_in=True) as person:
        secret = person.session
        person.client.cookies.clear()
        for line in (f"{COOKIE}={secret}; {COOKIE}=x", f"{COOKIE}=x; {COOKIE}={secret}"):
            assert (await person.get(HOME, headers={"Cookie": line})).status_code == 303
        assert (await person.get(HOME, headers={"Cookie": f"a=b; {COOKIE}={secret}"})).status_code == 200


async def test_the_api_takes_the_session_too(tmp_path: Path) -> None:
    """
    The console's own scripts read the API with the cookie. `Authorization` wins over it: a wrong one is 401.
    """
    async with open_site(tmp_path) as site, browser(site, log_in=True) as person:
        assert (await person.get(f"{API}/executions/search")).status_code == 200
        assert (await person.get(f"{API}/executions/search", auth=("x", "y"))).status_code == 401
        assert (await person.get("/api/v1/other/executions/search")).status_code == 400


async def test_a_page_is_never_answered_to_basic_auth(tmp_path: Path) -> None:
    """
    Pages are for sessions: a browser that remembers a password has no other way in.
    """
    async with open_site(tmp_path) as site:
        assert (await site.client.get(HOME, auth=USER)).status_code == 303


async def test_a_script_of_a_page_gets_no_dialog(tmp_path: Path) -> None:
    """
    A fetch() after the session has ended gets a 401 for which no browser asks for a password.
    """
    async with open_site(tmp_path) as site:
        search = f"{API}/executions/search"
        script = await site.client.get(search, headers={"Sec-Fetch-Mode": "cors"})
        typed = await site.client.get(search, headers={"Sec-Fetch-Mode": "navigate"})
    assert [a.headers["www-authenticate"].split()[0] for a in (script, typed)] == ["Bearer", "Basic"]


async def test_refusals_are_pages_for_browsers_and_problems_for_programs(tmp_path: Path) -> None:
    """
    A form sent without a session is 401, as HTML where HTML is asked for.
    """
    async with open_site(tmp_path) as site:

        async def sent(accept: str) -> httpx.Response:
            headers = {"Accept": accept, "Origin": "https://evil.example"}
            return await site.client.post(LOGOUT, headers=headers)

        page, document = await sent("text/html,*/*;q=0.8"), await sent("*/*")
    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "another site" in page.text
    assert (document.status_code, document.headers["content-type"]) == (403, "application/problem+json")
