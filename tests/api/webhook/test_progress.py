"""Row 57: progress as server-sent events. Nothing is lost, repeated or left behind, however the reader behaves."""

import gc
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from hookledger.actors.engine import Engine
from hookledger.api.http import HttpRequest
from hookledger.api.webhook.handler import WebhookHandler, WebhookLimits
from hookledger.journal.journal import Journal
from hookledger.journal.memory import MemoryStore

from .house import HOOK, USER, House, flow, open_house
from .test_fuzz import chunks

STREAM = "wait: true\ndeduplication: {}\nresponse: {contentType: text/event-stream}"
PAUSE = (
    "  - {id: first, type: io.kestra.plugin.core.debug.Return, format: a}\n"
    "  - {id: stop, type: io.kestra.plugin.core.flow.Pause}\n"
    "  - {id: out, type: io.kestra.plugin.core.debug.Return, format: b}"
)
MANY = (
    "  - id: each\n    type: io.kestra.plugin.core.flow.ForEach\n    values: {values}\n    tasks:\n"
    "      - {{id: one, type: io.kestra.plugin.core.debug.Return, format: x}}"
)
KEY = {"Idempotency-Key": "one"}


def events(text: str) -> list[tuple[str, int, Any]]:
    """Name, id and data of each event of a stream; comments are left out."""
    found: list[tuple[str, int, Any]] = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
    return found


def followers() -> int:
    """How many there are of all journals of this process."""
    return sum(len(one._followers) for one in gc.get_objects() if isinstance(one, Journal))


async def resume(house: House) -> None:
    """Let the paused execution go on."""
    (execution,) = house.executions()
    answer = await house.client.post(f"/api/v1/main/executions/{execution}/actions/resume", auth=USER)
    assert answer.status_code == 200


def plain(answer: str) -> str:
    """An answer without its head and without the marks of its chunks."""
    return re.sub(r"(\r\n)?[0-9a-f]+\r\n", "", answer.partition("\r\n\r\n")[2]).strip()


@asynccontextmanager
async def reading(
    house: House, part: str, receive_bytes: int = 65_536
) -> AsyncGenerator[tuple[trio.SocketStream, str]]:
    """A connection on which a delivery was sent, and what came back up to and with some text."""
    socket = trio.socket.socket()
    socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_bytes)
    await socket.connect(("127.0.0.1", house.port))
    head = f"POST {HOOK}/t/f/k HTTP/1.1\r\nHost: x\r\nIdempotency-Key: one\r\nConnection: close\r\n\r\n"
    async with trio.SocketStream(socket) as stream:
        await stream.send_all(head.encode())
        taken = b""
        with trio.fail_after(30):
            while part.encode() not in taken:
                taken += await stream.receive_some()
        yield stream, taken.decode()


@pytest.mark.parametrize("seen", [0, 2, 99])
async def test_who_comes_back_misses_nothing(tmp_path: Path, seen: int) -> None:
    """
    A reader that lost its connection sends the delivery again with `Last-Event-ID` and gets exactly what follows.
    """
    async with open_house(tmp_path, flow(STREAM, tasks=PAUSE)) as house:
        url = f"{HOOK}/t/f/k"
        async with reading(house, "ExecutionPaused") as (_, taken):
            first = events(plain(taken))
        await resume(house)
        seen = min(seen, first[-1][1])
        again = await house.client.post(url, headers={**KEY, "Last-Event-ID": str(seen)})
        both = [event for event in first if event[1] <= seen] + events(again.text)
        names = [name for name, _, _ in both if name != "DuplicateDelivery"]
        assert names == [
            "TriggerReceived", "TaskStarted", "TaskReturned", "ExecutionPaused", "ExecutionResumed", "TaskStarted",
            "TaskReturned", "OutputsResolved", "end",
        ]  # fmt: skip
        numbers = [number for name, number, _ in both if name != "end"]
        assert numbers == list(range(len(numbers)))
        assert len(house.executions()) == 1


async def test_who_saw_all_but_the_end_is_told_of_it(tmp_path: Path) -> None:
    """
    The end is told again to a reader whose last event was the last one, or lies beyond it.
    """
    async with open_house(tmp_path, flow(STREAM)) as house:
        whole = events((await house.send(headers=KEY)).text)
        for last in (whole[-1][1], 999):
            with trio.fail_after(30):
                answer = await house.send(headers={**KEY, "Last-Event-ID": str(last)})
            assert [name for name, _, _ in events(answer.text) if name != "DuplicateDelivery"] == ["end"]


@pytest.mark.parametrize("given", ["", "-1", "abc", "1.5", "9" * 40])
async def test_an_id_that_is_none_is_ignored(tmp_path: Path, given: str) -> None:
    """
    A `Last-Event-ID` that no event of ours had begins the stream anew.
    """
    async with open_house(tmp_path, flow(STREAM)) as house:
        shown = events((await house.send(headers={"Last-Event-ID": given})).text)
        assert shown[0][:2] == ("TriggerReceived", 0)


async def test_silence_is_broken_every_fifteen_seconds(autojump_clock: trio.testing.MockClock) -> None:
    """
    While nothing happens a comment keeps the connection alive; the stream ends at the server's limit of waiting.
    """
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(flow(STREAM, tasks=PAUSE))
        handler = WebhookHandler(engine, WebhookLimits(body_bytes_max=100, wait_seconds_max=60))
        request = HttpRequest(method="POST", raw_path=f"{HOOK}/t/f/k", body=chunks(b""))
        stream = (await handler.handle(request)).stream
        assert stream is not None
        before = followers()
        heard = [(trio.current_time(), chunk) async for chunk in stream]
        beats = [at - heard[0][0] for at, chunk in heard if chunk == b": still running\n\n"]
        assert beats == pytest.approx([15, 30, 45, 60], abs=0.5)
        assert followers() == before


async def test_who_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    """
    When the reader's connection breaks, the journal has one follower less at once, and the execution goes on.
    """
    async with open_house(tmp_path, flow(STREAM, tasks=PAUSE)) as house:
        before = followers()
        async with reading(house, "ExecutionPaused"):
            assert followers() == before + 1
        with trio.fail_after(30):
            while followers() > before:  # noqa: ASYNC110
                await trio.sleep(0.005)
        await resume(house)
        assert "OutputsResolved" in (await house.send(headers=KEY)).text


async def test_who_reads_slowly_holds_up_nothing(tmp_path: Path) -> None:
    """
    An execution ends while its reader takes nothing; what the reader then takes is whole and in order.
    """
    source = flow(STREAM, tasks=MANY.format(values=list(range(300))))
    async with open_house(tmp_path, source) as house:
        async with reading(house, "HTTP/1.1 200", 8192) as (stream, begun):
            with trio.fail_after(30):
                while "OutputsResolved" not in house.names():  # noqa: ASYNC110
                    await trio.sleep(0.02)
                taken = begun + b"".join([chunk async for chunk in stream]).decode()
        numbers = [number for name, number, _ in events(plain(taken)) if name != "end"]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > 600
