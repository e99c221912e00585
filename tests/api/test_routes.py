"""The table of routes: every one behind credentials, with and without the tenant, all bodies bounded."""

import re
from pathlib import Path
from typing import Any, Final

import pytest

from hookledger.api.routes import BODY_BYTES_MAX, PREFIXES, routes

from .site import USER, flow, open_site

ANYTHING: Final[Any] = None
TABLE: Final = routes(ANYTHING, ANYTHING, ANYTHING)
DOCUMENT: Final = Path(__file__).parents[2] / "docs/api.md"


def filled(path: str) -> str:
    """A route's path with something for every parameter."""
    return re.sub(r"<[\w:]+>", "x", path)


async def test_nothing_works_without_credentials(tmp_path: Path) -> None:
    """
    Every route of the table answers 401 with a challenge and a problem document, and writes nothing.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        before = site.journal_bytes()
        for route in (one for one in TABLE if one.needs is not None):
            for prefix in route.prefixes:
                path = prefix + filled(route.path)
                answer = await site.client.request(route.method, path, content=b"id: x")
                assert answer.status_code == 401, (route.method, path)
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"].startswith("Basic ")
        assert site.journal_bytes() == before


async def test_a_body_is_bounded(tmp_path: Path) -> None:
    """
    A body past the limit is answered with 413, a problem that names the limit.
    """
    async with open_site(tmp_path) as site:
        body = b" " * (BODY_BYTES_MAX + 1)
        answer = await site.client.post(PREFIXES[0] + "/executions/a/b", content=body, auth=USER)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert str(BODY_BYTES_MAX) in answer.json()["detail"]


async def test_another_method_is_told_the_right_ones(tmp_path: Path) -> None:
    """
    A known path with a method it does not take is 405 with `Allow`, as a problem.
    """
    async with open_site(tmp_path) as site:
        answer = await site.client.put(PREFIXES[0] + "/executions/search", auth=USER)
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_route_stands_once(prefix: str) -> None:
    """
    No two lines of the table have the same method and path.
    """
    lines = [(route.method, prefix + re.sub(r"<\w+>", "<>", route.path)) for route in TABLE]
    assert len(lines) == len(set(lines))


def test_every_route_is_documented() -> None:
    """
    docs/api.md has each route, with a curl line for its path, and no route that is not there.
    """
    sections = re.findall(
        r"^### `(\w+) (\S+)`\n(.*?)(?=^#|\Z)", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE
    )
    older = {route.older for route in TABLE}
    table = {
        (route.method, re.sub(r"<(?:path:)?(\w+)>", r"{\1}", route.path)): route.prefixes[0]
        for route in TABLE
        if route.path not in older
    }
    assert {(method, path) for method, path, _ in sections} == set(table)
    for method, path, text in sections:
        (line,) = [line for line in text.splitlines() if line.startswith("    curl ")]
        prefix = table[method, path]
        start = "$api" if prefix == PREFIXES[0] else f"$server{prefix}"
        address = re.escape(start) + re.sub(r"\{\w+\}", "[^/]+", path)
        assert re.search(rf'"{address}["?]', line), line
        sends = (
            "-X" if f"-X {method}" in line else "--" if re.search(r" (--json|--data\S*|-F) ", line) else ""
        )
        assert (method == "GET") == (sends == ""), line
