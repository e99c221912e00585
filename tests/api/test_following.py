"""Following an execution: Kestra's events, only what is durable, and nothing left behind."""

import base64
import gc
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import trio
import trio.testing

from hookledger.actors.engine import Engine
from hookledger.api.rest.following import HEARTBEAT_SECONDS, states
from hookledger.journal.journal import Journal
from hookledger.journal.memory import MemoryStore
from hookledger.runtime.state import fold_all

from .site import USER, Site, flow, open_site
from .test_operations import API, APPROVAL, send, started

SECONDS_MAX: Final = 30


async def messages(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """The events of a stream: id and data."""
    name = ""
    async for line in response.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "id":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def follow(site: Site, execution: str) -> Any:
    """Open the stream."""
    return site.client.stream("GET", f"{API}/executions/{execution}/follow", auth=USER)


def histories(site: Site, execution: str) -> list[str]:
    """The states the journal durably knows."""
    events: list[Any] = site.events(execution)
    return [state for state, _ in fold_all(events).history]


async def test_an_execution_is_followed_to_its_end(tmp_path: Path) -> None:
    """
    The first event is `start`, then `progress` after each change, the last is `end`; each has the whole execution,
    and shows nothing the journal has not durably got.
    """
    seen: list[tuple[str, Any]] = []
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        with trio.fail_after(SECONDS_MAX):
            async with follow(site, execution) as response:
                assert response.status_code == 200
                assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
                async for name, data in messages(response):
                    known = histories(site, execution)
                    shown = [one["state"] for one in data["state"]["histories"]]
                    assert shown == known[: len(shown)]
                    if not seen:
                        body = {"inputs": {"verdict": "yes"}}
                        await send(site, "POST", f"/executions/{execution}/actions/resume", body)
                    seen.append((name, data))
        shown = (await send(site, "GET", f"/executions/{execution}")).json()
    names = [name for name, _ in seen]
    assert names == ["start", *["progress"] * (len(names) - 2), "end"]
    assert len(names) >= 3
    assert seen[0][1]["state"]["current"] == "PAUSED"
    assert seen[-1][1] == shown
    assert shown["state"]["current"] == "SUCCESS"


async def test_a_list_shows_when_an_execution_began_to_run(tmp_path: Path) -> None:
    """
    In lists `histories` has CREATED, RUNNING and the present state, each at its time.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        read = await send(site, "GET", "/executions/search")
        (listed,) = [one for one in read.json()["results"] if one["id"] == execution]
        whole = (await send(site, "GET", f"/executions/{execution}")).json()
    states = [one["state"] for one in listed["state"]["histories"]]
    assert states == ["CREATED", "RUNNING", "PAUSED"]
    assert listed["state"]["histories"][:2] == whole["state"]["histories"][:2]


async def test_one_that_has_ended_is_told_at_once(tmp_path: Path) -> None:
    """
    A finished execution is `start` and `end`; HEAD gets the headers alone.
    """
    async with open_site(tmp_path, {"f": flow("f", trigger="    wait: true\n")}) as site:
        await site.call("f")
        (execution,) = site.executions()
        with trio.fail_after(SECONDS_MAX):
            async with follow(site, execution) as response:
                seen = [message async for message in messages(response)]
            head = await send(site, "HEAD", f"/executions/{execution}/follow")
    assert [(name, data["id"]) for name, data in seen] == [("start", execution), ("end", execution)]
    assert (head.status_code, head.content) == (200, b"")


async def test_an_unknown_execution_is_not_followed(tmp_path: Path) -> None:
    """
    An id nobody has is 404 at once, and so is the journal's own stream.
    """
    async with open_site(tmp_path) as site:
        for name in ("nobody", "system"):
            answer = await send(site, "GET", f"/executions/{name}/follow")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_client_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    """
    When the connection is closed in the middle, the journal has no follower left, and the execution goes on.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        execution = await started(site)
        gc.collect()  # journals of other tests
        (journal,) = [one for one in gc.get_objects() if isinstance(one, Journal) and not one._closing]
        before = len(journal._followers)
        with trio.fail_after(SECONDS_MAX):
            async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
                basic = base64.b64encode(":".join(USER).encode()).decode()
                head = f"Host: localhost\r\nAuthorization: Basic {basic}\r\n\r\n"
                await stream.send_all(f"GET {API}/executions/{execution}/follow HTTP/1.1\r\n{head}".encode())
                answer = b""
                while b"id: start\ndata: " not in answer:
                    answer += await stream.receive_some()
                assert len(journal._followers) == before + 1
        await site.until(lambda: len(journal._followers) == before)
        resumed = await send(site, "POST", f"/executions/{execution}/actions/resume")
    assert resumed.status_code == 200


async def test_silence_is_broken_every_fifteen_seconds(autojump_clock: trio.testing.MockClock) -> None:
    """
    While nothing happens a comment keeps the connection alive.
    """
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(APPROVAL)
        execution = await engine.trigger("io.tests", "approval", inputs={"amount": 1})
        await trio.testing.wait_all_tasks_blocked()
        stream = states(engine, execution.id)
        assert (await anext(stream)).startswith(b"id: start\n")
        begun = trio.current_time()
        assert [await anext(stream) for _ in range(2)] == [b": still running\n\n"] * 2
        assert trio.current_time() - begun == 2 * HEARTBEAT_SECONDS
        followers = len(engine.journal._followers)
        await stream.aclose()
        assert len(engine.journal._followers) == followers - 1
