"""What a webhook does not answer with an execution: 404, 405, 408, 409, 413, tenants; nothing is started."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio

from .site import HOOK, USER, flow, open_site

PROBLEM = "application/problem+json"


class Chunks:
    """A body of unknown length."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = list(chunks)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._chunks:
            raise StopAsyncIteration
        return self._chunks.pop(0)


def visible(response: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Everything a prober could compare, without what differs by nature."""
    moving = {"x-delivery-id", "date"}
    return (
        response.status_code,
        response.content,
        [(name, value) for name, value in response.headers.multi_items() if name not in moving],
    )


async def test_everything_unreachable_looks_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Wrong key, unknown flow or namespace, a key that cannot be rendered, a disabled flow or trigger without the
    right key, an extra path or two trailing slashes: one 404, byte for byte (rows 16, 17, 20 to 23, 28, 35).
    """
    monkeypatch.delenv("HOOKLEDGER_SECRET_GONE", raising=False)
    flows = {
        "f": flow("f"),
        "secret": flow("secret", key="{{ secret('GONE') }}"),
        "off": flow("off", more="disabled: true\n"),
        "half": flow("half", trigger="    disabled: true\n"),
        "bare": "id: bare\nnamespace: io.tests\ntasks:\n  - id: l\n    type: io.kestra.plugin.core.log.Log\n"
        "    message: x\n",
    }
    paths = [
        "io.tests/f/wrong", "io.tests/none/a-secret-key", "io.none/f/a-secret-key", "io.tests/secret/a-secret-key",
        "io.tests/secret/", "io.tests/off/wrong", "io.tests/half/wrong", "io.tests/bare/a-secret-key",
        "io.tests/f/a-secret-key//", "io.tests/f/a-secret-key/extra", "io.tests/f/a-secret-key/extra/path/segments",
        "io.tests/f", "io.tests/f/", "io.tests//a-secret-key", "io.tests/F/a-secret-key", "IO.tests/f/a-secret-key",
        "io.tests/f/A-secret-key", "io.tests/f/a-secret-key%2F", "io.tests%2Ff%2Fa-secret-key", "io.tests/f/%00",
        "io.tests/f/%FF", "io.tests/f/no webhook has this key", "x",
    ]  # fmt: skip
    async with open_site(tmp_path, flows) as site:
        answers = {
            (method, path, body): visible(await site.client.request(method, f"{HOOK}/{path}", content=body))
            for path in paths
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
            for body in (b"x", b"")
        }
        heads = [visible(await site.client.head(f"{HOOK}/{path}")) for path in paths]
        assert site.executions() == set()
        assert (await site.call("f")).status_code == 200
    first = answers["GET", paths[0], b"x"]
    assert first[0] == 404
    assert ("content-type", PROBLEM) in first[2]
    assert b"wrong" not in first[1]
    assert {row: answer for row, answer in answers.items() if answer != first} == {}
    assert [head for head in heads if head != heads[0]] == [], "HEAD is the same without its body"
    assert heads[0][0] == 404


async def test_other_methods_are_405_with_allow(tmp_path: Path) -> None:
    """
    HEAD, PATCH, DELETE and TRACE never start anything; without the right key they are the uniform 404.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for method in ("HEAD", "PATCH", "DELETE", "TRACE"):
            right, wrong = await site.call("f", method=method), await site.call("f", "wrong", method=method)
            assert (right.status_code, wrong.status_code) == (405, 404), method
            assert right.headers["allow"] == "GET, POST, PUT, OPTIONS"
            assert right.headers["content-type"] == PROBLEM
            assert (right.content == b"") == (method == "HEAD")
        assert site.executions() == set()


async def test_disabled_is_told_only_to_who_has_the_key(tmp_path: Path) -> None:
    """
    A disabled flow or trigger answers 409 to the right key (rows 28, 29).
    """
    flows = {
        "off": flow("off", more="disabled: true\n"),
        "half": flow("half", trigger="    disabled: true\n"),
    }
    async with open_site(tmp_path, flows) as site:
        for name in flows:
            response = await site.call(name)
            assert response.status_code == 409
            assert "disabled" in response.json()["detail"]
            assert (await site.call(name, "wrong")).status_code == 404
        assert site.executions() == set()


async def test_another_tenant_is_named_only_to_who_has_credentials(tmp_path: Path) -> None:
    """
    There is one tenant: 400 with credentials, otherwise there is nothing there (row 26).
    """
    path = HOOK.replace("main", "other") + "/io.tests/f/a-secret-key"
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        assert (await site.client.get(path)).status_code == 404
        assert (await site.client.get(path, auth=("tester", "wrong"))).status_code == 404
        response = await site.client.get(path, auth=USER)
        assert response.status_code == 400
        assert "`main`" in response.json()["detail"]
        assert (await site.client.get("/api/v1/main/nothing/here", auth=USER)).status_code == 404
        assert site.executions() == set()


async def test_a_body_over_the_limit_is_413(tmp_path: Path) -> None:
    """
    A body over `server.bodyLimit` is refused, declared or chunked; one of exactly the limit is taken (row 89).
    """

    async with open_site(tmp_path, {"f": flow("f")}, server__bodyLimit=1000) as site:
        assert (await site.call("f", method="POST", content=b"x" * 1000)).status_code == 200
        before = site.executions()
        for content in (b"x" * 1001, Chunks(b"x" * 1001)):
            response = await site.call("f", method="POST", content=content)
            assert response.status_code == 413
            assert response.headers["content-type"] == PROBLEM
            assert response.headers["connection"] == "close"
            assert response.headers["x-delivery-id"]
        assert (await site.call("f", "wrong", method="POST", content=b"x" * 1001)).status_code == 404
        head = f"POST {HOOK}/io.tests/f/a-secret-key HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\nx"
        assert (await site.raw(head.encode())).startswith(b"HTTP/1.1 413 ")
        assert site.executions() == before


async def test_a_silent_body_is_408(tmp_path: Path) -> None:
    """
    A sender who stays silent within the body for `server.idleTimeout` gets 408, and the connection is closed.
    """
    head = (
        f"POST {HOOK}/io.tests/f/a-secret-key HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc".encode()
    )
    async with open_site(tmp_path, {"f": flow("f")}, server__idleTimeout="PT0.1S") as site:
        answer = await site.raw(head)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert PROBLEM.encode() in answer
        assert b"connection: close" in answer.lower()
        assert site.executions() == set()


async def test_silent_headers_close_the_connection(tmp_path: Path) -> None:
    """
    After `server.idleTimeout` a connection that says nothing is closed, and headers that never end get 408.
    """
    async with open_site(tmp_path, {"f": flow("f")}, server__idleTimeout="PT1S") as site:
        assert await site.raw(b"") == b""
        assert (await site.raw(b"GET /health HTTP/1.1\r\nHost:")).startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_wants_to_close_is_closed(tmp_path: Path) -> None:
    """
    After the answer to a `Connection: close` or HTTP/1.0 request the server closes, so the client is not left waiting.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for path in (f"{HOOK}/io.tests/f/a-secret-key", f"{HOOK}/io.tests/f/wrong", "/health"):
            closing = await site.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            old = await site.raw(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            assert closing.startswith(b"HTTP/1.1 ")
            assert old.startswith(b"HTTP/1.")


async def test_every_error_is_a_problem_document(tmp_path: Path) -> None:
    """
    Whatever goes wrong is application/problem+json with type, title and status (RFC 9457).
    """
    requests = [
        ("GET", "/nothing", 404), ("GET", "/api/v1/main/nothing", 401), ("GET", "/api/v1/main/executions/search", 401),
        ("POST", "/health", 405), ("GET", f"{HOOK}/", 404), ("GET", "//", 404),
        ("DELETE", "/api/v1/main/executions/search", 405), ("GET", f"{HOOK}/io.tests/f/wrong", 404),
    ]  # fmt: skip
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for method, path, status in requests:
            response = await site.client.request(method, site.address + path)
            assert response.status_code == status, path
            assert response.headers["content-type"] == PROBLEM
            problem = response.json()
            assert problem["status"] == status
            assert problem["title"]
            assert problem["type"].startswith("urn:hookledger:problem:")
            assert status != 405 or response.headers["allow"]
