"""Words in paths and parameters: namespaces by whole segments, routes that are not there, states that do not exist."""

from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.api.browser import browser

from .site import HOOK, USER, Site, flow, open_site
from .test_operations import API

NAMESPACES: Final = ("company", "company.team", "company.team.deep", "company2", "other")


async def asked(site: Site, path: str, method: str = "GET", **more: object) -> httpx.Response:
    """Ask the API."""
    return await site.client.request(method, f"{API}{path}", auth=USER, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("route", "where"),
    [
        ("/executions/search", lambda one: one["namespace"]),
        ("/flows/search", lambda one: one["namespace"]),
        ("/triggers/search", lambda one: one["state"]["namespace"]),
        ("/logs/search", lambda one: one["namespace"]),
    ],
)
async def test_a_namespace_stands_for_what_is_below_it(tmp_path: Path, route: str, where: object) -> None:
    """
    K2: `namespace` finds the namespace and what is below it by whole segments, in every search; so does
    `filters[namespace][PREFIX]`, and `filters[namespace][EQUALS]` finds it alone.
    """
    say = "tasks:\n  - {id: say, type: io.kestra.plugin.core.log.Log, message: hi}\n"
    flows = {
        str(number): flow("f").replace("io.tests", name).replace("tasks:\n", say)
        for number, name in enumerate(NAMESPACES)
    }
    async with open_site(tmp_path, flows) as site:
        for name in NAMESPACES:
            assert (await site.client.get(f"{HOOK}/{name}/f/a-secret-key")).status_code == 200
        await site.until(lambda: len(site.executions()) == len(NAMESPACES))

        async def found(query: str) -> list[str]:
            answer = await asked(site, f"{route}?{query}")
            assert answer.status_code == 200, answer.text
            names = sorted({where(one) for one in answer.json()["results"]})  # type: ignore[operator]
            assert answer.json()["total"] == len(names)
            return names

        if route == "/logs/search":
            await site.until(lambda: all(len(site.events(one)) >= 6 for one in site.executions()))
        below = ["company", "company.team", "company.team.deep"]
        assert await found("namespace=company") == below
        assert await found("filters[namespace][PREFIX]=company") == below
        assert await found("namespace=company.team") == below[1:]
        assert await found("namespace=compan") == []
        assert await found("filters[namespace][EQUALS]=company") == ["company"]
        assert await found("filters[namespace][EQUALS]=company.te") == []


ABSENT: Final = (
    *(("POST", f"/executions/{verb}/{end}") for verb in ("replay", "labels", "force-run", "unqueue", "change-status")
      for end in ("by-ids", "by-query")),
    *(("POST", f"/executions/{verb}/by-query") for verb in ("kill", "restart", "resume", "pause")),
    *(("POST", f"/executions/00VcRVpdK007oioFTEBzzY/{end}") for end in ("unqueue", "change-status", "state")),
    ("GET", "/flows/deprecated"), ("GET", "/flows/source"), ("GET", "/flows/source?q=x"),
    ("GET", "/flows/export/by-query"),
    ("GET", "/executions/latest"), ("POST", "/executions/company/by-ids"), ("GET", "/logs/export"),
    ("GET", "/triggers/set-disabled/by-query"), ("PUT", "/flows/bulk/x"), ("DELETE", "/flows/delete/by-ids"),
)  # fmt: skip


@pytest.mark.parametrize("prefix", ["/api/v1/main", "/api/v1"])
async def test_a_route_that_is_not_there_says_so(tmp_path: Path, prefix: str) -> None:
    """
    K10: a word of a route is read neither as a namespace nor as an execution, and `by-ids` and `by-query` as no flow:
    404 that names the route, whatever is sent along; without credentials it is 401.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for method, path in ABSENT:
            answer = await site.client.request(method, prefix + path, auth=USER, json=["x"])
            said = answer.json()
            assert (answer.status_code, said["type"]) == (404, "urn:hookledger:problem:route-unknown"), (
                path,
                said,
            )
            assert f"{method} {prefix}{path.partition('?')[0]}" in said["detail"]
            assert (await site.client.request(method, prefix + path)).status_code == 401
        assert site.executions() == set()


@pytest.mark.parametrize("name", ["source", "search", "unqueue", "state"])
async def test_a_flow_may_be_called_like_a_route(tmp_path: Path, name: str) -> None:
    """
    Flows called like a word of a route are started and read as any other.
    """
    async with open_site(tmp_path, {"f": flow(name)}) as site:
        assert (await asked(site, f"/flows/io.tests/{name}")).status_code == 200
        started = await asked(site, f"/executions/io.tests/{name}", "POST")
        assert started.status_code == 200, started.text


async def test_a_state_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """
    U13: a misspelt state or kind is 400 with the nearest one there is, on the API and on pages, and finds nothing.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site, browser(site, log_in=True) as person:
        assert (await site.call("f")).status_code == 200
        for path, meant in (
            ("/executions/search?state=FALED", "FAILED"),
            ("/executions/search?filters[state][IN]=SUCCESS,KILED", "KILLED"),
            ("/triggers/io.tests/f/webhook/deliveries?kind=rejectd", "rejected"),
            ("/logs/search?minLevel=WARM", "WARN"),
        ):
            answer = await asked(site, path)
            assert answer.status_code == 400, path
            assert f"did you mean `{meant}`?" in answer.json()["detail"], answer.text
        for path, meant in (
            ("/ui/main/executions?state=FALED", "FAILED"),
            ("/ui/main/executions?state=sucess", "SUCCESS"),
            ("/ui/main/executions?waits=PAUSD", "PAUSED"),
            ("/ui/main/flows/io.tests/f/executions?state=FALED", "FAILED"),
            ("/ui/main/audit?kind=FlowRegisterd", "FlowRegistered"),
        ):
            page = await person.get(path)
            assert page.status_code == 400, path
            assert f"did you mean `{meant}`?" in page.text, path
        for path in (
            "executions?state=failed",
            "executions?state=QUEUED",
            "flows/io.tests/f/executions?state=RETRIED",
        ):
            assert (await person.get(f"/ui/main/{path}")).status_code == 200, path
