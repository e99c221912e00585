"""Runs commands as processes of this machine: a group, a directory and an environment of their own."""

import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import trio

from hookledger.actors.limiters import limiter
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.process import ProcessRequest, Stream, Tell

KILL_AFTER_SECONDS: Final = 2.0
DRAIN_SECONDS: Final = 1.0
"""How long output is awaited that somebody outside the group may still hold open."""
INHERITED: Final = ("PATH", "LANG")
FALLBACK: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


class MachineProcesses:
    """Implements `Processes`.

    Args:
        environment: Where PATH and LANG come from. Nothing else of it reaches a command; HOME is its directory.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._environment = {name: given.get(name) or FALLBACK[name] for name in INHERITED}

    async def run(self, request: ProcessRequest, tell: Tell) -> int:
        async with _directory() as directory:
            environment = self._environment | {"HOME": directory} | dict(request.environment)
            return await _run(request, tell, directory, environment)


@asynccontextmanager
async def _directory() -> AsyncGenerator[str]:
    """A fresh directory, removed with everything in it."""
    made = await trio.to_thread.run_sync(
        partial(tempfile.TemporaryDirectory, prefix="hookledger-", ignore_cleanup_errors=True),
        limiter=limiter("processes"),
    )
    try:
        yield made.name
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(made.cleanup, limiter=limiter("processes"))


async def _run(request: ProcessRequest, tell: Tell, directory: str, environment: Mapping[str, str]) -> int:
    process = await _started(request, directory, environment)
    try:
        return await _attended(process, tell, request.line_bytes_max)
    finally:
        await _end(process)


async def _started(request: ProcessRequest, directory: str, environment: Mapping[str, str]) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(
            request.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=directory,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        message = f"`{request.arguments[0]}` cannot be started: {error.strerror}"
        raise TaskFailed(message, kind="CommandNotStarted") from error


async def _attended(process: trio.Process, tell: Tell, line_bytes_max: int) -> int:
    """Listen until the end. What the command left running in its group ends with it."""
    async with trio.open_nursery() as nursery:
        for stream, pipe in _pipes(process):
            nursery.start_soon(_listen, pipe, Lines(stream, tell, line_bytes_max))
        code = await process.wait()
        _signal(process, signal.SIGKILL)
        nursery.cancel_scope.deadline = trio.current_time() + DRAIN_SECONDS
    return code


def _pipes(process: trio.Process) -> tuple[tuple[Stream, trio.abc.ReceiveStream], ...]:
    assert process.stdout is not None
    assert process.stderr is not None
    return ("stdout", process.stdout), ("stderr", process.stderr)


async def _listen(pipe: trio.abc.ReceiveStream, lines: "Lines") -> None:
    try:
        async for piece in pipe:
            lines.feed(bytes(piece))
    finally:
        lines.finish()


async def _end(process: trio.Process) -> None:
    """Leave nothing of the group behind, whatever became of the attempt."""
    with trio.CancelScope(shield=True):
        if process.returncode is None:
            _signal(process, signal.SIGTERM)
            with trio.move_on_after(KILL_AFTER_SECONDS):
                await process.wait()
            _signal(process, signal.SIGKILL)
            await process.wait()
        for _, pipe in _pipes(process):
            await pipe.aclose()


def _signal(process: trio.Process, number: signal.Signals) -> None:
    """To the whole group; its number is the leader's and stays taken as long as anybody is in it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class Lines:
    """Cuts a stream into lines, in bounded memory."""

    def __init__(self, stream: Stream, tell: Tell, bytes_max: int) -> None:
        self._stream: Stream = stream
        self._tell = tell
        self._max = bytes_max
        self._line = bytearray()
        self._dropped = 0

    def feed(self, piece: bytes) -> None:
        """Take in bytes; tell every line that ends in them."""
        *ended, rest = piece.split(b"\n")
        for part in ended:
            self._add(part)
            self._flush()
        self._add(rest)

    def finish(self) -> None:
        """Tell what stands behind the last line break."""
        if self._line:
            self._flush()

    def _add(self, part: bytes) -> None:
        room = self._max - len(self._line)
        self._line += part[:room]
        self._dropped += max(0, len(part) - room)

    def _flush(self) -> None:
        line = self._line.decode(errors="replace").removesuffix("\r")
        if self._dropped:
            line += f"… ({self._dropped} bytes more)"
        self._line.clear()
        self._dropped = 0
        self._tell(self._stream, line)
