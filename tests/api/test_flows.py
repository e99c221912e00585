"""Flows through the API: create, change, remove, validate, find; each change under the name of its user."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import trio

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpRequest
from hookledger.api.identity.identity import Identity
from hookledger.api.permissions import Role
from hookledger.api.rest.flow_checks import DOCUMENTS_MAX, documents_of
from hookledger.api.rest.flows import table
from hookledger.api.route import answer as answered
from hookledger.journal.memory import MemoryStore

from .site import USER, Site, flow, open_site

FLOWS: Final = "/api/v1/main/flows"
ONE: Final = f"{FLOWS}/io.tests/f"
YAML: Final = {"Content-Type": "application/x-yaml"}
SOMEBODY: Final = Identity(name="x", role=Role.ADMIN)
BROKEN: Final = (
    "id: f\nnamespace: io.tests\ntasks:\n  - id: a\n    type: io.nobody.Knows\n  - type: x\ntaks: []\n"
)


async def send(
    site: Site, method: str, path: str, source: str | bytes = "", **headers: str
) -> httpx.Response:
    """Send an authenticated request with YAML."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return await site.client.request(method, path, content=source, auth=USER, headers=YAML | more)


def told(site: Site, kind: str) -> list[Any]:
    """What the journal says of flows."""
    return [event for event in site.events("system") if type(event).__name__ == kind]


async def test_a_flow_is_created(tmp_path: Path) -> None:
    """
    POST answers with the flow, its source and revision, and a webhook of it works; the journal names the user.
    """
    source = flow("f", more="description: first\n")
    async with open_site(tmp_path) as site:
        made = await send(site, "POST", FLOWS, source)
        called = await site.call("f")
        (registered,) = told(site, "FlowRegistered")
    assert made.status_code == 200, made.text
    shown = made.json()
    assert (shown["id"], shown["namespace"], shown["revision"]) == ("f", "io.tests", 1)
    assert (shown["source"], shown["description"]) == (source, "first")
    assert made.headers["etag"] == '"1"'
    assert called.status_code == 200
    assert (registered.by, registered.source) == (f"user:{USER[0]}", source)


async def test_every_problem_has_its_place(tmp_path: Path) -> None:
    """
    An invalid flow is 422 with path, line, column and message of each problem, and changes nothing.
    """
    async with open_site(tmp_path) as site:
        answers = [await send(site, "POST", FLOWS, text) for text in (BROKEN, "", "a: [", b"id: \xff\n")]
        assert told(site, "FlowRegistered") == []
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert answer.json()["type"].endswith(":flow-invalid")
        for error in answer.json()["errors"]:
            assert error["line"] >= 1
            assert error["column"] >= 1
            assert error["message"]
    places = {(error["path"], error["line"]) for error in answers[0].json()["errors"]}
    assert ("tasks[0].type", 5) in places
    assert len(places) >= 3
    (unreadable,) = answers[3].json()["errors"]
    assert (unreadable["line"], unreadable["column"]) == (1, 5)


async def test_what_exists_is_not_created_again(tmp_path: Path) -> None:
    """
    POST of a flow that exists is 409, also for all but one of several at once; a removed one may come again.
    """
    answers: list[int] = []

    async def create(site: Site) -> None:
        answers.append((await send(site, "POST", FLOWS, flow("f"))).status_code)

    async with open_site(tmp_path) as site:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(create, site)
        assert sorted(answers) == [200, 409, 409, 409, 409]
        assert (await send(site, "DELETE", ONE)).status_code == 204
        again = await send(site, "POST", FLOWS, flow("f"))
    assert (again.status_code, again.json()["revision"]) == (200, 2)


async def test_of_changes_at_once_one_wins() -> None:
    """
    What is checked still holds when the change is made: of changes under way together, one with the seen revision wins.
    """
    statuses: list[int] = []

    async def pieces(body: bytes) -> AsyncIterator[bytes]:
        yield body

    async def change(engine: Engine, number: int) -> None:
        body = flow("f", more=f"description: number {number}\n").encode()
        request = HttpRequest(
            method="PUT",
            raw_path=ONE,
            headers=(("Content-Type", "text/yaml"), ("If-Match", '"1"')),
            body=pieces(body),
        )
        path = {"namespace": "io.tests", "flow_id": "f"}
        call = Call(request=request, path=path, query={}, identity=SOMEBODY)
        route = next(one for one in table(engine) if one.method == "PUT")
        statuses.append((await answered(route, call)).status)

    async with Engine.open(MemoryStore()) as engine:
        await engine.register(flow("f"))
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(change, engine, number)
        assert sorted(statuses) == [200, 412, 412, 412, 412]
        assert engine.flow("io.tests", "f").revision == 2


async def test_a_flow_is_changed(tmp_path: Path) -> None:
    """
    PUT makes a revision, the same source makes none, what is missing is 404, and an older revision stays readable.
    """
    async with open_site(tmp_path) as site:
        assert (await send(site, "PUT", ONE, flow("f"))).status_code == 404
        await send(site, "POST", FLOWS, flow("f"))
        changed = await send(site, "PUT", ONE, flow("f", more="description: second\n"))
        same = await send(site, "PUT", ONE, flow("f", more="description: second\n"))
        broken = await send(site, "PUT", ONE, BROKEN)
        old = await send(site, "GET", f"{ONE}?revision=1&source=true")
        revisions = (await send(site, "GET", f"{ONE}/revisions")).json()
        missing = await send(site, "GET", f"{FLOWS}/io.tests/none/revisions")
        registered = told(site, "FlowRegistered")
    assert [changed.json()["revision"], same.json()["revision"]] == [2, 2]
    assert broken.status_code == 422
    assert (old.json()["source"], old.headers["etag"]) == (flow("f"), '"1"')
    assert [(one["revision"], one["deleted"]) for one in revisions] == [(1, False), (2, False)]
    assert revisions[1]["source"] == flow("f", more="description: second\n")
    assert missing.status_code == 404
    assert {event.by for event in registered} == {f"user:{USER[0]}"}


async def test_a_body_names_the_flow_of_its_path(tmp_path: Path) -> None:
    """
    PUT of another id or namespace than the path's is 422 at the place of the name, and changes nothing.
    """
    async with open_site(tmp_path) as site:
        await send(site, "POST", FLOWS, flow("f"))
        other = await send(site, "PUT", ONE, flow("g").replace("io.tests", "io.others"))
        assert len(told(site, "FlowRegistered")) == 1
    assert other.status_code == 422
    places = [(error["path"], error["line"], error["column"]) for error in other.json()["errors"]]
    assert places == [("id", 1, 5), ("namespace", 2, 12)]


async def test_only_what_was_seen_is_changed(tmp_path: Path) -> None:
    """
    PUT and DELETE with `If-Match` of another revision are 412 with the right entity tag, and change nothing.
    """
    new = flow("f", more="description: second\n")
    async with open_site(tmp_path) as site:
        await send(site, "POST", FLOWS, flow("f"))
        seen = (await send(site, "GET", ONE)).headers["etag"]
        assert (await send(site, "PUT", ONE, new, If_Match=seen)).status_code == 200
        for method in ("PUT", "DELETE"):
            for tag in (seen, 'W/"2"', "2", '""'):
                late = await send(site, method, ONE, flow("f"), If_Match=tag)
                assert (late.status_code, late.headers["etag"]) == (412, '"2"'), (method, tag)
                assert late.headers["content-type"] == "application/problem+json"
        assert (await send(site, "PUT", ONE, new, If_Match="*")).json()["revision"] == 2
        assert (await send(site, "DELETE", ONE, If_Match='"1", "2"')).status_code == 204


async def test_a_flow_is_removed(tmp_path: Path) -> None:
    """
    DELETE is 204, then 404; deliveries are refused, revisions stay readable, and the journal names the user.
    """
    async with open_site(tmp_path) as site:
        await send(site, "POST", FLOWS, flow("f"))
        gone = await send(site, "DELETE", ONE)
        after = [
            (await send(site, "DELETE", ONE)).status_code,
            (await send(site, "GET", ONE)).status_code,
            (await send(site, "PUT", ONE, flow("f"))).status_code,
            (await site.call("f")).status_code,
        ]
        (revision,) = (await send(site, "GET", f"{ONE}/revisions")).json()
        (removed,) = told(site, "FlowRemoved")
    assert (gone.status_code, gone.content) == (204, b"")
    assert after == [404, 404, 404, 404]
    assert (revision["revision"], revision["deleted"]) == (1, True)
    assert (removed.by, removed.revision) == (f"user:{USER[0]}", 1)


@pytest.mark.parametrize("kind", ["", "application/json", "text/plain", "application/x-www-form-urlencoded"])
async def test_a_flow_is_sent_as_yaml(tmp_path: Path, kind: str) -> None:
    """
    Any type that a form of a foreign page could send is 415, and changes nothing.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for method, path in (("POST", FLOWS), ("PUT", ONE), ("POST", f"{FLOWS}/validate")):
            answer = await send(site, method, path, flow("g"), Content_Type=kind)
            assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")
        assert len(told(site, "FlowRegistered")) == 1


async def test_validating_changes_nothing(tmp_path: Path) -> None:
    """
    Each document gets its verdict: constraints only when it is invalid, with places in the whole text, and warnings.
    """
    unfilled = flow("g", more="inputs:\n  - id: needed\n    type: STRING\n")
    text = f"# flows\n---\n{flow('f')}--- # broken\n{BROKEN}---\n---\n{unfilled}...\n"
    async with open_site(tmp_path) as site:
        answer = await send(site, "POST", f"{FLOWS}/validate", text)
        empty = (await send(site, "POST", f"{FLOWS}/validate")).json()
        many = await send(site, "POST", f"{FLOWS}/validate", "---\na: 1\n" * (DOCUMENTS_MAX + 1))
        assert told(site, "FlowRegistered") == []
    good, bad, warned = answer.json()
    assert good == {"index": 0, "flow": "f", "namespace": "io.tests", "warnings": []}
    assert (bad["index"], bad["flow"], bad["namespace"]) == (1, "f", "io.tests")
    line = text.splitlines().index("    type: io.nobody.Knows") + 1
    assert ("tasks[0].type", line) in {(error["path"], error["line"]) for error in bad["errors"]}
    assert f"{line}:" in bad["constraints"]
    assert (warned["index"], warned["flow"]) == (2, "g")
    assert "needed" in warned["warnings"][0]
    assert "constraints" not in warned
    assert [("constraints" in one) for one in empty] == [True]
    assert many.status_code == 422


def test_only_a_marker_at_the_margin_separates() -> None:
    """
    `---` inside of a text, further right or as the beginning of a longer word, is no marker.
    """
    text = "a: |\n  ---\n  b\n----: x\nc: '--- '\n--- \nd: 1\n"
    assert documents_of(text) == [text.partition("--- \n")[0], "\n" * 5 + "--- \nd: 1\n"]


async def test_flows_are_found(tmp_path: Path) -> None:
    """
    Search goes by namespace and by a part of name or description, in pages; a namespace lists its own.
    """
    flows = {name: flow(name, more=f"description: about {name.upper()}\n") for name in ("a", "b", "c")}
    flows["other"] = flow("d").replace("io.tests", "io.others")
    async with open_site(tmp_path, flows) as site:

        async def search(query: str) -> tuple[int, list[str]]:
            found = (await send(site, "GET", f"{FLOWS}/search?{query}")).json()
            return found["total"], [one["id"] for one in found["results"]]

        assert await search("") == (4, ["d", "a", "b", "c"])
        assert await search("namespace=io.tests&size=2&page=2") == (3, ["c"])
        assert await search("q=ABOUT%20b") == (1, ["b"])
        assert await search("q=others/") == (1, ["d"])
        assert await search("namespace=io") == (4, ["d", "a", "b", "c"])
        assert await search("namespace=i") == (0, [])
        for bad in ("page=0", "size=101", "size=x"):
            assert (await send(site, "GET", f"{FLOWS}/search?{bad}")).status_code == 400
        listed = await send(site, "GET", f"{FLOWS}/io.tests")
        nothing = await send(site, "GET", f"{FLOWS}/io.nobody")
    assert [one["id"] for one in listed.json()] == ["a", "b", "c"]
    assert nothing.json() == []
