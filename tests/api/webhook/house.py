"""A server in the test's own nursery: real sockets on loopback, a clock and secrets of the test's own."""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio

from hookledger.actors import Ports
from hookledger.api.config import load_config
from hookledger.api.serve import serve
from hookledger.journal.deliveries import DeliveryQuery, DeliveryRow
from hookledger.journal.events import AnyEvent, type_name
from hookledger.journal.sqlite import SqliteReader, partition_file

USER = ("tester", "correct horse")
HOOK = "/api/v1/main/executions/webhook"
WEBHOOK = "io.kestra.plugin.core.trigger.Webhook"
NOW_US = 1_700_000_000_000_000
"""The moment most vectors were signed at."""


class Clock:
    """Wall time that stands still until the test moves it."""

    def __init__(self, at: int = NOW_US) -> None:
        self.at = at
        self.offset: int | None = None

    def now(self) -> int:
        self.at = self.at + 1 if self.offset is None else time.time_ns() // 1000 + self.offset
        return self.at

    def tick(self) -> "Clock":
        """From now on time passes by itself."""
        self.offset = self.at - time.time_ns() // 1000
        return self

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.at += int(seconds * 1_000_000)


class House:
    """The running server, as a client and as an auditor see it."""

    def __init__(self, data: Path, client: httpx.AsyncClient, clock: Clock) -> None:
        self.data = data
        self.client = client
        self.clock = clock
        self.secrets: dict[str, str] = {}

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.client.base_url.port is not None
        return self.client.base_url.port

    async def send(
        self, key: str = "k", *, method: str = "POST", flow: str = "f", tail: str = "", **more: Any
    ) -> httpx.Response:
        """Send a request to a webhook of the flow."""
        return await self.client.request(method, f"{HOOK}/t/{flow}/{key}{tail}", **more)

    def events(self, kind: type[Any] | None = None) -> list[Any]:
        """Every durable event, or those of one type."""
        reader = SqliteReader(partition_file(self.data))
        try:
            found: list[AnyEvent] = [event for entry in reader.scan() for event in entry.events()]
        finally:
            reader.close()
        return [event for event in found if kind is None or isinstance(event, kind)]

    def names(self) -> list[str]:
        """The types of all events."""
        return [type_name(event) for event in self.events()]

    def executions(self) -> list[str]:
        """Ids of all executions."""
        reader = SqliteReader(partition_file(self.data))
        try:
            return sorted({entry.header.exec for entry in reader.scan()} - {"system"})
        finally:
            reader.close()

    def deliveries(self) -> list[DeliveryRow]:
        """The list of deliveries, newest first."""
        reader = SqliteReader(partition_file(self.data))
        try:
            return reader.deliveries(DeliveryQuery(limit=10_000))[0]
        finally:
            reader.close()

    async def settled(self, count: int, kind: type[Any]) -> list[Any]:
        """Wait until that many events of a type are durable; files announce nothing, so look again."""
        with trio.fail_after(30):
            while len(found := self.events(kind)) < count:  # noqa: ASYNC110
                await trio.sleep(0.005)
        return found

    def on_disk(self) -> bytes:
        """Everything that was written to the data directory."""
        return b"".join(path.read_bytes() for path in sorted(self.data.rglob("*")) if path.is_file())


def flow(trigger: str, *, name: str = "f", tasks: str = "", more: str = "") -> str:
    """A flow with the given trigger properties (YAML flow or block lines, two spaces deeper than the list item)."""
    tasks = (
        tasks
        or "  - {id: out, type: io.kestra.plugin.core.debug.Return, format: \"{{ trigger.body ?? '' }}\"}"
    )
    lines = "\n".join(f"    {line}" for line in trigger.strip().splitlines())
    head = f"id: {name}\nnamespace: t\n{more}tasks:\n{tasks}\n"
    return f"{head}triggers:\n  - id: w\n    type: {WEBHOOK}\n    key: k\n{lines}\n"


@asynccontextmanager
async def open_house(
    directory: Path,
    *sources: str,
    secrets: Mapping[str, str] | None = None,
    services: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    settings: Sequence[tuple[str, Any]] = (),
) -> AsyncGenerator[House]:
    """Serve flows until the block ends."""
    flows = directory / "flows"
    flows.mkdir(exist_ok=True)
    for index, source in enumerate(sources):
        (flows / f"{index}.yaml").write_text(source, encoding="utf-8")
    flags = {
        "data": str(directory / "data"),
        "flows": str(flows),
        "server.port": 0,
        "auth.username": USER[0],
        "auth.password": USER[1],
        **dict(settings),
    }
    clock = clock or Clock()
    shutdown, said = trio.Event(), trio.open_memory_channel[str](1000)
    async with (
        trio.open_nursery() as nursery,
        httpx.AsyncClient(timeout=30, trust_env=False, limits=httpx.Limits(max_connections=200)) as client,
    ):
        house = House(directory / "data", client, clock)
        house.secrets = dict(secrets or {})
        ports = Ports(clock=clock, secrets=lambda name: house.secrets.get(name), services=services)
        config = load_config(environment={}, flags=flags)

        async def run() -> None:
            await serve(config, shutdown=shutdown, say=said[0].send_nowait, ports=ports)

        nursery.start_soon(run)
        with trio.fail_after(30):
            async for line in said[1]:
                assert "error" not in line.lower(), line
                if line.startswith("Hookledger listens on "):
                    client.base_url = httpx.URL(line.split()[3])
                    break
        yield house
        shutdown.set()
