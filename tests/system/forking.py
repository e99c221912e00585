"""Starts the real server again and again without its second of imports.

A process loads the command line once and forks a server for each start; what is forked is a whole process with its own
files, sockets and locks, and is killed as any other. It takes commands on its standard input, one JSON list a line:
`["start", file for its output, argument...]`, `["kill"]`, `["interrupt"]`; it answers each with a line.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from .processes import READY, ROOT, environment


def main() -> None:
    """The process that forks."""
    for module in ("hookledger.api.cli", "hookledger.api.serve"):
        importlib.import_module(module)

    server = 0
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        if name == "start":
            server = os.fork()
            if server == 0:
                _serve(*arguments)
            _answer(server)
            continue
        os.kill(server, signal.SIGKILL if name == "kill" else signal.SIGINT)
        _answer(os.waitstatus_to_exitcode(os.waitpid(server, 0)[1]))


def _serve(output: str, *arguments: str) -> None:
    from hookledger.api.cli import main as command

    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(written, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["hookledger", *arguments]
    code = 1
    try:
        code = int(command() or 0)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _answer(value: Any) -> None:
    print(json.dumps(value), flush=True)


class Forking:
    """Servers over one directory of flows, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]", flows: Path, output: Path) -> None:
        self._process = process
        self._flows = flows
        self._output = output

    async def start(self, data: Path) -> int:
        """Start a server; returns its port once it listens."""
        self._tell("start", str(self._output), "serve", str(self._flows), "--data", str(data), "--port", "0")
        with trio.fail_after(60):
            while READY not in (said := self.said()):  # noqa: ASYNC110
                await trio.sleep(0.002)
        (line,) = (line for line in said.splitlines() if line.startswith("Hookledger listens on "))
        return int(line.split()[3].rpartition(":")[2])

    def said(self) -> str:
        """What the newest server has printed."""
        return self._output.read_text(encoding="utf-8") if self._output.exists() else ""

    def kill(self) -> None:
        """Like a power cut, for the process."""
        assert self._tell("kill") == -signal.SIGKILL, self.said()

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        return int(self._tell("interrupt"))

    def _tell(self, *command: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if command[0] == "start":
            self._output.unlink(missing_ok=True)
        print(json.dumps(command), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


@contextmanager
def forking(flows: Path, output: Path, **more: str) -> Generator[Forking]:
    """The process that forks, until the block ends; no server outlives it."""
    command = [sys.executable, "-c", "from tests.system.forking import main; main()"]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests/import_root")))
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment({"PYTHONPATH": paths, **more}),
        start_new_session=True,
    ) as process:
        try:
            yield Forking(process, flows, output)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
