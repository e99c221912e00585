"""`http.Request`: answers as they are, compressed, broken and endless ones included."""

import base64
import gzip
import zlib
from typing import Any

import pytest
import trio

from hookledger.actors.http_client import HttpClient

from .asking import asked, head_of, refused
from .server import Connection, answer, answering, serving

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "media_type", "expected"),
    [
        (b"gr\xfcn", "text/plain; charset=ISO-8859-1", "grün"),
        ("grün".encode(), "text/plain", "grün"),
        ("\ufeffgrün".encode(), "application/json", "grün"),
        ("grün".encode("utf-16"), "text/plain; charset=utf-16", "grün"),
        (b"a", "text/plain; charset=rot13", "a"),
        (b"a", "text/plain; charset=idna", "a"),
        (b"a", "text/plain; charset=no-such", "a"),
        (b"<svg/>", "image/svg+xml", "<svg/>"),
        (b"gr\xfcn", "text/plain", None),
        (b"a\0b", "text/plain", None),
        (b"%PDF", "application/pdf", None),
        (b"\x89PNG", "image/png", None),
    ],
)
async def test_text_is_text_and_the_rest_base64(
    http: HttpClient, body: bytes, media_type: str, expected: str | None
) -> None:
    """
    A body is decoded by its charset, UTF-8 by default; what is no text stays lossless, in base64.
    """
    async with answering(answer(body, f"Content-Type: {media_type}")) as server:
        outputs = await asked(http, server.uri())
    if expected is None:
        assert base64.b64decode(outputs["body"]) == body
        assert outputs["bodyEncoding"] == "base64"
    else:
        assert (outputs["body"], outputs.get("bodyEncoding")) == (expected, None)
    assert outputs["size"] == len(body)


async def test_the_author_says_what_an_unnamed_charset_is(http: HttpClient) -> None:
    """
    `defaultCharset` is for answers that name none.
    """
    async with answering(answer(b"gr\xfcn", "Content-Type: text/plain")) as server:
        outputs = await asked(http, server.uri(), options={"defaultCharset": "ISO-8859-1"})
    assert outputs["body"] == "grün"


@pytest.mark.parametrize(
    ("coding", "squeeze"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_compressed_bodies(http: HttpClient, coding: str, squeeze: Any) -> None:
    """
    gzip and deflate are asked for and undone.
    """
    async with answering(answer(squeeze(b"hello" * 1000), f"Content-Encoding: {coding}")) as server:
        outputs = await asked(http, server.uri())
    assert (outputs["body"], outputs["size"]) == ("hello" * 1000, 5000)
    assert head_of(server.requests[0])["accept-encoding"] == "gzip, deflate"


async def test_chunked_bodies(http: HttpClient) -> None:
    """
    A chunked body is put together, and its connection is used again.
    """
    chunked = CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    async with answering(chunked, chunked) as server:
        for _ in range(2):
            assert (await asked(http, server.uri()))["body"] == "abcde"
    assert server.connections == 1


@pytest.mark.parametrize(
    "broken",
    [
        CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip at all",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello")[:-9],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nabc",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"",
    ],
    ids=["chunk", "no-end", "short", "length", "gzip", "cut-gzip", "coding", "ssh", "header", "silence"],
)
async def test_a_broken_answer_fails(http: HttpClient, broken: bytes) -> None:
    """
    What is no complete HTTP answer fails as BrokenAnswer, with nothing of the URI but its host.
    """

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(broken)

    async with serving(script) as server:
        failure = await refused(http, server.uri("/hush"))
    assert failure.kind == "BrokenAnswer"
    assert "hush" not in str(failure)


async def test_a_body_at_the_limit_passes_and_one_beyond_fails(http: HttpClient) -> None:
    """
    `maxContentLength` bounds the body; beyond it reading stops and what is known stays in the outputs.
    """
    async with answering(answer(b"12345"), answer(b"123456")) as server:
        options = {"maxContentLength": 5}
        assert (await asked(http, server.uri(), options=options))["size"] == 5
        failure = await refused(http, server.uri(), options=options)
    assert (failure.kind, failure.outputs["code"]) == ("TooLarge", 200)


async def test_an_endless_body_is_left(http: HttpClient) -> None:
    """
    A body without end is given up at the limit, and its connection is closed.
    """
    left = trio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                await connection.send(b"x" * 65_536)
        except trio.BrokenResourceError:
            left.set()

    async with serving(script) as server:
        failure = await refused(http, server.uri(), options={"maxContentLength": 200_000})
        with trio.fail_after(30):
            await left.wait()
    assert failure.kind == "TooLarge"


async def test_a_bomb_does_not_unfold(http: HttpClient) -> None:
    """
    The limit counts what comes out of decompression, and no more than that is ever produced.
    """
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with answering(answer(bomb, "Content-Encoding: gzip")) as server:
        assert (await refused(http, server.uri())).kind == "TooLarge"
