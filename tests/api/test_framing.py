"""What counts as a request: raw bytes on loopback that two parsers may read differently, or for another protocol."""

import os
from pathlib import Path

import httpx
import pytest
import trio

from hookledger.journal.events import TriggerReceived

from .site import HOOK, USER, Site, flow, open_site

TARGET = f"{HOOK}/io.tests/f/a-secret-key"
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n"
CLOSE = b"Connection: close\r\n\r\n"
CHUNKED = f"POST {TARGET} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n".encode() + CLOSE

REFUSED = {
    "bare LF": (b"GET /ping HTTP/1.1\nHost: x\n\n", 400),
    "bare LF behind one line": (b"GET /ping HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400),
    "LF before the end": (b"GET /ping HTTP/1.1\r\nHost: x\r\n\n", 400),
    "bare CR in a value": (PING + b"X: a\rb\r\n\r\n", 400),
    "CR CR LF": (PING + b"X: a\r\r\n\r\n", 400),
    "NUL": (PING + b"X: a\0b\r\n\r\n", 400),
    "obs-fold": (PING + b"X: a\r\n b\r\n\r\n", 400),
    "obs-fold by tab": (PING + b"X: a\r\n\tb\r\n\r\n", 400),
    "folded Transfer-Encoding": (PING + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    "whitespace before the first header": (b"GET /ping HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    "whitespace before the colon": (b"GET /ping HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "no colon": (PING + b"nonsense\r\n\r\n", 400),
    "list of lengths": (PING + b"Content-Length: 2, 2\r\n\r\nab", 400),
    "two equal lengths": (PING + b"Content-Length: 2\r\ncontent-length: 2\r\n\r\nab", 400),
    "two lengths": (PING + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 400),
    "signed length": (PING + b"Content-Length: +2\r\n\r\nab", 400),
    "length in hex": (PING + b"Content-Length: 0x2\r\n\r\nab", 400),
    "length without end": (PING + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", 400),
    "length and chunks": (PING + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "gzip and chunked": (PING + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked twice": (PING + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501),
    "two Transfer-Encodings": (
        PING + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501,
    ),
    "identity": (PING + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "chunks in HTTP/1.0": (
        b"GET /ping HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
    ),
    "HTTP/9.9": (b"GET /ping HTTP/9.9\r\nHost: x\r\n\r\n", 505),
    "HTTP/2.0": (b"GET /ping HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /ping HTTP/0.9\r\nHost: x\r\n\r\n", 505),
    "HTTP/1.10": (b"GET /ping HTTP/1.10\r\nHost: x\r\n\r\n", 400),
    "http/1.1": (b"GET /ping http/1.1\r\nHost: x\r\n\r\n", 400),
    "no version": (b"GET /ping\r\nHost: x\r\n\r\n", 400),
    "two spaces": (b"GET  /ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "no Host": (b"GET /ping HTTP/1.1\r\n\r\n", 400),
    "no Host in HTTP/1.2": (b"GET /ping HTTP/1.2\r\n\r\n", 400),
    "two Hosts": (PING + b"Host: x\r\n\r\n", 400),
    "Host with a path": (b"GET /ping HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
    "Host with user": (b"GET /ping HTTP/1.1\r\nHost: u@x\r\n\r\n", 400),
    "two hosts in one": (b"GET /ping HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
    "two empty lines first": (b"\r\n\r\n" + PING + b"\r\n", 400),
    "an empty line by LF first": (b"\n" + PING + b"\r\n", 400),
    "CONNECT": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 501),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 505),
    "chunk size without end": (CHUNKED + b"FFFFFFFFFFFFFFFFFF\r\nab\r\n0\r\n\r\n", 400),
    "signed chunk size": (CHUNKED + b"+2\r\nab\r\n0\r\n\r\n", 400),
    "chunk size as 0x2": (CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n", 400),
    "space behind a chunk size": (CHUNKED + b"2 \r\nab\r\n0\r\n\r\n", 400),
    "no chunk size": (CHUNKED + b"\r\nab\r\n0\r\n\r\n", 400),
    "chunk size by LF": (CHUNKED + b"2\nab\r\n0\r\n\r\n\r\n\r\n", 400),
    "LF in a chunk extension": (CHUNKED + b"2;a\nb\r\nab\r\n0\r\n\r\n", 400),
    "CR in a chunk extension": (CHUNKED + b"2;a\rb\r\nab\r\n0\r\n\r\n", 400),
    "chunk longer than its size": (CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", 400),
    "much extension, little body": (CHUNKED + (b"1;" + b"x" * 8000 + b"\r\na\r\n") * 4 + b"0\r\n\r\n", 400),
    "bare LF in trailers": (CHUNKED + b"0\r\nX: y\n\r\n\r\n", 400),
    "obs-fold in trailers": (CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n", 400),
}  # fmt: skip
TAKEN = {
    "one empty line first": b"\r\n" + PING + CLOSE,
    "HTTP/1.0": b"GET /ping HTTP/1.0\r\n\r\n",
    "HTTP/1.2 is read as 1.1": b"GET /ping HTTP/1.2\r\nHost: x\r\n" + CLOSE,
    "empty Host": b"GET /ping HTTP/1.1\r\nHost:\r\n" + CLOSE,
    "Host with a port": b"GET /ping HTTP/1.1\r\nHost: [::1]:8080\r\n" + CLOSE,
    "chunks": CHUNKED + b"2\r\nab\r\n0\r\n\r\n",
    "a chunk's signature": CHUNKED + b"2;chunk-signature=" + b"a" * 64 + b"\r\nab\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"2\r\nab\r\n0\r\nX: y\r\n\r\n",
    "more behind the last request": PING + CLOSE + b"\r\nGET /ping HTTP/1.1\r\n\r\n",
    "h2c is not gone over to": PING + b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "nor anything else": PING + b"Connection: Upgrade, close\r\nUpgrade: TLS/1.0, foo/2\r\n\r\n",
}


async def test_what_two_parsers_may_read_differently_is_refused(tmp_path: Path) -> None:
    """
    RFC 9112: such a head or chunk gets 400, 501 or 505 as a problem document, starts nothing, and is closed.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        answers = {name: await site.raw(sent) for name, (sent, _) in REFUSED.items()}
        assert site.executions() == set()
    got = {name: int(answer[9:12] or 0) for name, answer in answers.items()}
    assert got == {name: status for name, (_, status) in REFUSED.items()}
    for name, answer in answers.items():
        assert b"application/problem+json" in answer, name
        assert answer.count(b"HTTP/1.1 ") == 1, name
        assert b"connection: close" in answer.lower(), name


async def test_what_the_standard_allows_is_taken(tmp_path: Path) -> None:
    """
    One empty line before a request, chunk extensions, trailers, later minor versions: 200, once each.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        answers = {name: await site.raw(sent) for name, sent in TAKEN.items()}
    for name, answer in answers.items():
        assert answer.startswith(b"HTTP/1.1 200 "), (name, answer)
        assert answer.count(b"HTTP/1.1 ") == 1, name


async def test_an_empty_line_between_requests_is_no_fault(tmp_path: Path) -> None:
    """
    Old clients put CRLF behind a body: the next request on the connection is answered, however the bytes are cut.
    """
    post = f"POST {TARGET} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab\r\n".encode()
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        together = await site.raw(post + post + PING + CLOSE)
        assert together.count(b"HTTP/1.1 200 ") == 3
        async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
            answers = b""
            for part in (post[:-1], post[-1:] + post[:-2], b"\r", b"\n", PING + CLOSE):
                await stream.send_all(part)
                await trio.lowlevel.checkpoint()
            with trio.fail_after(10):
                async for more in stream:
                    answers += more
        assert answers.count(b"HTTP/1.1 200 ") == 3, answers


def websocket(path: str, method: str = "GET") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(
    "path", ["/", TARGET, "/ui/main/", "/x%0aCRITICAL%20hookledger.audit:%20forged%1b[31m"]
)
async def test_there_are_no_websockets(
    tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """
    A WebSocket handshake gets 404 on any path and starts nothing; nothing of it is written to a log.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        answer = await site.raw(websocket(path) + b"\x81\x85\0\0\0\0hello")
        broken = await site.raw(websocket(path).replace(b"Sec-WebSocket-Key", b"X"))
        assert site.executions() == set()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert broken[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 404")
    assert caplog.records == []
    assert capfd.readouterr().err == ""


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    "head",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\4\0\0\0\0\0\0\4\0\0\0\0",
        PING + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAQAAAAA\r\n\r\n",
        websocket("/ping"),
    ],
    ids=["preface", "h2c", "websocket"],
)
async def test_connections_that_ask_for_another_protocol_are_let_go(tmp_path: Path, head: bytes) -> None:
    """
    Who asks for HTTP/2 or WebSockets and goes leaves no descriptor behind, and the server can stop.
    """
    async with open_site(tmp_path) as site:
        assert (await site.client.get("/ping")).status_code == 200
        before = descriptors()
        for _ in range(50):
            async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
                await stream.send_all(head)
                assert b" 101 " not in await stream.receive_some(1000)
        await site.until(lambda: descriptors() <= before + 2)


async def test_behind_a_trusted_proxy_the_tunnel_is_no_way_in(tmp_path: Path) -> None:
    """
    A proxy that hands `Upgrade: h2c` on gets an HTTP/1.1 answer, so nothing its clients send reaches us unseen by it.
    """
    limited = "    allowedIps: [10.1.0.0/16]\n"
    async with open_site(
        tmp_path, {"f": flow("f", trigger=limited)}, server__trustedProxies=["127.0.0.0/8"]
    ) as site:
        answer = await site.raw(
            f"GET {TARGET} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n"
            "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
            "HTTP2-Settings: AAMAAABk\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert site.executions() == set()


EARLY = [
    ("POST", "/api/v1/main/executions/io.tests/f", 401, None),
    ("POST", "/api/v1/main/nowhere", 401, None),
    ("POST", "/api/v1/main/nowhere", 404, USER),
    ("PATCH", "/api/v1/main/flows/search", 405, USER),
    ("POST", "/nowhere", 404, None),
    ("PUT", "/api/v1/main/flows/io.tests/f?nonsense=1", 400, USER),
    ("DELETE", "/api/v1/main/flows/io.tests/none", 404, USER),
    ("PUT", "/api/v1/main/executions/none/labels", 405, USER),
    ("POST", f"{HOOK}/io.tests/f/wrong", 404, None),
    ("PATCH", f"{HOOK}/io.tests/f/a-secret-key", 405, None),
    ("POST", f"{HOOK}/io.tests/b/a-secret-key", 401, None),
]


async def two_packets(site: Site, stream: trio.SocketStream, head: bytes, body: bytes) -> bytes:
    """Send the head, wait for the whole answer, then send the body: what a client's library may well do."""
    await stream.send_all(head)
    answer = b""
    with trio.move_on_after(10) as patience:
        while b"\r\n\r\n" not in answer:
            more = await stream.receive_some()
            assert more, f"cut without an answer: {head!r}"
            answer += more
        fields = answer.partition(b"\r\n\r\n")
        length = int(fields[0].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        left = length - len(fields[2])
        while left > 0:
            left -= len(await stream.receive_some())
    assert not patience.cancelled_caught, f"no answer: {head!r}"
    await stream.send_all(body)
    return answer


async def test_a_refusal_keeps_the_connection(tmp_path: Path) -> None:
    """
    Head and body in two packets, refused before the body is read: the answer comes at once and the connection goes on.
    """
    basic = "    authentication: [{type: BASIC, username: u, password: pass-word}]\n"
    flows = {"f": flow("f"), "b": flow("b", trigger=basic)}
    async with open_site(tmp_path, flows) as site:
        async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
            for method, path, status, user in EARLY:
                who = "" if user is None else _basic(*user)
                head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{who}Content-Length: 5\r\n\r\n".encode()
                answer = await two_packets(site, stream, head, b"hello")
                assert answer.startswith(b"HTTP/1.1 %d " % status), (method, path, answer)
                assert b"connection: close" not in answer.lower()
            await stream.send_all(PING + CLOSE)
            last = b"".join([more async for more in stream])
            assert last.startswith(b"HTTP/1.1 200 ")
        assert site.executions() == set()


def _basic(name: str, password: str) -> str:
    encoded = httpx.BasicAuth(name, password)._auth_header
    return f"Authorization: {encoded}\r\n"


@pytest.mark.parametrize(
    "more",
    [
        "Content-Length: 20000000\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\nContent-Length: 20000000\r\n",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/main/executions/io.tests/f", f"{HOOK}/io.tests/f/wrong"])
async def test_a_refusal_that_closes_says_so(tmp_path: Path, path: str, more: str) -> None:
    """
    Where the rest of a body is long, or nobody knows how long, the answer says `Connection: close`; a sender that is
    still sending comes to read it.
    """
    async with (
        open_site(tmp_path, {"f": flow("f")}) as site,
        await trio.open_tcp_stream("127.0.0.1", site.port) as stream,
    ):
        await stream.send_all(f"POST {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
        if "Expect" not in more:
            chunk = b"x" * 1_000_000
            for _ in range(5):
                await stream.send_all(b"%x\r\n%b\r\n" % (len(chunk), chunk) if "chunked" in more else chunk)
        answer = b""
        with trio.fail_after(10):
            async for part in stream:
                answer += part
    assert answer[:12] in (b"HTTP/1.1 401", b"HTTP/1.1 404")
    assert b"connection: close" in answer.lower()


async def test_who_is_no_client_of_http_can_read_why(tmp_path: Path) -> None:
    """
    A refused head with megabytes behind it: they are dropped, and the 400 is read to its end.
    """
    async with open_site(tmp_path) as site, await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(b"POST / HTTP/1.1\nHost: x\n\n")
        for _ in range(30):
            await stream.send_all(b"x" * 100_000)
        await stream.send_eof()
        with trio.fail_after(10):
            answer = b"".join([part async for part in stream])
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"}")


async def test_options_tells_what_is_allowed(tmp_path: Path) -> None:
    """
    OPTIONS is 204 with `Allow` and starts nothing, whatever stands in the trigger; a preflight keeps its answer.
    """
    flows = {
        "f": flow("f"),
        "cors": flow("cors", trigger="    cors: {origins: ['https://app.example']}\n"),
        "basic": flow(
            "basic", trigger="    authentication: [{type: BASIC, username: u, password: pass-word}]\n"
        ),
        "post": flow("post", trigger="    methods: [POST]\n"),
        "deliver": flow("deliver", trigger="    cloudEvents: AUTO\n"),
    }
    async with open_site(tmp_path, flows) as site:
        for name in flows:
            told = await site.call(name, method="OPTIONS", content=b"x")
            allowed = "POST, OPTIONS" if name == "post" else "GET, POST, PUT, OPTIONS"
            assert (told.status_code, told.headers["allow"], told.content) == (204, allowed, b""), name
        asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        preflight = await site.call("cors", method="OPTIONS", headers=asked)
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        plain = await site.call("f", method="OPTIONS", headers={"WebHook-Request-Origin": "events.example"})
        assert plain.status_code == 204
        assert "webhook-allowed-origin" not in plain.headers
        assert site.executions() == set()


async def test_one_slash_behind_the_key_is_none_of_it(tmp_path: Path) -> None:
    """
    `.../key/` reaches the webhook, as in Kestra; two slashes, an encoded one or more behind it do not.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        answers = {tail: await site.call("f", tail=tail) for tail in ("/", "/?a=1", "//", "%2F", "/x", "/x/")}
        assert {tail: answer.status_code for tail, answer in answers.items()} == {
            "/": 200, "/?a=1": 200, "//": 404, "%2F": 404, "/x": 404, "/x/": 404,
        }  # fmt: skip
        (received,) = {event.path for one in site.executions() for event in site.events(one)[:1]
                       if isinstance(event, TriggerReceived)}  # fmt: skip
        assert "a-secret-key" not in received
