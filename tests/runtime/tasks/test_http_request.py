"""`http.Request`: what it sends, and what counts as success."""

import base64
from typing import Any

import pytest

from hookledger.actors.http_client import HttpClient
from hookledger.runtime.tasks.http import Request

from .asking import asked, body_of, head_of, refused
from .context import made
from .server import answer, answering


async def test_an_answer_becomes_outputs(http: HttpClient) -> None:
    """
    The outputs are uri, code, headers as lists under the names they were sent with, body and its size in bytes.
    """
    async with answering(answer("grün".encode(), "X-A: 1", "x-a: 2")) as server:
        outputs = await asked(http, server.uri("/p?q=1"))
    assert outputs == {
        "uri": server.uri("/p?q=1"),
        "code": 200,
        "headers": {"Content-Length": ["5"], "X-A": ["1", "2"]},
        "body": "grün",
        "size": 5,
    }


async def test_parameters_join_the_query(http: HttpClient) -> None:
    """
    `params` are encoded and appended to the query; lists repeat, nulls are left out, a fragment never leaves.
    """
    async with answering(answer()) as server:
        await asked(http, server.uri("/p?a=1#f"), params={"b": "x y&z", "c": [1, True], "d": None})
    assert server.requests[0].startswith(b"GET /p?a=1&b=x+y%26z&c=1&c=true HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("properties", "sent", "media_type"),
    [
        ({"body": "text"}, b"text", None),
        ({"body": "text", "contentType": "text/plain"}, b"text", "text/plain"),
        ({"body": {"n": 1, "l": [None]}}, b'{"n":1,"l":[null]}', "application/json"),
        (
            {"formData": {"a": "x y", "b": [1, 2], "c": None}},
            b"a=x+y&b=1&b=2",
            "application/x-www-form-urlencoded",
        ),
        ({}, b"", None),
    ],
    ids=["text", "typed", "json", "form", "nothing"],
)
async def test_bodies(http: HttpClient, properties: dict[str, Any], sent: bytes, media_type: str) -> None:
    """
    Text goes out as it is, plain data as JSON, a form URL-encoded; only known types are named.
    """
    async with answering(answer()) as server:
        await asked(http, server.uri(), method="POST", **properties)
    head = head_of(server.requests[0])
    assert body_of(server.requests[0]) == sent
    assert (head.get("content-type"), head["content-length"]) == (media_type, str(len(sent)))


async def test_a_multipart_form(http: HttpClient) -> None:
    """
    A form of type multipart/form-data has a part for each field and file, and names cannot break out of theirs.
    """
    form = {'a"\r\n': "1", "file": {"name": "x.txt", "content": "hello"}}
    async with answering(answer(), answer()) as server:
        for _ in range(2):
            await asked(http, server.uri(), method="POST", formData=form, contentType="multipart/form-data")
    first, second = server.requests
    assert body_of(first) == body_of(second)
    boundary = head_of(first)["content-type"].partition("boundary=")[2]
    parts = body_of(first).decode().split(f"--{boundary}")
    assert parts[1] == '\r\nContent-Disposition: form-data; name="a%22%0D%0A"\r\n\r\n1\r\n'
    assert 'name="file"; filename="x.txt"' in parts[2]
    assert parts[2].endswith("\r\n\r\nhello\r\n")
    assert parts[3] == "--\r\n"


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"type": "BASIC", "username": "me", "password": "pässword"}, b"me:p\xc3\xa4ssword"),
        ({"type": "BEARER", "token": "t0ken\n"}, None),
    ],
    ids=["basic", "bearer"],
)
async def test_credentials(http: HttpClient, auth: dict[str, str], expected: bytes | None) -> None:
    """
    BASIC and BEARER become the Authorization header.
    """
    async with answering(answer()) as server:
        await asked(http, server.uri(), options={"auth": auth})
    basic = f"Basic {base64.b64encode(expected or b'').decode()}"
    assert head_of(server.requests[0])["authorization"] == (basic if expected else "Bearer t0ken")


@pytest.mark.parametrize(
    ("method", "declared", "effect"),
    [
        ("GET", None, "read"),
        ("HEAD", None, "read"),
        ("OPTIONS", None, "read"),
        ("PUT", None, "idempotent"),
        ("DELETE", None, "idempotent"),
        ("POST", None, "write"),
        ("PATCH", None, "write"),
        ("POST", "read", "read"),
        ("POST", "idempotent", "idempotent"),
        ("GET", "write", "write"),
    ],
)
async def test_the_effect_follows_the_method_or_the_author(
    http: HttpClient, method: str, declared: str | None, effect: str
) -> None:
    """
    The method says what a request does unless the author does; what changes something carries the idempotency key.
    """
    more = {"effect": declared} if declared else {}
    assert made(Request, uri="http://a", method=method, **more).effect_of() == effect
    async with answering(answer()) as server:
        await asked(http, server.uri(), method=method, **more)
    key = head_of(server.requests[0]).get("idempotency-key")
    assert key == (None if effect == "read" else "exec1:task")


async def test_the_authors_headers_win(http: HttpClient) -> None:
    """
    A header the author gives, in any spelling, replaces ours; numbers become text.
    """
    given = {"idempotency-key": "mine", "USER-AGENT": "me", "accept-encoding": "identity", "X-N": 5}
    async with answering(answer()) as server:
        await asked(http, server.uri(), method="POST", headers=given)
    head = head_of(server.requests[0])
    assert (head["idempotency-key"], head["user-agent"], head["x-n"]) == ("mine", "me", "5")
    assert server.requests[0].lower().count(b"accept-encoding") == 1


@pytest.mark.parametrize(
    ("status", "options", "passes"),
    [
        ("204 No Content", {}, True),
        ("304 Not Modified", {}, True),
        ("404 Not Found", {}, False),
        ("500 Oh", {}, False),
        ("404 Not Found", {"allowFailed": True}, True),
        ("404 Not Found", {"allowedResponseCodes": [200, 404]}, True),
        ("201 Created", {"allowedResponseCodes": [200]}, False),
    ],
)
async def test_what_counts_as_success(
    http: HttpClient, status: str, options: dict[str, Any], passes: bool
) -> None:
    """
    2xx and 3xx pass; `allowFailed` lets all pass, `allowedResponseCodes` exactly those it names.
    """
    async with answering(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as server:
        if passes:
            assert (await asked(http, server.uri(), options=options))["code"] == int(status[:3])
        else:
            assert (await refused(http, server.uri(), options=options)).kind == "HttpStatus"


async def test_a_failed_answer_keeps_its_outputs_and_no_keys(http: HttpClient) -> None:
    """
    A failing status keeps the outputs; the text names method, host and status, never path or query.
    """
    async with answering(answer(b'{"why": 1}', status="503 x")) as server:
        failure = await refused(http, server.uri("/token-in-path?key=hush"), method="PUT")
    assert str(failure) == f"PUT 127.0.0.1:{server.port} answered 503 Service Unavailable"
    assert (failure.outputs["code"], failure.outputs["body"]) == (503, '{"why": 1}')


async def test_allow_failed_of_the_task(http: HttpClient) -> None:
    """
    `allowFailed` of the task itself is the same as in its options.
    """
    async with answering(answer(status="500 x")) as server:
        assert (await asked(http, server.uri(), allowFailed=True))["code"] == 500
