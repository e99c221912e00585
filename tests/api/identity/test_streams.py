"""Streams of server-sent events last as long as what opened them."""

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import trio

from hookledger.api.identity.identity import Identity
from hookledger.api.identity.sessions import PER_USER_MAX, Sessions
from hookledger.api.permissions import Role
from hookledger.journal.ports import SystemEntropy
from tests.api.browser import LOGOUT, browser
from tests.api.site import Site
from tests.api.test_operations import APPROVAL

from .people import API, Clock, auth, peopled

SECONDS_MAX: Final = 10
"""Less than the streams' heartbeat, which would end them too."""
STREAMS: Final = (
    f"{API}/executions/{{}}/follow",
    f"{API}/logs/{{}}/follow",
    "/ui/main/live",
    "/ui/main/live?execution={}",
)
TOLD: Final = """
id: told
namespace: io.tests
inputs: [{id: amount, type: INT, defaults: 1}]
tasks:
  - {id: wait, type: io.kestra.plugin.core.flow.Pause}
triggers:
  - id: webhook
    type: io.kestra.plugin.core.trigger.Webhook
    key: a-secret-key
    wait: true
    response: {contentType: text/event-stream}
"""


@asynccontextmanager
async def opened(client: httpx.AsyncClient, path: str, **more: Any) -> AsyncGenerator[Any]:
    """A stream that has told something."""
    method = more.pop("method", "GET")
    async with client.stream(method, path, **more) as response:
        assert response.status_code == 200, path
        chunks = response.aiter_bytes()
        await anext(chunks)
        yield chunks


async def ended(chunks: Any) -> bool:
    """Read a stream to its end."""
    with trio.move_on_after(SECONDS_MAX):
        async for _ in chunks:
            pass
        return True
    return False


async def paused(site: Site) -> str:
    """An execution that is open for as long as the test lasts."""
    sent = await site.client.post(
        f"{API}/executions/io.tests/approval", files={"amount": (None, "1")}, auth=auth("admin")
    )
    assert sent.status_code == 200, sent.text
    return str(sent.json()["id"])


@pytest.mark.parametrize("path", STREAMS)
async def test_a_logout_ends_the_streams_of_its_session(tmp_path: Path, path: str) -> None:
    """
    What a session opened ends when it is logged out; another session of the same person goes on.
    """
    async with peopled(tmp_path, {"f": APPROVAL}) as site, browser(site) as person, browser(site) as other:
        path = path.format(await paused(site))
        for one in (person, other):
            await one.log_in(*auth("viewer"))
        async with opened(person.client, path) as mine, opened(other.client, path) as theirs:
            csrf = await person.csrf()
            assert (await person.post(LOGOUT, {"csrf": csrf})).status_code == 303
            assert await ended(mine)
            with trio.move_on_after(0.1) as still:
                await ended(theirs)
            assert still.cancelled_caught


def test_a_session_that_is_over_opens_nothing_more() -> None:
    """
    A session that is pushed out by newer ones, or whose time is over, no longer holds what it opened.
    """
    clock = Clock()
    sessions, person = Sessions(clock, SystemEntropy()), Identity(name="ann", role=Role.VIEWER)
    _, first = sessions.begin(person)
    newer = [sessions.begin(person)[1] for _ in range(PER_USER_MAX)]
    assert not first.access.holds
    assert all(one.access.holds for one in newer)
    clock.move(hours=25)
    assert not any(one.access.holds for one in newer)


@pytest.mark.parametrize("path", STREAMS[:2])
async def test_a_revocation_ends_the_streams_of_its_token(tmp_path: Path, path: str) -> None:
    """
    What a token opened ends when it is revoked, also a webhook's progress behind `webhook.requireAuth`; another
    token's goes on.
    """
    async with peopled(tmp_path, {"f": APPROVAL, "told": TOLD}, webhook__requireAuth=True) as site:
        path = path.format(await paused(site))
        made = [
            (
                await site.client.post(
                    f"{API}/tokens", json={"name": name, "role": "operator"}, auth=auth("admin")
                )
            ).json()
            for name in ("one", "two")
        ]
        one, two = ({"Authorization": f"Bearer {token['token']}"} for token in made)
        hook = "/api/v1/main/executions/webhook/io.tests/told/a-secret-key"
        async with (
            opened(site.client, path, headers=one) as mine,
            opened(site.client, hook, method="POST", headers=one) as progress,
            opened(site.client, path, headers=two) as theirs,
        ):
            gone = await site.client.delete(f"{API}/tokens/{made[0]['id']}", auth=auth("admin"))
            assert gone.status_code == 204
            assert await ended(mine)
            assert await ended(progress)
            with trio.move_on_after(0.1) as still:
                await ended(theirs)
            assert still.cancelled_caught


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_no_site_starts_a_webhook_with_a_remembered_password(tmp_path: Path, method: str) -> None:
    """
    Behind `webhook.requireAuth` a page of another site, in a browser that remembers the password of HTTP Basic,
    starts nothing with any method; programs, tokens and our own pages do.
    """
    source = TOLD.replace(
        "    wait: true\n    response: {contentType: text/event-stream}\n", "    methods: [GET, POST, PUT]\n"
    )
    async with peopled(tmp_path, {"told": source}, webhook__requireAuth=True) as site:
        basic = base64.b64encode(":".join(auth("admin")).encode()).decode()
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        ):
            answer = await site.call(
                "told", method=method, headers={**headers, "Authorization": f"Basic {basic}"}
            )
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:hookledger:problem:cross-origin")
        assert site.executions() == set()
        for headers in (
            {},
            {"Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": site.address},
        ):
            answer = await site.call(
                "told", method=method, headers={**headers, "Authorization": f"Basic {basic}"}
            )
            assert answer.status_code == 200, answer.text
