"""The API behind Basic auth: executions, flows, health."""

import base64
import json
from pathlib import Path
from typing import Any

from .site import USER, flow, open_site

SEARCH = "/api/v1/main/executions/search"


async def test_health_is_open(tmp_path: Path) -> None:
    """
    `/health` needs no credentials.
    """
    async with open_site(tmp_path) as site:
        response = await site.client.get("/health")
        assert (response.status_code, response.json()) == (200, {"status": "UP"})


async def test_the_api_needs_credentials(tmp_path: Path) -> None:
    """
    Without right credentials the answer is 401 with a Basic challenge, however broken the header is (row 77).
    """
    user, password = USER

    def basic(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    wrong = [
        "", "Basic", "Basic !!!", "Bearer x", basic(user), basic(":"), basic(f"{user}:"), "Basic " + "A" * 9,
        basic(f"{user}:{password} "), basic(f"{user.upper()}:{password}"), basic(f"x:{password}"), "Basic /w==",
        basic(f"{user}:{password}") + "x",
    ]  # fmt: skip
    paths = [SEARCH, "/api/v1/main/executions/x", "/api/v1/main/flows/a/b", "/api/v1/executions/search"]
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for path in paths:
            response = await site.client.get(path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == 'Basic realm="Hookledger", charset="UTF-8"'
        for header in wrong:
            assert (await site.client.get(SEARCH, headers={"Authorization": header})).status_code == 401, (
                header
            )
        for header in (basic(f"{user}:{password}"), basic(f"{user}:{password}").replace("Basic", "bAsIc ")):
            assert (await site.client.get(SEARCH, headers={"Authorization": header})).status_code == 200
        assert (await site.client.get(SEARCH)).status_code == 401


async def test_webhooks_may_ask_for_credentials_too(tmp_path: Path) -> None:
    """
    Webhook URLs are open: their key is their secret (row 76). `webhook.requireAuth` closes them.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        assert (await site.call("f")).status_code == 200
    async with open_site(tmp_path, webhook__requireAuth=True) as site:
        before = site.executions()
        for key in ("a-secret-key", "wrong"):
            response = await site.call("f", key)
            assert response.status_code == 401
            assert "www-authenticate" in response.headers
        assert site.executions() == before
        assert (await site.call("f", auth=USER)).status_code == 200


async def test_credentials_are_made_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    """
    Without settings a password is made at first start, shown then and never again; only its hash is kept.
    """
    none: dict[str, Any] = {"auth__username": "", "auth__password": ""}
    async with open_site(tmp_path, **none) as site:
        line = await site.line("API user")
        password = line.split("password ")[1].split()[0]
        assert (await site.client.get(SEARCH, auth=("admin", password))).status_code == 200
        kept = site.data / "credentials.json"
        assert password not in kept.read_text()
        assert kept.stat().st_mode & 0o077 == 0
        assert json.loads(kept.read_text())["n"] >= 2**15
    async with open_site(tmp_path, **none) as site:
        assert password not in "\n".join(site.said)
        assert (await site.client.get(SEARCH, auth=("admin", password))).status_code == 200
    async with open_site(tmp_path) as site:
        assert (await site.client.get(SEARCH, auth=("admin", password))).status_code == 401
        assert (await site.client.get(SEARCH, auth=USER)).status_code == 200


async def test_an_execution_can_be_read(tmp_path: Path) -> None:
    """
    `executions/{id}` shows what the webhook's caller may not see: task runs, inputs and outputs.
    """
    async with open_site(tmp_path, {"f": flow("f", text="hi", trigger="    wait: true\n")}) as site:
        execution = (await site.call("f")).json()["id"]
        response = await site.client.get(f"/api/v1/main/executions/{execution}", auth=USER)
        assert response.status_code == 200
        (run,) = response.json()["taskRunList"]
        assert (run["taskId"], run["state"]["current"], run["outputs"]) == ("out", "SUCCESS", {"value": "hi"})
        assert response.json()["state"]["current"] == "SUCCESS"
        assert (await site.client.get("/api/v1/main/executions/none", auth=USER)).status_code == 404
        assert (await site.client.get("/api/v1/main/executions/system", auth=USER)).status_code == 404


async def test_executions_can_be_searched(tmp_path: Path) -> None:
    """
    `executions/search` filters by namespace, flow and state, newest first, in pages with the total.
    """
    async with open_site(tmp_path, {"a": flow("a", trigger="    wait: true\n"), "b": flow("b")}) as site:
        ids = [(await site.call("a")).json()["id"] for _ in range(3)]
        await site.call("b")

        async def search(query: str) -> tuple[int, list[str]]:
            found = (await site.client.get(f"{SEARCH}?{query}", auth=USER)).json()
            return found["total"], [result["id"] for result in found["results"]]

        assert await search("namespace=io.tests&flowId=a") == (3, ids[::-1])
        assert await search("flowId=a&size=2&page=2") == (3, ids[:1])
        assert await search("flowId=a&state=SUCCESS&state=FAILED") == (3, ids[::-1])
        assert await search("flowId=a&state=FAILED") == (0, [])
        assert (await search(""))[0] == 4
        for bad in ("page=0", "size=0", "size=101", "page=x", "size=-1"):
            response = await site.client.get(f"{SEARCH}?{bad}", auth=USER)
            assert response.status_code == 400, bad


async def test_a_flow_can_be_read(tmp_path: Path) -> None:
    """
    `flows/{namespace}/{id}` shows the newest revision or the one asked for, with its source on demand.
    """
    source = flow("f", more="description: first\n")
    async with open_site(tmp_path, {"f": source}) as site:
        path = "/api/v1/main/flows/io.tests/f"
        shown = (await site.client.get(path, auth=USER)).json()
        assert (shown["id"], shown["revision"], shown["description"]) == ("f", 1, "first")
        assert "source" not in shown
        assert (await site.client.get(f"{path}?source=true&revision=1", auth=USER)).json()["source"] == source
        assert (await site.client.get(f"{path}?revision=2", auth=USER)).status_code == 404
        assert (await site.client.get(f"{path}?revision=x", auth=USER)).status_code == 400
        assert (await site.client.get("/api/v1/main/flows/io.tests/none", auth=USER)).status_code == 404
