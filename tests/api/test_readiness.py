"""Whether the server lives and whether it serves: before it is ready, with something damaged, and while it stops."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from hookledger.api.serve import CannotListen, serve
from hookledger.journal.sqlite import SqliteStore

from .site import USER, Site, configured, flow, open_site

PROBLEM = "application/problem+json"


async def test_ready_and_alive_are_two_things(tmp_path: Path) -> None:
    """
    A server with nothing to complain of is alive and ready.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        assert (await site.client.get("/health")).json() == {"status": "UP"}
        ready = await site.client.get("/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "READY", "troubles": []})


async def test_what_is_damaged_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    `/ready` is 503 and names executions in quarantine; `/health` is 200, and other executions run.
    """
    from hookledger.actors.engine import Engine

    damaged = {f"damaged-{number:03}": "payload erased" for number in range(150)}
    monkeypatch.setattr(Engine, "quarantined", property(lambda _: damaged))
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        ready = await site.client.get("/ready")
        (trouble,) = ready.json()["troubles"]
        assert (ready.status_code, trouble["code"], trouble["count"]) == (503, "quarantine", 150)
        assert trouble["executions"] == sorted(damaged)[:100]
        assert "erased" not in ready.text, "reasons are for those who may read the journal"
        assert (await site.client.get("/health")).status_code == 200
        assert (await site.call("f")).status_code == 200


class SlowStore(SqliteStore):
    """A journal that takes until `opened` to open."""

    begun: trio.Event
    opened: "trio.Event"

    def __init__(self, directory: Path) -> None:
        trio.from_thread.run_sync(self.begun.set)
        trio.from_thread.run(self.opened.wait)
        super().__init__(directory)


async def test_the_port_is_open_before_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While the journal is opened `/health` is 200, `/ready` says why it is not ready, and everything else, bodies and
    all, is 503 with `Retry-After` on a connection that can be used again.
    """
    monkeypatch.setattr("hookledger.api.readiness.HOLD_SECONDS", 0.05)
    SlowStore.begun, SlowStore.opened = trio.Event(), trio.Event()
    monkeypatch.setattr("hookledger.api.serve.SqliteStore", SlowStore)
    bound: list[str] = []
    real = serve.__globals__["_run_engine"]

    async def watched(config: Any, ports: Any, gate: Any, addresses: Any, *more: Any) -> None:
        bound.extend(addresses)
        await real(config, ports, gate, addresses, *more)

    monkeypatch.setitem(serve.__globals__, "_run_engine", watched)
    async with _starting(tmp_path, {"f": flow("f")}) as (site, shutdown):
        await SlowStore.begun.wait()
        async with httpx.AsyncClient(base_url=bound[0], trust_env=False) as client:
            assert (await client.get("/health")).json() == {"status": "UP"}
            ready = await client.get("/ready")
            assert (ready.status_code, ready.json()["troubles"][0]["code"]) == (503, "starting")
            for method, path in (
                ("GET", "/"),
                ("POST", "/api/v1/main/flows"),
                ("HEAD", "/ui/main/"),
                ("PUT", "/x"),
            ):
                early = await client.request(method, path, content=b"x" * 1000, auth=USER)
                assert (early.status_code, early.headers["content-type"]) == (503, PROBLEM), path
                assert int(early.headers["retry-after"]) > 0
                assert "connection" not in early.headers
            monkeypatch.setattr("hookledger.api.readiness.HOLD_SECONDS", 60)
            async with trio.open_nursery() as nursery:

                async def early_and_patient() -> None:
                    assert (await client.get("/api/v1/main/configs", auth=USER)).status_code == 200

                nursery.start_soon(early_and_patient)
                SlowStore.opened.set()
            await site.line("Ctrl-C stops it.")
            assert (await client.get("/ready")).status_code == 200
        shutdown.set()


@asynccontextmanager
async def _starting(
    directory: Path, flows: dict[str, str], **settings: Any
) -> AsyncGenerator[tuple[Site, trio.Event]]:
    """A server that may not be there yet."""
    folder = directory / "flows"
    folder.mkdir()
    for stem, source in flows.items():
        (folder / f"{stem}.yaml").write_text(source)
    shutdown = trio.Event()
    async with trio.open_nursery() as nursery, httpx.AsyncClient(trust_env=False) as client:
        site = Site("", directory / "data", folder, client)
        config = configured(directory, **settings)
        nursery.start_soon(lambda: serve(config, shutdown=shutdown, say=site.hear))
        yield site, shutdown


async def test_a_port_that_is_taken_leaves_nothing_behind(tmp_path: Path) -> None:
    """
    The address is taken before the data directory is touched: no journal, no credentials. The text names the address.
    """
    (tmp_path / "one").mkdir()
    async with open_site(tmp_path / "one") as site:
        config = configured(tmp_path, server__port=site.port, auth__username="", auth__password="")
        with pytest.RaisesGroup(
            pytest.RaisesExc(CannotListen, match=rf"127\.0\.0\.1:{site.port}: .*in use"), allow_unwrapped=True
        ):
            await serve(config, shutdown=trio.Event(), say=print)
    assert not (tmp_path / "data").exists()


WAITS = "    wait: true\n"
NAP = "tasks:\n  - id: nap\n    type: io.kestra.plugin.core.flow.Sleep\n    duration: {}\n"


def napping(name: str, duration: str) -> str:
    """A flow whose caller waits while it sleeps."""
    return flow(name, trigger=WAITS).replace("tasks:\n", NAP.format(duration))


async def test_waiting_requests_end_before_the_server_does(tmp_path: Path) -> None:
    """
    On the way out no connection is accepted, a waiting caller gets its answer, and the last lines say so.
    """
    answers: list[httpx.Response] = []
    async with _starting(tmp_path, {"f": napping("f", "PT0.7S")}) as (site, shutdown):
        site.client.base_url = httpx.URL((await site.line("Hookledger listens on ")).split()[3])

        async def ask() -> None:
            answers.append(await site.call("f"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await site.until(lambda: len(site.executions()) == 1)
            shutdown.set()
            await site.line("stopping: 1 requests and 0 tasks may end within 8 s")
            with pytest.raises(httpx.ConnectError):
                async with httpx.AsyncClient(base_url=site.client.base_url, trust_env=False) as late:
                    await late.get("/health")
        await site.line("waited for 1 requests and 0 tasks; 0 requests and 0 tasks were cut")
    assert [answer.status_code for answer in answers] == [200]
    assert answers[0].headers["connection"] == "close"


async def test_who_waits_too_long_is_told(tmp_path: Path) -> None:
    """
    After `server.grace` a caller that still waits gets 503 with `Retry-After`; the execution is open and goes on later.
    """
    answers: list[httpx.Response] = []
    async with _starting(tmp_path, {"f": napping("f", "PT1H")}, server__grace="PT0.2S") as (site, shutdown):
        site.client.base_url = httpx.URL((await site.line("Hookledger listens on ")).split()[3])

        async def ask() -> None:
            answers.append(await site.call("f"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await site.until(lambda: len(site.executions()) == 1)
            shutdown.set()
        await site.line("1 requests and 0 tasks were cut")
    assert [(answer.status_code, answer.headers["content-type"]) for answer in answers] == [(503, PROBLEM)]
    assert answers[0].json()["type"].endswith(":stopping")


async def test_who_only_watches_is_not_waited_for(tmp_path: Path) -> None:
    """
    A stream that follows an execution ends when the server is asked to stop.
    """
    async with _starting(tmp_path, {"f": flow("f").replace("tasks:\n", NAP.format("PT1H"))}) as (
        site,
        shutdown,
    ):
        site.client.base_url = httpx.URL((await site.line("Hookledger listens on ")).split()[3])
        execution = (await site.call("f")).json()["id"]
        request = site.client.build_request("GET", f"/api/v1/main/executions/{execution}/follow")
        basic = next(httpx.BasicAuth(*USER).auth_flow(request)).headers["authorization"]
        head = f"GET {request.url.path} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic}\r\n\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", site.client.base_url.port or 0) as stream:
            await stream.send_all(head.encode())
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
            shutdown.set()
            with trio.fail_after(5):
                await site.line("stopped; the journal is closed")
    assert not [line for line in site.said if line.startswith("stopping")]


TWO_CALLS = """
id: calls
namespace: io.tests
tasks:
  - {{id: one, type: io.kestra.plugin.core.http.Request, uri: "http://127.0.0.1:{port}/one", method: POST}}
  - {{id: two, type: io.kestra.plugin.core.http.Request, uri: "http://127.0.0.1:{port}/two", method: POST}}
triggers:
  - {{id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key}}
"""


async def test_a_running_task_ends_and_none_begins(tmp_path: Path) -> None:
    """
    A POST under way is waited for, so that it is not left in doubt; the next task, which nobody waits for, begins at
    the next start, and only then.
    """
    asked: list[str] = []
    arrived, answer = trio.Event(), trio.Event()

    async def outside(stream: trio.SocketStream) -> None:
        head = await stream.receive_some(1000)
        asked.append(head.split()[1].decode())
        arrived.set()
        await answer.wait()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, outside, 0)
        flows = {"calls": TWO_CALLS.format(port=listeners[0].socket.getsockname()[1])}
        async with _starting(tmp_path, flows) as (site, shutdown):
            site.client.base_url = httpx.URL((await site.line("Hookledger listens on ")).split()[3])
            execution = (await site.call("calls")).json()["id"]
            await arrived.wait()
            shutdown.set()
            await site.line("stopping: 0 requests and 1 tasks may end")
            answer.set()
            await site.line("waited for 0 requests and 1 tasks; 0 requests and 0 tasks were cut")
        types = [type(event).__name__ for event in site.events(execution)]
        assert types == ["TriggerReceived", "TaskStarted", "TaskReturned"]
        assert asked == ["/one"]
        async with open_site(tmp_path) as again:
            await again.until(
                lambda: "OutputsResolved" in {type(e).__name__ for e in again.events(execution)}
            )
        assert asked == ["/one", "/two"]
        nursery.cancel_scope.cancel()
