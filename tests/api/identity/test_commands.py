"""`hookledger token` against a running server."""

import json
from pathlib import Path

import trio
from click.testing import CliRunner, Result

from hookledger.api.cli import main
from tests.api.site import USER, Site, open_site

from .people import API, auth, peopled

SEARCH = f"{API}/executions/search"


async def typed(site: Site, *words: str, keys: str | None = None, **environment: str) -> Result:
    """Run a command while the server goes on."""

    def run() -> Result:
        known = {"HOOKLEDGER_PUBLIC_URL": site.address, "NO_PROXY": "*"}
        return CliRunner().invoke(main, ["token", *words], env=known | environment, input=keys)

    return await trio.to_thread.run_sync(run)


ADMIN = {"HOOKLEDGER_USERNAME": USER[0], "HOOKLEDGER_PASSWORD": USER[1]}


async def test_a_token_is_made_listed_and_revoked(tmp_path: Path) -> None:
    """
    `create` prints the secret alone on standard output, `list` never does, `revoke` ends it.
    """
    async with open_site(tmp_path) as site:
        made = await typed(site, "create", "ci", "--role", "viewer", "--expires-in", "P90D", **ADMIN)
        assert made.exit_code == 0, made.output
        secret = made.stdout.strip()
        assert "not shown again" in made.stderr
        bearer = {"Authorization": f"Bearer {secret}"}
        assert (await site.client.get(SEARCH, headers=bearer)).status_code == 200
        listed = await typed(site, "list", **ADMIN)
        header, line = listed.stdout.splitlines()
        assert header.split() == ["ID", "NAME", "ROLE", "STATE", "CREATED", "EXPIRES", "BY"]
        assert line.split()[1:4] == ["ci", "viewer", "ACTIVE"]
        assert secret not in listed.output
        (one,) = json.loads((await typed(site, "list", "--json", **ADMIN)).stdout)
        assert one["id"] == line.split()[0]
        assert (await typed(site, "revoke", one["id"], **ADMIN)).output == ""
        assert (await site.client.get(SEARCH, headers=bearer)).status_code == 401


async def test_a_token_may_make_tokens(tmp_path: Path) -> None:
    """
    With `HOOKLEDGER_TOKEN` no password is asked for; without either it is, and not shown.
    """
    async with open_site(tmp_path) as site:
        words = ("create", "boss", "--role", "admin")
        made = await typed(site, *words, keys=f"{USER[1]}\n", HOOKLEDGER_USERNAME=USER[0])
        assert made.exit_code == 0, made.output
        assert USER[1] not in made.output
        secret = made.stdout.strip()
        second = await typed(site, "create", "ci", "--role", "viewer", HOOKLEDGER_TOKEN=secret)
        assert second.exit_code == 0, second.output


async def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    """
    What the server says, or that there is none: exit code 1, one line, no traceback, no secret.
    """
    async with peopled(tmp_path) as site:
        name, password = auth("viewer")
        viewer = {"HOOKLEDGER_USERNAME": name, "HOOKLEDGER_PASSWORD": password}
        cases = [
            (await typed(site, "list", **viewer), "`administer`"),
            (await typed(site, "create", "x", "--role", "king", **ADMIN), "no role `king`"),
            (await typed(site, "revoke", "none", **ADMIN), "no such token"),
            (await typed(site, "revoke", "../flows/a/b", **ADMIN), "nothing here"),
            (await typed(site, "list", HOOKLEDGER_TOKEN="hlt_x"), "token"),
            (await typed(site, "list", "--address", "http://127.0.0.1:1", **ADMIN), "--address"),
            (await typed(site, "list", "--address", "nonsense", **ADMIN), "--address"),
            (await typed(site, "list", "--address", f"{site.address}/x", **ADMIN), ""),
        ]
    for result, says in cases:
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        assert says in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert password not in result.output
