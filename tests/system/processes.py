"""Real processes: the command line as a user starts it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from hookledger.journal.events import AnyEvent
from hookledger.journal.index import ExecutionRow
from hookledger.journal.sqlite import SqliteReader, partition_file
from hookledger.journal.store import Query

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples/flows"
NOWHERE: Final = {
    f"ENV_{name.upper()}": "http://127.0.0.1:9/"
    for path in EXAMPLES.glob("*.yaml")
    for name in re.findall(r"envs\.(\w+_url)", path.read_text(encoding="utf-8"))
}
"""The examples' services, switched off: no test talks to whatever listens on this machine."""
COMMAND: Final = [sys.executable, "-c", "from hookledger.api.cli import main; main()"]
READY: Final = "Ctrl-C stops it."
SECONDS_MAX: Final = 60


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A user's environment in which `hookledger` is this checkout, and no setting comes from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLEDGER_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT / "tests/import_root"), **(more or {})}


def hookledger(
    *arguments: str | Path, cwd: Path | None = None, more: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment(more),
        timeout=SECONDS_MAX,
    )


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Server:
    """A running `hookledger serve`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []

    def read_until_ready(self) -> None:
        """Take what it prints until it listens."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith(READY):
                return
        raise AssertionError("the server ended:\n" + "\n".join(self.lines))

    @property
    def address(self) -> str:
        """Its URL."""
        (line,) = (line for line in self.lines if line.startswith("Hookledger listens on "))
        return line.split()[3]

    @property
    def password(self) -> str:
        """The generated one, as it was printed."""
        (line,) = (line for line in self.lines if line.startswith("API user "))
        return line.partition(", password ")[2].split()[0]

    def curl_lines(self) -> list[str]:
        """The ready lines it printed."""
        return [line.strip() for line in self.lines if line.strip().startswith("curl ")]

    def kill(self) -> None:
        """Like a power cut, for the process."""
        self.process.kill()
        self.process.wait(SECONDS_MAX)

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C; returns the exit code and what it still printed."""
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=SECONDS_MAX)
        return self.process.returncode, rest


@contextmanager
def serving(flows: Path, data: Path, *flags: str, more: Mapping[str, str] | None = None) -> Generator[Server]:
    """Start a server on a free port; it is killed when the block ends."""
    process = subprocess.Popen(
        [*COMMAND, "serve", str(flows), "--data", str(data), "--port", "0", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment({**NOWHERE, **(more or {})}),
    )
    server = Server(process)
    try:
        server.read_until_ready()
        yield server
    finally:
        server.kill()
        if process.stdout is not None:
            process.stdout.close()


def system_events(data: Path) -> list[AnyEvent]:
    """The journal's own stream."""
    reader = SqliteReader(partition_file(data))
    try:
        return [event for entry in reader.entries("system") for event in entry.events()]
    finally:
        reader.close()


def executions(data: Path) -> list[ExecutionRow]:
    """The index: every execution."""
    reader = SqliteReader(partition_file(data))
    try:
        return reader.rows(Query(limit=1_000_000))[0]
    finally:
        reader.close()


async def until(holds: Callable[[], bool], seconds: float = SECONDS_MAX) -> None:
    """Wait until something holds that another process's files show; they announce nothing."""
    with trio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110
            await trio.sleep(0.02)
