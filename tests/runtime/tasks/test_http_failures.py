"""`http.Request`: what cannot be sent, servers that cannot be reached, silence and cancellation."""

import json
from typing import Any

import msgspec
import pytest
import trio

from hookledger.actors.http_client import HttpClient
from hookledger.runtime.tasks.http import Request

from .asking import asked, head_of, refused
from .context import FakeContext, failure_of, made
from .server import Connection, answer, answering, serving


async def silent(connection: Connection) -> None:
    await connection.gone()


async def dripping(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await connection.send(b"x")
        await trio.sleep(0.02)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/relative",
        "file:///etc/passwd",
        "ftp://hush.example",
        "javascript:alert(1)",
        "http://",
        "http:///path",
        "http://a:99999/",
        "http://a:0/",
        "http://[::1",
        "http://a b/",
        "http://a/\r\nX: y",
        "http://a/{{x}}",
        "http://a\\@b/",
        "http://me:hush@a/",
        "http://\u2603\u0000.example/",
    ],
)
async def test_an_invalid_uri_fails_before_anything_is_sent(http: HttpClient, uri: str) -> None:
    """
    Only complete http and https URIs without credentials are used; the text does not repeat what may be secret.
    """
    failure = await refused(http, uri)
    assert failure.kind == "InvalidUri"
    assert "hush" not in str(failure)


@pytest.mark.parametrize(
    "properties",
    [
        {"headers": {"X": "hush\r\nY: z"}},
        {"headers": {"X": "hush\0"}},
        {"headers": {"X\r\nY": "z"}},
        {"headers": {"": "z"}},
        {"headers": {"Content-Length": "5"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"contentType": "a\r\nY: hush"},
        {"options": {"auth": {"type": "BEARER", "token": "hush\r\nY: z"}}},
        {"body": "a", "formData": {"b": "c"}},
        {"options": {"timeout": "5x"}},
        {"options": {"readTimeout": "PT0S"}},
    ],
    ids=str,
)
async def test_properties_that_cannot_be_sent_are_refused(
    http: HttpClient, properties: dict[str, Any]
) -> None:
    """
    Header injection, two bodies and times that are none fail before anything is sent; values are not repeated.
    """
    failure = await refused(http, "http://127.0.0.1:9/", **properties)
    assert failure.kind == "InvalidProperty"
    assert "hush" not in str(failure)


@pytest.mark.parametrize(
    "options",
    [
        {"proxy": {"address": "a", "port": 1}},
        {"ssl": {"insecureTrustAllCertificates": True}},
        {"maxContentLength": -1},
        {"auth": {"type": "DIGEST", "username": "a", "password": "b"}},
        {"surprise": 1},
    ],
    ids=str,
)
def test_options_that_are_not_supported_are_refused(options: dict[str, Any]) -> None:
    """
    An option we do not have is refused when the flow is read, instead of being passed over.
    """
    with pytest.raises(msgspec.ValidationError):
        made(Request, uri="http://a/", options=options)


async def test_a_refused_connection(http: HttpClient) -> None:
    """
    A port where nobody listens is ConnectFailed.
    """
    async with answering() as server:
        pass
    failure = await refused(http, server.uri("/hush"))
    assert failure.kind == "ConnectFailed"
    assert str(failure) == f"127.0.0.1:{server.port} refuses connections"


async def test_an_unknown_host(http: HttpClient) -> None:
    """
    A name without address is NameNotFound (`.invalid` never has one, RFC 6761).
    """
    failure = await refused(http, "http://nowhere.invalid/hush")
    assert (failure.kind, str(failure)) == ("NameNotFound", "nowhere.invalid is no known host name")


async def test_a_server_without_tls(http: HttpClient) -> None:
    """
    https to a server that speaks no TLS is TlsFailed.
    """

    async def script(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(script) as server:
        failure = await refused(http, server.uri("/hush").replace("http:", "https:"))
    assert failure.kind == "TlsFailed"
    assert "hush" not in str(failure)


async def test_a_silent_server(http: HttpClient) -> None:
    """
    `readTimeout` bounds the silence of the other side.
    """
    async with serving(silent) as server:
        failure = await refused(http, server.uri(), options={"readTimeout": "PT0.1S"})
    assert (failure.kind, failure.outputs) == ("Timeout", {})
    assert str(failure) == f"127.0.0.1:{server.port} was silent for 0.1 s (`options.readTimeout`)"


async def test_a_dripping_server(http: HttpClient) -> None:
    """
    `timeout` bounds the whole exchange, however busy it looks; what is known stays in the outputs.
    """
    async with serving(dripping) as server:
        failure = await refused(http, server.uri(), options={"timeout": "PT0.15S"})
    assert (failure.kind, failure.outputs["code"]) == ("Timeout", 200)
    assert "`options.timeout`" in str(failure)


async def test_a_handshake_that_never_comes(http: HttpClient) -> None:
    """
    `connectTimeout` covers the TLS handshake.
    """
    async with serving(silent) as server:
        uri = server.uri().replace("http:", "https:")
        failure = await refused(http, uri, options={"connectTimeout": "PT0.1S"})
    assert failure.kind == "Timeout"
    assert "`options.connectTimeout`" in str(failure)


async def test_the_newer_form_of_timeouts(http: HttpClient) -> None:
    """
    `timeout` may be a map with `connectTimeout` and `readIdleTimeout`.
    """
    async with serving(silent) as server:
        failure = await refused(http, server.uri(), options={"timeout": {"readIdleTimeout": "PT0.1S"}})
    assert failure.kind == "Timeout"


async def test_a_cancelled_attempt_lets_go(http: HttpClient) -> None:
    """
    Cancelling an attempt closes its connection; the client goes on working.
    """
    reached, left = trio.Event(), trio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        reached.set()
        await connection.gone()
        left.set()

    async with serving(script) as server, trio.open_nursery() as nursery:
        nursery.start_soon(made(Request, uri=server.uri()).run, FakeContext(http=http))
        await reached.wait()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True), trio.fail_after(30):
            await left.wait()
    async with answering(answer(b"fine")) as server:
        assert (await asked(http, server.uri()))["body"] == "fine"


async def test_nothing_passes_from_one_request_to_the_next(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Cookies are not kept, and proxy variables are not read.
    """
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with answering(answer(b"", "Set-Cookie: a=b; Path=/"), answer()) as server:
        await asked(http, server.uri())
        await asked(http, server.uri())
    assert "cookie" not in head_of(server.requests[1])


async def test_without_the_port_there_is_no_http() -> None:
    """
    An engine without outgoing HTTP says so.
    """
    assert (await failure_of(made(Request, uri="http://a/"))).kind == "NotAvailable"


async def test_outputs_are_plain_data(http: HttpClient) -> None:
    """
    Whatever a server sends, the outputs can be journaled as JSON.
    """
    raw = b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Length: 2\r\n\r\n\xff\xfe"
    async with answering(raw) as server:
        outputs = await asked(http, server.uri())
    assert json.loads(msgspec.json.encode(outputs)) == outputs
