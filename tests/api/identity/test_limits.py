"""Guessing passwords."""

from pathlib import Path

import httpx
import pytest
import trio

from hookledger.api.identity.limits import PER_ADDRESS, PER_NAME, LoginLimits, network_of
from hookledger.journal.events import AccessRecorded
from tests.api.browser import browser
from tests.api.site import Site, flow, open_site

from .people import API, Clock, auth, peopled, recorded, system_events

SEARCH = f"{API}/executions/search"
BURST = int(PER_NAME.burst)


async def guess(site: Site, name: str, password: str = "guess") -> httpx.Response:
    return await site.client.get(SEARCH, auth=(name, password))


@pytest.mark.parametrize("name", ["the-viewer", "nobody-has-this-name"])
async def test_guessing_is_stopped(tmp_path: Path, name: str) -> None:
    """
    After ten wrong passwords for a name from an address: 429 with Retry-After, also for the right password, and
    alike for names nobody has. Time gives attempts back.
    """
    clock = Clock()
    async with peopled(tmp_path, clock=clock) as site:
        for number in range(BURST):
            assert (await guess(site, name, f"guess {number}")).status_code == 401
        stopped = await guess(site, name, "password of the viewer")
        assert (stopped.status_code, stopped.headers["content-type"]) == (429, "application/problem+json")
        assert 1 <= int(stopped.headers["retry-after"]) <= 10
        assert (await guess(site, *auth("operator"))).status_code == 200
        clock.move(seconds=int(stopped.headers["retry-after"]))
        expected = 200 if name == "the-viewer" else 401
        assert (await guess(site, name, "password of the viewer")).status_code == expected


async def test_the_login_form_is_limited_alike(tmp_path: Path) -> None:
    """
    The form shares the bucket with Basic, and says when to try again.
    """
    async with peopled(tmp_path, clock=Clock()) as site, browser(site) as person:
        for number in range(BURST):
            await guess(site, "the-viewer", str(number))
        answer = await person.log_in(*auth("viewer"))
        assert answer.status_code == 429
        assert "retry-after" in answer.headers
        assert "too many attempts" in answer.text
        assert person.session == ""


async def test_somebody_logged_in_is_not_stopped_by_a_guesser(tmp_path: Path) -> None:
    """
    Credentials that were right before are remembered and take nothing from the bucket; so do sessions and tokens.
    """
    async with peopled(tmp_path, clock=Clock()) as site, browser(site) as person:
        assert (await guess(site, *auth("viewer"))).status_code == 200
        await person.log_in(*auth("viewer"))
        guesses = [await guess(site, "the-viewer", str(number)) for number in range(BURST + 3)]
        assert guesses[-1].status_code == 429
        assert (await guess(site, *auth("viewer"))).status_code == 200
        assert (await person.get(SEARCH)).status_code == 200


async def test_a_right_password_opens_no_other_address(tmp_path: Path) -> None:
    """
    What somebody proved from one address is a guess from any other: while its owner works with Basic, a guesser who
    tried too often gets 429 for the right password as for a wrong one. An IPv6 network is one address.
    """
    async with peopled(tmp_path, clock=Clock(), server__trustedProxies=["127.0.0.1"]) as site:

        async def ask(address: str, password: str) -> int:
            headers = {"X-Forwarded-For": address}
            return (await site.client.get(SEARCH, auth=("the-admin", password), headers=headers)).status_code

        _, right = auth("admin")
        assert await ask("2001:db8::1", right) == 200
        assert [await ask("192.0.2.7", f"guess {number}") for number in range(BURST + 1)] == [401] * BURST + [
            429
        ]
        assert await ask("192.0.2.7", right) == 429
        assert await ask("2001:db8::2", right) == 200
        assert [await ask("2001:db8::3", f"guess {number}") for number in range(BURST)][-1] == 429
        assert await ask("2001:db8::3", right) == 200


async def test_many_programs_may_start_at_once(tmp_path: Path) -> None:
    """
    A hundred requests with the same right password, none of it remembered yet, cost one check.
    """
    answers: list[int] = []
    async with peopled(tmp_path, clock=Clock()) as site, trio.open_nursery() as nursery:

        async def ask() -> None:
            answers.append((await guess(site, *auth("viewer"))).status_code)

        for _ in range(100):
            nursery.start_soon(ask)
    assert answers == [200] * 100


async def test_webhooks_that_ask_for_credentials_are_limited_too(tmp_path: Path) -> None:
    """
    `webhook.requireAuth` is no way around the limit; and a role that may start nothing starts nothing there.
    """
    async with peopled(tmp_path, {"f": flow("f")}, clock=Clock(), webhook__requireAuth=True) as site:
        assert (await site.call("f", auth=auth("operator"))).status_code == 200
        viewer = await site.call("f", auth=auth("viewer"))
        assert (viewer.status_code, viewer.json()["permission"]) == (403, "operate")
        (refused,) = await recorded(site, AccessRecorded, 1)
        assert "a-secret-key" not in refused.resource
        for number in range(BURST):
            assert (await site.call("f", auth=("the-admin", str(number)))).status_code == 401
        assert (await site.call("f", auth=auth("admin"))).status_code == 429


async def test_what_is_written_down_is_bounded(tmp_path: Path) -> None:
    """
    A flood of wrong passwords leaves few records, and the next one says how many there were. A name nobody has is
    not kept: it may be a password.
    """
    clock = Clock()
    async with peopled(tmp_path, clock=clock) as site:
        for number in range(60):
            await guess(site, f"hunter{number}", "x")
        before = len(await recorded(site, AccessRecorded, 20))
        assert before < 40
        clock.move(hours=1)
        await guess(site, "the-viewer", "x")
        written = await recorded(site, AccessRecorded, before + 1)
        assert written[-1].suppressed == 60 - before
        assert {event.by for event in written} == {"stranger:unknown", "user:the-viewer"}
        assert {event.remote for event in written} == {"127.0.0.1"}
        assert b"hunter1" not in site.journal_bytes()


async def test_a_limit_is_for_the_address_behind_the_proxy(tmp_path: Path) -> None:
    """
    Behind a trusted proxy one guesser does not lock out everybody; without trust the header is nobody's word.
    """
    async with peopled(tmp_path, clock=Clock(), server__trustedProxies=["127.0.0.1"]) as site:
        headers = {"X-Forwarded-For": "192.0.2.1"}
        for number in range(BURST):
            await site.client.get(SEARCH, auth=("the-viewer", str(number)), headers=headers)
        stopped = await site.client.get(SEARCH, auth=auth("viewer"), headers=headers)
        assert stopped.status_code == 429
        other = {"X-Forwarded-For": "192.0.2.2"}
        assert (await site.client.get(SEARCH, auth=auth("viewer"), headers=other)).status_code == 200
        assert "192.0.2.1" in {event.remote for event in system_events(site, AccessRecorded)}


def test_an_address_has_a_bucket_of_its_own() -> None:
    """
    Trying one password on many names is limited as well, and an IPv6 network counts as one address.
    """
    limits = LoginLimits()
    waits = [limits.wait(f"2001:db8::{number:x}", f"name {number}", 0) for number in range(200)]
    assert waits.index(next(filter(None, waits))) == int(PER_ADDRESS.burst)
    assert limits.wait("2001:db8:0:1::1", "name", 0) == 0
    assert (network_of("192.0.2.1"), network_of("")) == ("192.0.2.1", "")


async def test_broken_headers_cost_nothing(tmp_path: Path) -> None:
    """
    What is no pair of name and password is 401 at once, as often as somebody likes.
    """
    async with open_site(tmp_path) as site:
        for _ in range(2 * BURST):
            answer = await site.client.get(SEARCH, headers={"Authorization": "Basic !!!"})
            assert answer.status_code == 401
