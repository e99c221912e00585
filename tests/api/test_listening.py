"""Connections as a stranger may treat them: asking first, dripping, not reading; raw bytes on loopback."""

import os
import resource
from pathlib import Path

import h11
import pytest
import trio

from hookledger.api import listening
from hookledger.api.listening import connections_allowed

from .site import HOOK, USER, Site, flow, open_site

SIGNED = "    signature: {preset: GITHUB, secret: s}\n"
BASIC = "    authentication: [{type: BASIC, username: u, password: pass-word}]\n"
INTERIM = b"HTTP/1.1 100 "


def asking(
    name: str, key: str = "a-secret-key", *, method: str = "POST", size: int = 5, more: str = ""
) -> bytes:
    """The head of a request whose sender waits to be told that the body may come."""
    return (
        f"{method} {HOOK}/io.tests/{name}/{key} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n"
        f"{more}Expect: 100-continue\r\n\r\n"
    ).encode()


async def head_of(stream: trio.SocketStream, end: bytes = b"\r\n\r\n") -> bytes:
    """What comes, up to the end of a head or of something else."""
    found = b""
    with trio.fail_after(30):
        while not found.endswith(end):
            more = await stream.receive_some()
            assert more, found
            found += more
    return found


async def asked(site: Site, head: bytes) -> bytes:
    """What comes back for a head alone, until the server closes or invites the body."""
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(head)
        return await head_of(stream)


async def test_a_body_is_invited_when_it_is_wanted(tmp_path: Path) -> None:
    """
    `Expect: 100-continue` gets its 100 once key, method, size and the head's credentials are right, and the answer
    after the body; the next request on the connection likewise.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
            for body in (b"hello", b"again"):
                await stream.send_all(asking("f"))
                assert await head_of(stream) == b"HTTP/1.1 100 \r\n\r\n"
                await stream.send_all(body)
                answer = await head_of(stream, b'"}}')
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert INTERIM not in answer
                assert b'"body":"' + body in answer
        assert len(site.executions()) == 2


async def test_a_refused_body_is_not_invited(tmp_path: Path) -> None:
    """
    Wrong key, wrong method, too large, no credentials, no signature: the refusal comes first, without the body.
    """
    flows = {"f": flow("f"), "s": flow("s", trigger=SIGNED), "b": flow("b", trigger=BASIC)}
    rows = [
        (asking("f", "wrong"), b"404"), (asking("f", method="PATCH"), b"405"), (asking("f", size=2000), b"413"),
        (asking("b"), b"401"), (asking("s"), b"401"), (asking("s", more="X-Hub-Signature-256: sha256=zz\r\n"), b"401"),
        (asking("b", more="Authorization: Basic dTpwYXNzLXdvcmQ=\r\n", size=2000), b"413"),
    ]  # fmt: skip
    async with open_site(tmp_path, flows, server__bodyLimit=1000) as site:
        for head, status in rows:
            answer = await site.raw(head)
            assert answer.startswith(b"HTTP/1.1 " + status), head
            assert INTERIM not in answer
        good = asking("b", more="Authorization: Basic dTpwYXNzLXdvcmQ=\r\n")
        assert (await asked(site, good)).startswith(INTERIM)
        signed = asking("s", more=f"X-Hub-Signature-256: sha256={'0' * 64}\r\n")
        assert (await asked(site, signed)).startswith(INTERIM), (
            "the signature is judged when the body is there"
        )
        assert site.executions() == set()


async def test_who_does_not_wait_is_not_invited(tmp_path: Path) -> None:
    """
    A body that came with its head needs no invitation, HTTP/1.0 knows none, and the API invites as it always did.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        at_once = asking("f", more="Connection: close\r\n") + b"hello"
        assert (await site.raw(at_once)).startswith(b"HTTP/1.1 200 ")
        old = asking("f").replace(b"HTTP/1.1", b"HTTP/1.0") + b"hello"
        assert (await site.raw(old)).startswith(b"HTTP/1.1 200 ")
        curl = await site.client.post(
            "/api/v1/main/flows/validate", content=b"id: x", auth=USER, headers={"Expect": "100-continue"}
        )
        assert curl.status_code in (200, 415, 422)


async def test_a_dripping_head_is_408(tmp_path: Path) -> None:
    """
    Slow loris: a head that grows byte by byte and never ends gets 408 within `server.idleTimeout`, and is closed.
    """
    async with open_site(tmp_path, {"f": flow("f")}, server__idleTimeout="PT1S") as site:
        with trio.fail_after(30):
            async with (
                await trio.open_tcp_stream("127.0.0.1", site.port) as stream,
                trio.open_nursery() as nursery,
            ):
                await stream.send_all(b"GET /health HTTP/1.1\r\nX-Drip: ")
                nursery.start_soon(drip, stream)
                answer = b"".join([chunk async for chunk in stream])
                nursery.cancel_scope.cancel()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer


async def drip(stream: trio.SocketStream) -> None:
    """A byte now and then, for as long as somebody takes them."""
    while True:
        await trio.sleep(0.05)
        try:
            await stream.send_all(b"x")
        except trio.BrokenResourceError:
            return


async def test_a_dripping_body_is_408(tmp_path: Path) -> None:
    """
    Slow loris: a body of a few bytes a second is never silent, and still gets 408; others are served meanwhile.
    """
    head = f"POST {HOOK}/io.tests/f/a-secret-key HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n".encode()
    async with open_site(tmp_path, {"f": flow("f")}, server__idleTimeout="PT0.5S") as site:
        with trio.fail_after(30):
            async with (
                await trio.open_tcp_stream("127.0.0.1", site.port) as stream,
                trio.open_nursery() as nursery,
            ):
                await stream.send_all(head)
                nursery.start_soon(drip, stream)
                assert (await site.call("f")).status_code == 200
                answer = b"".join([chunk async for chunk in stream])
                nursery.cancel_scope.cancel()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert len(site.executions()) == 1


@pytest.mark.parametrize("count", [60])
async def test_many_silent_connections_hold_up_nobody(tmp_path: Path, count: int) -> None:
    """
    Connections that say half a head each are all closed in time, and a delivery between them is answered.
    """
    ended: list[bytes] = []
    async with open_site(tmp_path, {"f": flow("f")}, server__idleTimeout="PT1S") as site:

        async def one() -> None:
            ended.append(await site.raw(b"POST / HTTP/1.1\r\nHo"))

        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(one)
            assert (await site.call("f")).status_code == 200
    assert {answer[:12] for answer in ended} == {b"HTTP/1.1 408"}
    assert len(ended) == count


async def test_what_is_no_request_is_a_problem_document(tmp_path: Path) -> None:
    """
    Bytes that are no HTTP, and heads that are too large, are refused as everything is.
    """
    async with open_site(tmp_path) as site:
        for sent, status in (
            (b"\x16\x03\x01\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, b"431"),
        ):
            answer = await site.raw(sent)
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert b"application/problem+json" in answer


async def test_a_closed_connection_is_let_go_at_once(tmp_path: Path) -> None:
    """
    Clients that close right behind their answer leave no descriptor behind, long before the idle timeout.
    """
    async with open_site(tmp_path) as site:
        await site.client.get("/ping")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(100):
            async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
                await stream.send_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
                await head_of(stream, b"pong")
        await site.until(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_connections_have_a_bound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    `server.connectionsMax`: of more idle connections than that the oldest leave, everybody else is served, and the log
    says so once.
    """
    async with open_site(tmp_path, {"f": flow("f")}, server__connectionsMax=10) as site:
        before = len(os.listdir("/proc/self/fd"))
        idle: list[trio.SocketStream] = []
        for _ in range(40):
            idle.append(await trio.open_tcp_stream("127.0.0.1", site.port))
            await idle[-1].send_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            await head_of(idle[-1], b"pong")
            assert (await site.call("f")).status_code == 200
        assert len(os.listdir("/proc/self/fd")) - before <= len(idle) + 12
        assert await idle[0].receive_some() == b""
        for stream in idle:
            await stream.aclose()
        assert (await site.call("f")).status_code == 200
    told = [record.message for record in caplog.records if "server.connectionsMax" in record.message]
    assert told == ["10 connections are open, which is the most there may be (server.connectionsMax): "
                    "idle ones are closed for new ones"]  # fmt: skip


async def test_a_new_connection_waits_where_all_have_requests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    No request that goes on is ended for a stranger's connection: it waits in the system's queue, and is served when one
    has ended.
    """
    monkeypatch.setattr(listening, "STALLED_SECONDS", 60.0)
    begun = f"POST {HOOK}/io.tests/f/a-secret-key HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na".encode()
    async with open_site(tmp_path, {"f": flow("f")}, server__connectionsMax=2) as site:
        busy = [await trio.open_tcp_stream("127.0.0.1", site.port) for _ in range(2)]
        for stream in busy:
            await stream.send_all(begun)
        async with await trio.open_tcp_stream("127.0.0.1", site.port) as late:
            await late.send_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            await site.until(lambda: "all have requests" in caplog.text)
            await busy[0].send_all(b"b")
            assert (await busy[0].receive_some()).startswith(b"HTTP/1.1 200 ")
            with trio.fail_after(10):
                await head_of(late, b"pong")
        await busy[1].send_all(b"b")
        assert (await busy[1].receive_some()).startswith(b"HTTP/1.1 200 ")
        for stream in busy:
            await stream.aclose()


OWED = {
    "none of its body": ("Content-Length: 100\r\n\r\n", False),
    "a byte of its body": ("Content-Length: 100\r\n\r\na", False),
    "an open chunk": ("Transfer-Encoding: chunked\r\n\r\n5\r\na", False),
    "an invited body": ("Content-Length: 100\r\nExpect: 100-continue\r\n\r\n", False),
    "bytes now and then": ("Content-Length: 9999\r\n\r\na", True),
}


@pytest.mark.parametrize(("begun", "drips"), OWED.values(), ids=OWED)
async def test_a_stalled_body_keeps_nobody_out(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    begun: str,
    drips: bool,
) -> None:
    """
    When all places are taken, requests whose body does not come get 408 and leave for others, and the log says so once.
    """
    monkeypatch.setattr(listening, "STALLED_SECONDS", 0.2)
    requests: list[bytes] = []
    create = listening.Http1._create_stream

    async def counted(http: listening.Http1, request: h11.Request) -> None:
        await create(http, request)
        requests.append(request.target)

    monkeypatch.setattr(listening.Http1, "_create_stream", counted)
    head = f"POST {HOOK}/io.tests/f/a-secret-key HTTP/1.1\r\nHost: x\r\n{begun}".encode()
    async with open_site(tmp_path, {"f": flow("f")}, server__connectionsMax=4) as site:
        held = [await trio.open_tcp_stream("127.0.0.1", site.port) for _ in range(4)]
        async with trio.open_nursery() as nursery:
            for stream in held:
                await stream.send_all(head)
            await site.until(lambda: len(requests) == len(held))
            for stream in held if drips else ():
                nursery.start_soon(drip, stream)
            with trio.fail_after(10):
                assert (await site.call("f")).status_code == 200
            nursery.cancel_scope.cancel()
        if not drips:  # the oldest was the first to leave
            assert b"HTTP/1.1 408 " in await head_of(held[0], b"}")
        for stream in held:
            await stream.aclose()
        assert len(site.executions()) == 1
    assert caplog.text.count("bodies do not come") == 1


async def test_a_stalled_body_is_waited_for_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A slow sender loses nothing as long as somebody else has a place.
    """
    monkeypatch.setattr(listening, "STALLED_SECONDS", 0.0)
    async with (
        open_site(tmp_path, {"f": flow("f")}, server__connectionsMax=3) as site,
        await trio.open_tcp_stream("127.0.0.1", site.port) as slow,
    ):
        await slow.send_all(asking("f"))
        assert await head_of(slow) == b"HTTP/1.1 100 \r\n\r\n"
        assert (await site.call("f")).status_code == 200
        await slow.send_all(b"hello")
        assert (await slow.receive_some()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("limit", "wanted", "allowed"),
    [
        (1024, 0, 768),
        (1024, 100, 100),
        (1024, 5000, 768),
        (256, 0, 192),
        (100, 0, 36),
        (1_000_000, 0, 10_000),
    ],
)
def test_descriptors_are_kept_back(
    limit: int, wanted: int, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A quarter of the descriptors, 64 to 512, is never a connection's.
    """
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert connections_allowed(wanted) == allowed


async def test_who_does_not_read_is_cut_off(tmp_path: Path) -> None:
    """
    A client that never takes its answer loses the connection after `server.idleTimeout`; the server can stop.
    """
    async with open_site(tmp_path, {"f": flow("f")}, server__idleTimeout="PT1S") as site:
        socket = trio.socket.socket()
        socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
        await socket.connect(("127.0.0.1", site.port))
        async with trio.SocketStream(socket) as stream:
            body = b"x" * 8_000_000
            head = f"POST {HOOK}/io.tests/f/a-secret-key HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            await stream.send_all(head.encode() + body)
            await site.until(lambda: len(site.executions()) == 1)
            with trio.fail_after(30):
                await drip(stream)


async def test_the_end_waits_for_nobody_who_does_not_read(tmp_path: Path) -> None:
    """
    The server ends although a client still has most of an answer to take.
    """
    with trio.fail_after(30):
        async with open_site(tmp_path, {"f": flow("f")}) as site:
            socket = trio.socket.socket()
            socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
            await socket.connect(("127.0.0.1", site.port))
            stream = trio.SocketStream(socket)
            body = b"x" * 8_000_000
            head = f"POST {HOOK}/io.tests/f/a-secret-key HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            await stream.send_all(head.encode() + body)
            await site.until(lambda: len(site.executions()) == 1)
    await stream.aclose()
