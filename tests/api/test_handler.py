"""The webhook's core with plain values: no server, no framework, a store in memory."""

import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from hookledger.actors import Engine, Ports
from hookledger.api.http import BodyTooSlow, HttpRequest, HttpResponse
from hookledger.api.webhook.handler import WebhookHandler, WebhookLimits
from hookledger.api.webhook.route import KEYS_ALIKE
from hookledger.journal.events import TriggerReceived
from hookledger.journal.memory import MemoryStore
from hookledger.runtime.expressions import Ambient

from .site import HOOK, flow

LIMITS = WebhookLimits(body_bytes_max=100, wait_seconds_max=60)


class Body:
    """A body of given chunks; remembers whether anybody began to read it."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self._chunks = list(chunks)
        self._error = error
        self.read = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.read = True
        await trio.lowlevel.checkpoint()
        if self._chunks:
            return self._chunks.pop(0)
        raise self._error or StopAsyncIteration


def request(path: str, body: Body | None = None, *, method: str = "POST", query: str = "") -> HttpRequest:
    """A request in plain values."""
    return HttpRequest(
        method=method,
        raw_path=f"{HOOK}/{path}",
        raw_query=query,
        headers=(("Host", "here"), ("Authorization", "Bearer x")),
        body=body or Body(),
        peer="192.0.2.1",
    )


def header(response: HttpResponse, name: str) -> str:
    """The value of a response header."""
    return dict(response.headers)[name]


async def test_plain_values_in_and_out(autojump_clock: trio.testing.MockClock) -> None:
    """
    The core needs an engine and a request; it returns status, headers and body, and records what it was given.
    """
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(flow("f"))
        handler = WebhookHandler(engine, LIMITS)
        response = await handler.handle(request("io.tests/f/a-secret-key", Body(b"ab", b"c"), query="x=1"))
        assert response.status == 200
        (received,) = (await engine.events(json.loads(response.body)["id"]))[:1]
    assert isinstance(received, TriggerReceived)
    assert (received.method, received.query, received.body, received.remote) == (
        "POST",
        "x=1",
        b"abc",
        "192.0.2.1",
    )
    assert received.path == f"{HOOK}/io.tests/f/[redacted]"
    assert received.headers == (("Host", "here"), ("Authorization", "[redacted]"))
    assert received.delivery == header(response, "X-Delivery-Id")


async def test_nothing_of_the_body_is_read_before_the_key_is_right(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """
    A stranger cannot make the server read: 404 and 405 come before the first chunk.
    """
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(flow("f"))
        handler = WebhookHandler(engine, LIMITS)
        for method, path, status in (
            ("POST", "io.tests/f/wrong", 404),
            ("PATCH", "io.tests/f/a-secret-key", 405),
        ):
            body = Body(b"x")
            response = await handler.handle(request(path, body, method=method))
            assert (response.status, body.read) == (status, False)


async def test_limits_of_the_body(autojump_clock: trio.testing.MockClock) -> None:
    """
    Too large is 413, too slow is 408; both end the connection and start nothing.
    """
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(flow("f"))
        handler = WebhookHandler(engine, LIMITS)
        for body, status in ((Body(b"x" * 60, b"x" * 41), 413), (Body(b"x", error=BodyTooSlow(30)), 408)):
            response = await handler.handle(request("io.tests/f/a-secret-key", body))
            assert response.status == status
            assert header(response, "Connection") == "close"
        assert (await handler.handle(request("io.tests/f/a-secret-key", Body(b"x" * 100)))).status == 200


async def test_no_byte_of_an_answer_before_its_barrier(autojump_clock: trio.testing.MockClock) -> None:
    """
    The answer waits until the events it depends on are durable: one commit, with and without `wait`.
    """
    for trigger in ("", "    wait: true\n"):
        async with Engine.open(store := MemoryStore(commit_seconds=5)) as engine:
            await engine.register(flow("f", trigger=trigger))
            handler = WebhookHandler(engine, LIMITS)
            began, commits = trio.current_time(), store.commits
            response = await handler.handle(request("io.tests/f/a-secret-key"))
            assert response.status == 200
            assert trio.current_time() - began >= 5
            assert store.commits > commits


async def test_the_wait_limit_is_virtual_time_too(autojump_clock: trio.testing.MockClock) -> None:
    """
    After the limit the answer is 504 with the execution's id; the execution is still there.
    """
    source = flow("f", trigger="    wait: true\n").replace(
        "triggers:", "  - id: nap\n    type: io.kestra.plugin.core.flow.Pause\ntriggers:"
    )
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(source)
        began = trio.current_time()
        response = await WebhookHandler(engine, LIMITS).handle(request("io.tests/f/a-secret-key"))
        assert response.status == 504
        assert trio.current_time() - began >= 60
        assert await engine.events(json.loads(response.body)["executionId"])


class Counting(Ports):
    """Surroundings that count how often a template was rendered."""

    rendered = 0

    def ambient(self, *arguments: Any, **more: Any) -> Ambient:
        """Every rendering asks for one."""
        self.rendered += 1
        return super().ambient(*arguments, **more)


async def test_nothing_reachable_costs_the_same(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whatever is unreachable, and however it is asked for, the same work is done: as many renderings and constant-time
    comparisons as for a flow with eight keys, and not a byte of the body is read.
    """
    compared: list[bytes] = []
    real = hmac.compare_digest

    def counting(given: bytes, known: bytes) -> bool:
        compared.append(known)
        return real(given, known)

    ports = Counting(secrets={"HOOK": "from the vault"}.get)
    async with Engine.open(MemoryStore(), ports=ports) as engine:
        for name, key in (
            ("fixed", "k"),
            ("vault", "{{ secret('HOOK') }}"),
            ("lost", "{{ secret('GONE') }}"),
        ):
            await engine.register(flow(name, key=key))
        await engine.register(many("several", 6))
        await engine.register(flow("bare").partition("triggers:")[0])
        await engine.register(flow("off", trigger="    disabled: true\n"))
        monkeypatch.setattr(hmac, "compare_digest", counting)
        handler = WebhookHandler(engine, LIMITS)
        costs: dict[tuple[str, str], tuple[int, int]] = {}
        for path in UNREACHABLE:
            for method in ("GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"):
                for body in (Body(), Body(b"x" * 1000)):
                    ports.rendered, compared[:] = 0, []
                    response = await handler.handle(request(path, body, method=method))
                    assert (response.status, body.read) == (404, False), path
                    costs[method, path] = (ports.rendered, len(compared))
    assert set(costs.values()) == {(KEYS_ALIKE, KEYS_ALIKE)}, costs


def many(name: str, count: int) -> str:
    """A flow of several webhooks with rendered keys."""
    webhook = "type: io.kestra.plugin.core.trigger.Webhook"
    key = "{{ secret('HOOK') }}"
    triggers = "".join(f'  - {{id: w{one}, {webhook}, key: "{key}{one}"}}\n' for one in range(count))
    return flow(name).partition("triggers:")[0] + "triggers:\n" + triggers


UNREACHABLE = (
    "io.tests/several/wrong",
    "io.tests/fixed/wrong", "io.tests/vault/wrong", "io.tests/lost/wrong", "io.tests/lost/", "io.tests/bare/k",
    "io.tests/off/wrong", "io.tests/none/k", "io.none/fixed/k", "io.tests/fixed/k/more",
    "io.tests/fixed", "", "io.tests//k",
)  # fmt: skip
