"""The real server inside a test: the engine, Hypercorn on an ephemeral port, and a client on loopback."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import trio

from hookledger.actors import Ports
from hookledger.api.config import Config, load_config
from hookledger.api.serve import serve
from hookledger.journal.entry import Entry
from hookledger.journal.events import AnyEvent
from hookledger.journal.sqlite import SqliteReader, partition_file

USER: Final = ("tester", "correct horse")
HOOK: Final = "/api/v1/main/executions/webhook"
LISTENS: Final = "Hookledger listens on "


def flow(
    name: str,
    *,
    key: str = "a-secret-key",
    text: str = "{{ trigger }}",
    more: str = "",
    trigger: str = "",
) -> str:
    """A flow of one Return task behind a webhook; `more` goes to the flow, `trigger` to the trigger."""
    return (
        f"id: {name}\nnamespace: io.tests\n{more}"
        f"tasks:\n  - id: out\n    type: io.kestra.plugin.core.debug.Return\n"
        f"    format: {msgspec.json.encode(text).decode()}\n"
        f"triggers:\n  - id: webhook\n    type: io.kestra.plugin.core.trigger.Webhook\n"
        f"    key: {msgspec.json.encode(key).decode()}\n{trigger}"
    )


class Site:
    """A running server as a client sees it, and its files as an auditor sees them."""

    def __init__(self, address: str, data: Path, flows: Path, client: httpx.AsyncClient) -> None:
        self.address = address
        self.data = data
        self.flows = flows
        self.client = client
        self.said: list[str] = []
        self._news = trio.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.address.rpartition(":")[2])

    def hear(self, line: str) -> None:
        """The server prints a line."""
        self.said.append(line)
        self._news.set()
        self._news = trio.Event()

    async def line(self, part: str) -> str:
        """Wait until the server has printed a line with this text."""
        with trio.fail_after(30):
            while not (found := [line for line in self.said if part in line]):
                await self._news.wait()
        return found[-1]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that the server's files show; they announce nothing, so look again and again."""
        with trio.fail_after(30):
            while not holds():  # noqa: ASYNC110
                await trio.sleep(0.005)

    async def call(
        self, name: str, key: str = "a-secret-key", method: str = "GET", tail: str = "", **more: Any
    ) -> httpx.Response:
        """Send a request to a webhook of the test namespace."""
        return await self.client.request(method, f"{HOOK}/io.tests/{name}/{key}{tail}", **more)

    async def variables(self, name: str, **more: Any) -> Any:
        """The trigger's variables as the answer shows them."""
        response = await self.call(name, **more)
        assert response.status_code == 200, response.text
        return response.json()["trigger"]["variables"]

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are; returns everything until the server closes the connection."""
        with trio.fail_after(30):
            async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                await stream.send_all(request)
                answer = b""
                async for chunk in stream:
                    answer += chunk
                return answer

    def entries(self, execution: str) -> list[Entry]:
        """What the journal durably holds of an execution."""
        reader = SqliteReader(partition_file(self.data))
        try:
            return reader.entries(execution)
        finally:
            reader.close()

    def events(self, execution: str) -> list[AnyEvent]:
        """The same, decoded."""
        return [event for entry in self.entries(execution) for event in entry.events()]

    def executions(self) -> set[str]:
        """Every execution in the journal."""
        reader = SqliteReader(partition_file(self.data))
        try:
            return {entry.header.exec for entry in reader.scan()} - {"system"}
        finally:
            reader.close()

    def journal_bytes(self) -> bytes:
        """Everything SQLite keeps on disk."""
        return b"".join(path.read_bytes() for path in sorted(self.data.glob("partition-0.sqlite3*")))


@asynccontextmanager
async def open_site(
    directory: Path,
    flows: Mapping[str, str] | None = None,
    /,
    *,
    ports: Ports | None = None,
    **settings: Any,
) -> AsyncGenerator[Site]:
    """Serve flows (file stem to source) until the block ends. Settings are dotted names with `__` for the dot."""
    folder = directory / "flows"
    folder.mkdir(exist_ok=True)
    for stem, source in (flows or {}).items():
        (folder / f"{stem}.yaml").write_text(source, encoding="utf-8")
    config = configured(directory, **settings)
    shutdown = trio.Event()
    async with (
        trio.open_nursery() as nursery,
        httpx.AsyncClient(timeout=20, trust_env=False) as client,
    ):
        site = Site("", directory / "data", folder, client)
        nursery.start_soon(_serve, config, shutdown, site, ports)
        site.address = (await site.line(LISTENS)).removeprefix(LISTENS).split()[0]
        client.base_url = httpx.URL(site.address)
        yield site
        shutdown.set()


async def _serve(config: Config, shutdown: trio.Event, site: Site, ports: Ports | None) -> None:
    await serve(config, shutdown=shutdown, say=site.hear, ports=ports)


def configured(directory: Path, **settings: Any) -> Config:
    """Settings for a test: own directories, a free port, known credentials."""
    user, password = USER
    flags = {
        "data": str(directory / "data"),
        "flows": str(directory / "flows"),
        "server.port": 0,
        "auth.username": user,
        "auth.password": password,
        **{name.replace("__", "."): value for name, value in settings.items()},
    }
    return load_config(environment={}, flags=flags)
