"""Rows of the black-box table about bodies: limits, compression, media types, schemas, CloudEvents, storage."""

import gzip
import hashlib
import hmac
import json
import resource
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hookledger.journal.events import HandshakeAnswered, TriggerReceived

from .house import HOOK, flow, open_house

MIB = 1024 * 1024


def rss_mib() -> float:
    """The most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def test_a_chunked_body_is_cut_at_the_limit(tmp_path: Path) -> None:
    """
    Row 43: a body without a declared size is refused at the chunk that crosses the limit, and gets its answer.
    """
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(256):
            sent += 65_536
            yield b"x" * 65_536

    async with open_house(tmp_path, flow("bodyLimit: 100KiB")) as house:
        response = await house.send(content=chunks())
        assert response.status_code == 413
        assert (await house.send(content=b"x" * 102_400)).status_code == 200
        assert (await house.send(content=b"x" * 102_401)).status_code == 413
        assert (await house.send("wrong", content=b"x" * 102_401)).status_code == 404


def gzip_of(size: int) -> bytes:
    """That many zero bytes, compressed."""
    machine = zlib.compressobj(9, wbits=31)
    parts = [machine.compress(bytes(MIB)) for _ in range(size // MIB)]
    return b"".join([*parts, machine.flush()])


async def test_a_gzip_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    """
    Row 44: 1 MiB that inflates to 1 GiB is 413, and memory grows by far less than the limit's multiple.
    """
    bomb = gzip_of(1024 * MIB)
    async with open_house(tmp_path, flow("")) as house:
        before = rss_mib()
        response = await house.send(content=bomb, headers={"Content-Encoding": "gzip"})
        assert response.status_code == 413
        assert rss_mib() - before < 64
        assert house.executions() == []


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_compressed_bodies_are_read(tmp_path: Path, coding: str) -> None:
    """
    The flow sees what the bytes decompress to; the digest is of the bytes as sent.
    """
    plain = json.dumps({"a": ["x"] * 1000}).encode()
    packed = gzip.compress(plain) if coding == "gzip" else zlib.compress(plain)
    async with open_house(tmp_path, flow("")) as house:
        response = await house.send(
            content=packed, headers={"Content-Encoding": coding, "Content-Type": "application/json"}
        )
        variables = response.json()["trigger"]["variables"]
        assert variables["body"] == json.loads(plain)
        assert variables["bodyDigest"] == hashlib.sha256(packed).hexdigest()
        assert (
            await house.send(content=packed[:-9], headers={"Content-Encoding": coding})
        ).status_code == 400
        assert (await house.send(content=plain, headers={"Content-Encoding": "br"})).status_code == 415


async def test_malformed_json(tmp_path: Path) -> None:
    """
    Row 46: without `strictJson` a malformed body stays text; with it the delivery is 400 and says where.
    """
    headers = {"Content-Type": "application/json"}
    async with open_house(tmp_path, flow(""), flow("strictJson: true", name="g")) as house:
        loose = await house.send(content=b'{"a":', headers=headers)
        assert loose.json()["trigger"]["variables"]["body"] == '{"a":'
        for body in (b'{"a":', b'{"a":1,"a":2}', b'{"a":NaN}'):
            strict = await house.send(flow="g", content=body, headers=headers)
            assert strict.status_code == 400
            assert "line 1" in strict.json()["detail"]
        assert (await house.send(flow="g", content=b"{}", headers=headers)).status_code == 200


async def test_media_types(tmp_path: Path) -> None:
    """
    Row 47: `accept` lists what is taken; another type is 415 and says what is.
    """
    async with open_house(tmp_path, flow("accept: [application/json]")) as house:
        refused = await house.send(content=b"<a/>", headers={"Content-Type": "text/xml"})
        assert (refused.status_code, refused.headers["accept"]) == (415, "application/json")
        assert (await house.send(json={})).status_code == 200


async def test_schemas(tmp_path: Path) -> None:
    """
    A body that does not fit is 422; where it does not fit is shown only to callers who proved who they are.
    """
    schema = "schema: {type: object, required: [id], properties: {id: {type: integer}}}"
    known = f"{schema}\nauthentication: [{{type: BEARER, token: token-token}}]"
    async with open_house(tmp_path, flow(schema), flow(known, name="g")) as house:
        assert (await house.send(json={"id": 1})).status_code == 200
        anonymous = await house.send(json={"id": "x"})
        assert anonymous.status_code == 422
        assert "errors" not in anonymous.json()
        named = await house.send(flow="g", json={"id": "x"}, headers={"Authorization": "Bearer token-token"})
        assert named.json()["errors"][0]["pointer"] == "/id"


async def test_cloudevents(tmp_path: Path) -> None:
    """
    Rows 31 and 32: structured and binary mode give the same `trigger.event`; one without `source` is 400; no
    `time` is invented.
    """
    event = {"specversion": "1.0", "id": "e1", "source": "/s", "type": "t", "data": {"a": 1}}
    binary = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "/s", "ce-type": "t"}
    async with open_house(tmp_path, flow("cloudEvents: AUTO")) as house:
        structured = await house.send(
            content=json.dumps(event).encode(), headers={"Content-Type": "application/cloudevents+json"}
        )
        first = structured.json()["trigger"]["variables"]["event"]
        second = (await house.send(json={"a": 1}, headers=binary)).json()["trigger"]["variables"]["event"]
        assert second.pop("datacontenttype") == "application/json"
        assert first == second == event
        del binary["ce-source"]
        assert (await house.send(json={}, headers=binary)).status_code == 400


async def test_the_cloudevents_handshake(tmp_path: Path) -> None:
    """
    OPTIONS with WebHook-Request-Origin: agreed for known origins, 405 for others; without it what is allowed is told.
    Nothing is started.
    """
    source = flow("handshake: [{type: CLOUDEVENTS, allowedOrigins: [events.example]}]")
    async with open_house(tmp_path, source) as house:
        agreed = await house.send(method="OPTIONS", headers={"WebHook-Request-Origin": "events.example"})
        assert (agreed.status_code, agreed.headers["webhook-allowed-origin"]) == (200, "events.example")
        other = await house.send(method="OPTIONS", headers={"WebHook-Request-Origin": "evil.example"})
        assert other.status_code == 405
        told = await house.send(method="OPTIONS")
        assert (told.status_code, told.headers["allow"]) == (204, "GET, POST, PUT, OPTIONS")
        assert house.executions() == []
        assert [event.handshake for event in house.events(HandshakeAnswered)] == ["CLOUDEVENTS"]


async def test_custom_handshakes_see_the_body(tmp_path: Path) -> None:
    """
    A handshake of the author's own: `when` decides, `body` is rendered and sent as plain text.
    """
    source = flow(
        "handshake:\n  - {type: CUSTOM, when: \"{{ (trigger.body.kind ?? '') == 'probe' }}\","
        ' body: "{{ trigger.body.token }}"}'
    )
    async with open_house(tmp_path, source) as house:
        answered = await house.send(json={"kind": "probe", "token": "<b>"})
        assert (answered.status_code, answered.text) == (200, "<b>")
        assert answered.headers["content-type"] == "text/plain; charset=utf-8"
        assert (await house.send(json={"kind": "event"})).status_code == 200
        assert len(house.executions()) == 1


async def test_stored_bodies(tmp_path: Path) -> None:
    """
    Row 50: `fetchType: STORE` keeps 50 MiB, signed, in a file, named by `trigger.uri`, in bounded memory; with another
    signature nothing is kept.
    """
    size = 50 * MIB
    piece = bytes(range(256)) * 256
    machine = hmac.new(b"s", digestmod=hashlib.sha256)
    for _ in range(size // len(piece)):
        machine.update(piece)
    signed = {"X-Hub-Signature-256": f"sha256={machine.hexdigest()}"}

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // len(piece)):
            yield piece

    source = flow("fetchType: STORE\nsignature: {preset: GITHUB, secret: s, methods: [POST]}")
    async with open_house(tmp_path, source) as house:
        before = rss_mib()
        response = await house.send(content=chunks(), headers=signed)
        assert response.status_code == 200, response.text
        assert rss_mib() - before < 40
        variables = response.json()["trigger"]["variables"]
        assert "body" not in variables
        stored = house.data / "files" / variables["uri"].removeprefix("kestra:///")
        assert stored.stat().st_size == size
        with stored.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == variables["bodyDigest"]
        assert (await house.send(content=b"other", headers=signed)).status_code == 401
        assert [path for path in (house.data / "files").rglob("*") if path.is_file()] == [stored]
        empty = await house.send(method="GET")
        assert "uri" not in empty.json()["trigger"]["variables"]


async def test_dropped_bodies(tmp_path: Path) -> None:
    """
    `fetchType: NONE` reads the body and keeps its digest only.
    """
    async with open_house(tmp_path, flow("fetchType: NONE")) as house:
        variables = (await house.send(content=b"secret")).json()["trigger"]["variables"]
        assert variables["bodyDigest"] == hashlib.sha256(b"secret").hexdigest()
        assert not {"body", "uri"} & set(variables)
        assert house.events(TriggerReceived)[0].body == b""


async def test_refused_files_leave_nothing(tmp_path: Path) -> None:
    """
    A stored body or form whose condition is false is 204 and nothing of it stays in the store.
    """
    source = flow('fetchType: STORE\nwhen: "{{ false }}"')
    async with open_house(tmp_path, source) as house:
        assert (await house.send(content=b"x" * 1000)).status_code == 204
        assert (await house.send(files={"a": b"content"})).status_code == 204
        assert not [path for path in (house.data / "files").rglob("*") if path.is_file()]


async def test_same_named_files_stay_apart(tmp_path: Path) -> None:
    """
    Two files of one name in a form have two URIs with their own contents, in order.
    """
    async with open_house(tmp_path, flow("")) as house:
        files = [("doc", ("a.txt", b"one")), ("doc", ("a.txt", b"two"))]
        parts = (await house.send(files=files)).json()["trigger"]["variables"]["parts"]
        stored = [house.data / "files" / part["uri"].removeprefix("kestra:///") for part in parts]
        assert [path.read_bytes() for path in stored] == [b"one", b"two"]


async def test_raw_and_redacted(tmp_path: Path) -> None:
    """
    `rawBody` gives the bytes as base64; `redact` replaces what its pointers and names say before anything is written.
    """
    source = flow("rawBody: true\nredact: {pointers: [/card/number], headers: [X-Token], parameters: [sig]}")
    async with open_house(tmp_path, source) as house:
        body = {"card": {"number": "4111-1111", "name": "A"}}
        response = await house.send(json=body, headers={"X-Token": "to-ken"}, tail="?sig=s1g-s1g&a=1")
        variables = response.json()["trigger"]["variables"]
        assert variables["body"] == {"card": {"number": "[redacted]", "name": "A"}}
        assert variables["parameters"] == {"sig": ["[redacted]"], "a": ["1"]}
        assert variables["rawBody"]
        for secret in (b"4111-1111", b"to-ken", b"s1g-s1g"):
            assert secret not in house.on_disk()


async def test_traceparent(tmp_path: Path) -> None:
    """
    Row 65: a valid traceparent is carried through; all zeros and nonsense are ignored.
    """
    valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with open_house(tmp_path, flow("")) as house:
        for given in (valid, f"00-{'0' * 32}-00f067aa0ba902b7-01", "nonsense"):
            variables = (await house.send(headers={"traceparent": given})).json()["trigger"]["variables"]
            assert variables.get("traceparent") == (valid if given == valid else None)


async def test_a_silent_sender_is_cut_off(tmp_path: Path) -> None:
    """
    A slow loris: whoever stops in the middle of the body gets 408 after `server.idleTimeout` and is closed.
    """
    head = f"POST {HOOK}/t/f/k HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc".encode()
    async with open_house(tmp_path, flow(""), settings=[("server.idleTimeout", "PT0.2S")]) as house:
        with trio.fail_after(30):
            stream = await trio.open_tcp_stream("127.0.0.1", house.port)
            async with stream:
                await stream.send_all(head)
                answer = b"".join([chunk async for chunk in stream])
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert house.executions() == []
