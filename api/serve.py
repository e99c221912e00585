"""Serving: the engine, the application on Hypercorn, the flows directory, and what is printed at start."""

import logging
import sys
from collections.abc import Callable
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any, Final

import trio
from hypercorn.config import Config as HypercornConfig

from hookledger.actors.engine import Engine
from hookledger.actors.ports import Ports
from hookledger.actors.processes import MachineProcesses
from hookledger.api.app import Settings, make_app
from hookledger.api.banner import banner
from hookledger.api.config import Config
from hookledger.api.environment import conceal
from hookledger.api.flows_directory import FlowsDirectory
from hookledger.api.identity.declared import all_users
from hookledger.api.identity.guard import open_guard
from hookledger.api.identity.origins import Origins
from hookledger.api.identity.users import Users, first_user
from hookledger.api.listening import connections_allowed, listen, raise_descriptor_limit, serve_http
from hookledger.api.webhook.fetching import fetch_through
from hookledger.api.webhook.files import Files
from hookledger.api.webhook.handler import WebhookHandler, WebhookLimits
from hookledger.journal.cli.text import say as say_line
from hookledger.journal.text import escaped
from hookledger.runtime.secret_inputs import Cipher
from hookledger.runtime.secrets import environment_variables

WATCH_SECONDS: Final = 1.0
LINGER_SECONDS: Final = 2.0
"""How long callers still get their 503 after the journal stopped."""


async def serve(
    config: Config,
    *,
    shutdown: trio.Event,
    say: Callable[[str], None] = say_line,
    ports: Ports | None = None,
) -> None:
    """Run until `shutdown` is set.

    Args:
        ports: The outside world; the real one by default. A service `fetch` gets key sets and certificates instead
            of the HTTP port.

    Raises:
        JournalLocked: Another server has the data directory.
        OSError: The address cannot be bound.
    """
    directory = Path(config.data)
    ports = ports or _ports(config)
    files = ports.services["files"] = Files(directory / "files")
    async with (
        Engine.open(directory, ports=ports, linger=LINGER_SECONDS) as engine,
        trio.open_nursery() as nursery,
    ):
        flows = FlowsDirectory(engine, Path(config.flows)) if config.flows else None
        if flows is not None:
            for line in await flows.load():
                say(line)
            nursery.start_soon(_watch, flows, say)
        first = first_user(directory, username=config.auth.username, password=config.auth.password)
        guard = await open_guard(
            engine,
            Users(all_users(first.user, config.users)),
            Origins(config.server.public_url, config.trusted_networks),
            realm=config.auth.realm,
        )
        files.clean()
        handler = _webhook_handler(engine, config, files)
        nursery.start_soon(handler.run)
        settings = Settings(
            webhook_auth=config.webhook.require_auth, idle_seconds_max=config.idle_seconds_max
        )
        app = make_app(engine, handler, guard, settings)
        settings_of = hypercorn_config(config)
        serving = partial(serve_http, connections_max=connections_allowed(config.server.connections_max))
        bound = await nursery.start(serving, app, settings_of, listen(settings_of), shutdown)
        for line in banner(engine, config, first, bound):
            say(line)
        await shutdown.wait()
        nursery.cancel_scope.cancel()
    say("stopped; the journal is closed")


def _webhook_handler(engine: Engine, config: Config, files: Files) -> WebhookHandler:
    """What answers webhooks, with the bounds of the settings."""
    limits = WebhookLimits(
        body_bytes_max=config.server.body_limit,
        wait_seconds_max=config.wait_seconds_max,
        body_bytes_ceiling=max(config.server.body_limit, config.server.body_limit_max),
        executions_max=config.webhook.max_executions,
        pending_max=config.webhook.max_pending,
    )
    return WebhookHandler(
        engine,
        limits,
        config.server.public_url,
        trusted=config.trusted_networks,
        files=files,
        fetch=fetch_through(engine.ports),
    )


def hypercorn_config(config: Config) -> HypercornConfig:
    """Hypercorn's settings: raw header names, no banner headers, our own logging."""
    made = HypercornConfig()
    host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
    made.bind = [f"{host}:{config.server.port}"]
    made.h11_pass_raw_headers = True
    made.include_server_header = False
    made.accesslog = None
    made.errorlog = logging.getLogger("hookledger.http")
    made.graceful_timeout = 3
    made.keep_alive_timeout = max(1, ceil(config.idle_seconds_max))
    made.backlog = 1024
    made.h11_max_incomplete_size = 32_768  # of a request's head, as Kestra has it
    return made


def _ports(config: Config) -> Ports:
    """The real world, as far as the settings open it to flows."""
    services: dict[str, Any] = {"targets": config.targets}
    if config.tasks.processes:
        services["processes"] = MachineProcesses()
    cipher = Cipher(config.encryption_key) if config.encryption_key else None
    return Ports(services=services, cipher=cipher, environment=environment_variables())


async def _watch(flows: FlowsDirectory, say: Callable[[str], None]) -> None:
    while True:
        await trio.sleep(WATCH_SECONDS)
        for line in await flows.load():
            say(line)


class _Lines(logging.Formatter):
    """One line for each message, whatever a sender put into it; only tracebacks have more."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return escaped(super().formatException(ei), lines=True)


def run(config: Config) -> int:
    """Serve until Ctrl-C or SIGTERM; returns the exit code."""
    import signal

    async def main() -> None:
        shutdown = trio.Event()
        async with trio.open_nursery() as nursery:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                nursery.start_soon(serve_then_stop, shutdown, nursery)
                async for _ in signals:
                    shutdown.set()
                    break

    async def serve_then_stop(shutdown: trio.Event, nursery: trio.Nursery) -> None:
        await serve(config, shutdown=shutdown, ports=ports)
        nursery.cancel_scope.cancel()

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    raise_descriptor_limit()
    ports = _ports(config)
    conceal()
    trio.run(main)
    return 0
