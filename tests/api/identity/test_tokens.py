"""API tokens."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from hookledger.journal.events import AccessRecorded, FlowRegistered, TokenIssued, TokenRevoked
from hookledger.journal.sqlite import partition_file
from hookledger.journal.verify import SqliteSource, verify
from tests.api.site import USER, Site, flow, open_site

from .people import API, Clock, auth, peopled, recorded, system_events

TOKENS = f"{API}/tokens"
SEARCH = f"{API}/executions/search"


async def issue(site: Site, role: str = "viewer", name: str = "ci", **more: Any) -> dict[str, Any]:
    """A new token as its issuer sees it."""
    answer = await site.client.post(TOKENS, json={"name": name, "role": role, **more}, auth=USER)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def use(
    site: Site, secret: str, path: str = SEARCH, method: str = "GET", **more: Any
) -> httpx.Response:
    return await site.client.request(
        method, path, headers={**bearer(secret), **more.pop("headers", {})}, **more
    )


async def test_a_token_is_shown_once(tmp_path: Path) -> None:
    """
    The answer that makes it has the secret; no list, no journal and no file ever has.
    """
    async with open_site(tmp_path) as site:
        made = await issue(site)
        secret = made["token"]
        assert secret.startswith("hlt_")
        assert len(secret) == 4 + 43
        assert (await use(site, secret)).status_code == 200
        listed = await site.client.get(TOKENS, auth=USER)
        assert listed.json() == {
            "results": [{name: made[name] for name in made if name != "token"}],
            "total": 1,
        }
        assert (made["name"], made["role"], made["state"], made["createdBy"]) == (
            "ci", "viewer", "ACTIVE", "user:tester",
        )  # fmt: skip
        assert "expires" not in made
        assert secret[4:].encode() not in site.journal_bytes()
        assert listed.headers["cache-control"] == "no-store"


async def test_a_token_outlives_a_restart_and_not_its_revocation(tmp_path: Path) -> None:
    """
    The journal is the only state: what it issued works after a restart, what it revoked does not, and its verifier
    finds nothing wrong.
    """
    async with open_site(tmp_path) as site:
        kept, gone = await issue(site), await issue(site, name="other")
        assert (await site.client.delete(f"{TOKENS}/{gone['id']}", auth=USER)).status_code == 204
        assert (await use(site, gone["token"])).status_code == 401
    async with open_site(tmp_path) as site:
        assert (await use(site, kept["token"])).status_code == 200
        refused = await use(site, gone["token"])
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="Hookledger", error="invalid_token"'
        states = [one["state"] for one in (await site.client.get(TOKENS, auth=USER)).json()["results"]]
        assert states == ["REVOKED", "ACTIVE"]
        assert (await site.client.delete(f"{TOKENS}/{gone['id']}", auth=USER)).status_code == 204
        assert len(system_events(site, TokenRevoked)) == 1
        written = await recorded(site, AccessRecorded, 2)
        assert [(one.by, one.outcome) for one in written] == [(f"token:{gone['id']}", "token revoked")] * 2
    source = SqliteSource(partition_file(tmp_path / "data"))
    try:
        assert verify(source).ok
    finally:
        source.close()


async def test_a_token_expires(tmp_path: Path) -> None:
    """
    By the engine's clock, to the moment the list names; its name is then free again.
    """
    clock = Clock()
    async with peopled(tmp_path, clock=clock) as site:
        made = await issue(site, expiresIn="PT1H")
        assert made["expires"] > made["created"]
        clock.move(hours=0.99)
        assert (await use(site, made["token"])).status_code == 200
        clock.move(hours=0.02)
        assert (await use(site, made["token"])).status_code == 401
        (one,) = (await site.client.get(TOKENS, auth=USER)).json()["results"]
        assert one["state"] == "EXPIRED"
        await issue(site)


async def test_what_a_token_does_carries_its_id(tmp_path: Path) -> None:
    """
    A token named like a person is not that person: the journal has its id, and who issued it.
    """
    async with open_site(tmp_path) as site:
        made = await issue(site, "admin", name="tester")
        answer = await use(
            site, made["token"], f"{API}/flows", "POST", content=flow("f"),
            headers={"Content-Type": "application/x-yaml"},
        )  # fmt: skip
        assert answer.status_code == 200
        second = await use(site, made["token"], TOKENS, "POST", json={"name": "child", "role": "viewer"})
        execution = (await use(site, made["token"], f"{API}/executions/io.tests/f?wait=true", "POST")).json()[
            "id"
        ]
        note = await use(
            site, made["token"], f"{API}/executions/{execution}/note", "POST", json={"text": "x"}
        )
        assert note.status_code == 200, note.text
        (registered,) = system_events(site, FlowRegistered)
        assert registered.by == f"token:{made['id']}"
        assert second.json()["createdBy"] == f"token:{made['id']}"
        assert [event.by for event in system_events(site, TokenIssued)] == [
            "user:tester", f"token:{made['id']}",
        ]  # fmt: skip
        actors = {entry.header.actor.partition(":")[0] for entry in site.entries(execution)}
        assert "user" not in actors
        assert "token" in actors


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"name": "x"}, "role"),
        ({"role": "viewer"}, "name"),
        ({"name": "", "role": "viewer"}, "name"),
        ({"name": "a\nb", "role": "viewer"}, "name"),
        ({"name": "x" * 101, "role": "viewer"}, "name"),
        ({"name": "x", "role": "vewer"}, "did you mean `viewer`?"),
        ({"name": "x", "role": "viewer", "expiresIn": "soon"}, "expiresIn"),
        ({"name": "x", "role": "viewer", "expiresIn": "PT0S"}, "expiresIn"),
        ({"name": "x", "role": "viewer", "expiresIn": "-PT1H"}, "expiresIn"),
        ({"name": "x", "role": "viewer", "expiresIn": "P99999D"}, "expiresIn"),
        ({"name": "x", "role": "viewer", "expires": "P1D"}, "expires"),
        ([], "expected properties"),
        (None, "name"),
    ],
)
async def test_a_bad_wish_says_what_to_do(tmp_path: Path, wish: Any, says: str) -> None:
    """
    422 that names the field; nothing is issued.
    """
    async with open_site(tmp_path) as site:
        answer = await site.client.post(TOKENS, json=wish, auth=USER)
        assert (answer.status_code, answer.json()["type"]) == (
            422,
            "urn:hookledger:problem:invalid-request-body",
        )
        assert says in answer.json()["detail"]
        assert not system_events(site, TokenIssued)


async def test_names_are_unique_while_they_work(tmp_path: Path) -> None:
    """
    Two tokens of one name could not be told apart in a list: 409, until the first is revoked.
    """
    async with open_site(tmp_path) as site:
        first = await issue(site)
        again = await site.client.post(TOKENS, json={"name": "ci", "role": "viewer"}, auth=USER)
        assert (again.status_code, again.json()["type"]) == (409, "urn:hookledger:problem:token-exists")
        await site.client.delete(f"{TOKENS}/{first['id']}", auth=USER)
        await issue(site)
        unknown = await site.client.delete(f"{TOKENS}/none", auth=USER)
        assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:hookledger:problem:token-unknown")


async def test_only_the_whole_secret_works(tmp_path: Path) -> None:
    """
    Not its beginning, not its hash, not its id, not as a password, and not for a webhook's caller to find out which.
    """
    async with peopled(tmp_path) as site:
        made = await issue(site)
        (issued,) = system_events(site, TokenIssued)
        secret = made["token"]
        for wrong in ("x", secret[:-1], secret + "x", secret[4:], issued.sha256, made["id"], "\xff"):
            answer = await site.client.get(
                SEARCH, headers={b"Authorization": f"Bearer {wrong}".encode("latin-1")}
            )
            assert answer.status_code == 401, wrong
        assert (await site.client.get(SEARCH, auth=("ci", secret))).status_code == 401
        assert (
            await site.client.get(SEARCH, headers={"Authorization": f"bEaReR  {secret}"})
        ).status_code == 200
        assert (await site.client.get(SEARCH, params={"access_token": secret})).status_code == 401
        assert (await site.client.get(SEARCH, auth=auth("viewer"))).status_code == 200
