"""Whatever is sent to the API, the answer is a problem that says what to do, and never the server's own failure."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from hookledger.api.routes import PREFIXES, routes

from .site import USER, Site, flow, open_site
from .test_operations import APPROVAL, started

ANYTHING: Final[Any] = None
TABLE: Final = [
    route
    for route in routes(ANYTHING, ANYTHING, ANYTHING)
    if not route.path.endswith("/follow") and route.prefixes == PREFIXES
]
NAMES: Final = {
    "long": "x" * 20_000,
    "nul": "a%00b",
    "no-utf-8": "%ff%fe",
    "surrogate": "%ed%a0%80",
    "broken-percent": "%zz%",
    "the-journals-own": "system",
    "dots": "%2e%2e",
    "quotes": "%22%27%3b--",
    "newline": "a%0d%0aSet-Cookie:%20x=y",
}
"""What stands where a route's path has a parameter, percent-encoded."""
BODIES: Final = {
    "nul": b'{"inputs": {"a\\u0000": "\\u0000"}, "labels": {"\\u0000": "\\u0000"}, "text": "\\u0000"}',
    "surrogate": b'{"inputs": {"amount": "\\ud800"}, "labels": {"a": "\\udfff"}, "text": "\\ud800"}',
    "no-utf-8": b'{"inputs": {"a": "\xff"}}',
    "deep": b"[" * 200_000,
    "deep-object": b'{"inputs": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "huge-number": b'{"inputs": {"amount": 1' + b"0" * 5_000 + b'}, "revision": 99999999999999999999999}',
    "not-a-number": b'{"inputs": {"amount": NaN}}',
    "half": b'{"inputs": ',
    "list": b'["system", "\\ud800", "\\u0000"]',
    "byte-order-mark": b"\xef\xbb\xbf{}",
}
QUERIES: Final = (
    "page=1&page=2", "page=99999999999999999999", "page=-1", "size=1e3", "page=%ff", "page=%00", "nobody=1",
    "q=%00", "q=%ed%a0%80", "q=%ff", "labels=a", "labels=%00:%00", "sort=x", "startDate=yesterday", "at=1.0",
    "startDate=0001-01-01T00:00:00%2B23:59", "endDate=9999-12-31T23:59:59-23:59", "filters[x][EQUALS]=1",
    "filters[namespace][EQUALS]=%00", "minLevel=LOUD", "revision=99999999999999999999", "revision=-1", "%ff=%00",
    "at=-1", "entry=99999999999999999999999", "id=%00&id=%ff", "=", "&&&", "page=%D9%A1",
)  # fmt: skip


async def told(site: Site, method: str, path: str, query: str = "", **more: Any) -> int:
    """Send bytes as they are; checks the answer's form and returns its status."""
    basic = base64.b64encode(":".join(USER).encode()).decode()
    body: bytes = more.get("body", b"")
    kind = more.get("kind", "application/json")
    lines = [
        f"{method} {path}{'?' if query else ''}{query} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Authorization: Basic {basic}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
    ]
    answer = await site.raw("\r\n".join([*lines, "", ""]).encode() + body)
    head, _, content = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert status < 500, (method, path[:200], query, body[:80], content[:300])
    assert b"set-cookie" not in head.lower()
    if status >= 400:
        assert b"application/problem+json" in head, (method, path[:200], query, head)
        problem = msgspec.json.decode(content)
        assert problem["status"] == status
        assert len(problem["detail"]) > 10, (method, path[:200], problem)
    elif b"application/json" in head and content:
        msgspec.json.decode(content)
    return status


def paths(filling: str) -> Iterator[tuple[str, str]]:
    """Every route with something for its parameters."""
    for route in TABLE:
        parts = [filling if part.startswith("<") else part for part in route.path.split("/")]
        yield route.method, PREFIXES[0] + "/".join(parts)


@pytest.mark.parametrize("name", NAMES)
async def test_strange_names_are_answered(tmp_path: Path, name: str) -> None:
    """
    Ids that are too long, broken, no UTF-8, no text or somebody else's: a problem with a detail on every route.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for method, path in paths(NAMES[name]):
            await told(site, method, path)


@pytest.mark.parametrize("name", BODIES)
async def test_strange_bodies_are_answered(tmp_path: Path, name: str) -> None:
    """
    Bodies that are no JSON, no text, too deep or too large a number: refused with a detail, or taken.
    """
    async with open_site(tmp_path, {"approval": APPROVAL}) as site:
        execution = await started(site)
        known = {
            "execution_id": execution,
            "namespace": "io.tests",
            "flow_id": "approval",
            "flow": "approval",
        }
        for route in (one for one in TABLE if one.body):
            path = PREFIXES[0] + "/".join(
                known.get(part.strip("<>"), "x") if part.startswith("<") else part
                for part in route.path.split("/")
            )
            for kind in route.body:
                kind = "multipart/form-data; boundary=x" if kind.startswith("multipart") else kind
                await told(site, route.method, path, body=BODIES[name], kind=kind)
        shown = await site.client.get(f"{PREFIXES[0]}/executions/{execution}", auth=USER)
        assert shown.json()["id"] == execution


async def test_strange_queries_are_answered(tmp_path: Path) -> None:
    """
    Parameters that are unknown, repeated, out of range or no text: refused with the parameter's name, or taken.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        (execution,) = {(await site.call("f")).json()["id"]}
        for path in ("executions/search", "flows/search", "logs/search", "triggers/search", "executions",
                     f"executions/{execution}/state", f"executions/{execution}/receipt", f"logs/{execution}",
                     "flows/io.tests/f", "triggers/io.tests/f/webhook/deliveries"):  # fmt: skip
            for query in QUERIES:
                await told(site, "GET", f"{PREFIXES[0]}/{path}", query)


async def test_a_wrong_parameter_is_named(tmp_path: Path) -> None:
    """
    The answer says which parameter is wrong, what it may be, and which name was probably meant.
    """
    cases = {
        "pge=2": "did you mean `page`",
        "page=x": "`page=x` is not right: expected `int`",
        "size=101": "`size=101` is not right: expected `int` <= 100",
        "page=1&page=2": "`page` may be given once",
        "state=GONE": "`state=GONE` is not right",
        "filters[stat][EQUALS]=FAILED": "filters[state][EQUALS]",
        "labels=ticket": "`labels=ticket` is not right",
    }
    async with open_site(tmp_path) as site:
        for query, words in cases.items():
            answer = await site.client.get(f"{PREFIXES[0]}/executions/search?{query}", auth=USER)
            assert answer.status_code == 400, query
            assert words in answer.json()["detail"], answer.json()
