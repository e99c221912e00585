"""Serving: the engine, the application on Hypercorn, the flows directory, and what is printed at start."""

import errno
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from socket import socket
from typing import Any, Final

import trio
from hypercorn.config import Config as HypercornConfig

from hookledger.actors.engine import Engine
from hookledger.actors.limiters import limiter
from hookledger.actors.ports import Effects, Ports
from hookledger.actors.processes import MachineProcesses
from hookledger.api.app import Settings, make_app
from hookledger.api.banner import banner
from hookledger.api.config import Config, ServerConfig
from hookledger.api.environment import conceal
from hookledger.api.flows_directory import FlowsDirectory
from hookledger.api.identity.declared import all_users
from hookledger.api.identity.guard import open_guard
from hookledger.api.identity.origins import Origins
from hookledger.api.identity.users import Users, first_user
from hookledger.api.listening import connections_allowed, listen, raise_descriptor_limit, serve_http
from hookledger.api.readiness import Gate
from hookledger.api.webhook.fetching import fetch_through
from hookledger.api.webhook.files import Files
from hookledger.api.webhook.handler import WebhookHandler, WebhookLimits
from hookledger.journal.cli.text import say
from hookledger.journal.sqlite import SqliteStore
from hookledger.journal.text import escaped
from hookledger.runtime.secret_inputs import Cipher
from hookledger.runtime.secrets import environment_variables

WATCH_SECONDS: Final = 1.0
LINGER_SECONDS: Final = 2.0
"""How long callers still get their 503 after the journal stopped."""
LAST_SECONDS: Final = 1.0
"""For the 503 of those who were cut."""


def tell(line: str) -> None:
    """Print a line for whoever started the server; it goes on unheard where the reader is gone or the disk is full."""
    try:
        say(line)
    except OSError:
        with open(os.devnull, "wb") as nowhere:  # what is left in the buffer must not fail at exit, either
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


class CannotListen(Exception):
    """The address cannot be had; the text says which and why."""


async def serve(
    config: Config,
    *,
    shutdown: trio.Event,
    say: Callable[[str], None] = tell,
    ports: Ports | None = None,
) -> None:
    """Run until `shutdown` is set; what is under way then has `server.grace` to end.

    The address is taken first, so that nothing is made in the data directory where it cannot be had, and so that
    callers are told to come back while a long journal is opened.

    Args:
        ports: The outside world; the real one by default. A service `fetch` gets key sets and certificates instead
            of the HTTP port.

    Raises:
        CannotListen: The address cannot be bound.
        JournalLocked: Another server has the data directory.
        JournalUnwritable, JournalUnreadable: It cannot be used.
        JournalPoisoned: A commit failed.
    """
    settings, gate, over = hypercorn_config(config), Gate(), trio.Event()
    serving = partial(serve_http, connections_max=connections_allowed(config.server.connections_max))
    async with trio.open_nursery() as outer:
        bound = await outer.start(serving, gate, settings, [_listen(config.server)], over)
        try:
            await _run_engine(config, ports or _ports(config), gate, bound, shutdown, over, say)
        finally:
            over.set()
            gate.cut()
            with trio.move_on_after(LAST_SECONDS, shield=True):
                await gate.quiet()
    say("stopped; the journal is closed")


def _listen(config: ServerConfig) -> socket:
    try:
        return listen(config.host, config.port)
    except OSError as error:
        code = error.errno or 0
        reason = os.strerror(code) if code in errno.errorcode else str(error)
        raise CannotListen(f"cannot listen on {config.host}:{config.port}: {reason}") from error


async def _run_engine(
    config: Config,
    ports: Ports,
    gate: Gate,
    bound: Sequence[str],
    shutdown: trio.Event,
    over: trio.Event,
    say: Callable[[str], None],
) -> None:
    directory = Path(config.data)
    files = ports.services["files"] = Files(directory / "files")
    # an upgrade may take its time
    store = await trio.to_thread.run_sync(SqliteStore, directory, limiter=limiter("opening"))
    async with (
        Engine.open(store, ports=ports, linger=LINGER_SECONDS, recover_in_background=True) as engine,
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
            Users(all_users(first.user, config.users), proved=first.proved),
            Origins(config.server.public_url, config.trusted_networks),
            realm=config.auth.realm,
        )
        files.clean()
        handler = _webhook_handler(engine, config, files)
        nursery.start_soon(handler.run)
        about = Settings(webhook_auth=config.webhook.require_auth, idle_seconds_max=config.idle_seconds_max)
        gate.open(make_app(engine, handler, guard, about), engine)
        await _first_of(engine.ready, shutdown)
        if not shutdown.is_set():
            gate.serve()
            for line in banner(engine, config, first, bound):
                say(line)
        await shutdown.wait()
        over.set()
        await _drain(gate, ports.effects, config.grace_seconds, say)
        nursery.cancel_scope.cancel()


async def _first_of(*events: trio.Event) -> None:
    async with trio.open_nursery() as nursery:

        async def wait(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        for event in events:
            nursery.start_soon(wait, event)


async def _drain(gate: Gate, effects: Effects, seconds: float, say: Callable[[str], None]) -> None:
    """Let requests and running tasks end, for a moment; nothing new begins."""
    gate.close()
    effects.draining = True
    waiting, running = gate.waiting, effects.running
    if not (waiting or running):
        return
    say(f"stopping: {_counted(waiting, running)} may end within {seconds:g} s; a second signal stops at once")
    with trio.move_on_after(seconds):
        while gate.waiting or effects.running:
            await gate.quiet()
            await effects.quiet()
    cut = _counted(gate.waiting, effects.running)
    say(f"waited for {_counted(waiting, running)}; {cut} were cut and go on at the next start")


def _counted(requests: int, tasks: int) -> str:
    return f"{requests} requests and {tasks} tasks"


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
    made.h11_pass_raw_headers = True
    made.include_server_header = False
    made.accesslog = None
    made.errorlog = logging.getLogger("hookledger.http")
    made.graceful_timeout = config.grace_seconds + 2 * LAST_SECONDS
    made.keep_alive_timeout = max(1, ceil(config.idle_seconds_max))
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
    """Serve until Ctrl-C or SIGTERM; a second one stops at once. Returns the exit code."""
    import signal

    async def main() -> int:
        shutdown = trio.Event()
        async with trio.open_nursery() as nursery:

            async def served() -> None:
                await serve(config, shutdown=shutdown, ports=ports)
                nursery.cancel_scope.cancel()

            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                nursery.start_soon(served)
                async for _ in signals:
                    if shutdown.is_set():
                        nursery.cancel_scope.cancel()
                        return 1
                    shutdown.set()
        return 0

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    raise_descriptor_limit()
    ports = _ports(config)
    conceal()
    return trio.run(main)
