"""Runs tests against a changed copy of the tree, many times over, without paying for the imports each time.

A worker is a process that has loaded the libraries (not Hookledger) and owns a copy of the tree. For each mutant it
writes the change, forks a child that runs pytest in the copy until the first failure, and takes the change back.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing import Process, SimpleQueue
from pathlib import Path
from threading import Thread
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent.parent
LIBRARIES: Final = (
    "trio", "trio.testing", "msgspec", "apsw", "jinja2", "yaml", "regex", "jsonschema", "httpx", "quart", "quart_trio",
    "hypercorn", "cryptography", "babel.dates", "holidays",
)  # fmt: skip
"""No plugin of pytest: it wants to load those itself."""
PYTEST: Final = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", "--no-header", "--tb=line",
                 "-o", "timeout=120", "--sim-count=30")  # fmt: skip


_SECONDS: Final = count(1_000_000_000)
WALL_FACTOR: Final = 10
"""How much longer than its CPU time a run may take: the machine may have other work."""
INTERNAL: Final = 3
"""pytest's exit code for its own failure; above are wrong use and no tests. 1: a test failed, 2: it cannot be imported."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A change and what should notice it."""

    name: str
    file: str
    changed: str
    """The whole file as it is with the change."""
    tests: tuple[str, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    name: str
    found: str
    """failed, timeout, broken (the run itself did not work), or nothing: it survived."""
    seconds: float
    said: str


def run_all(jobs: Iterable[Job], workers: int, seconds_max: int) -> Iterator[Outcome]:
    """Run every job; outcomes come as they are ready."""
    todo: SimpleQueue[Job | None] = SimpleQueue()
    done: SimpleQueue[Outcome] = SimpleQueue()
    wanted = list(jobs)
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        processes = [
            Process(target=_work, args=(Path(directory) / str(n), todo, done, seconds_max))
            for n in range(workers)
        ]
        for process in processes:
            process.start()
        Thread(target=_fed, args=(todo, [*wanted, *(None for _ in processes)]), daemon=True).start()
        for _ in wanted:
            yield done.get()
        for process in processes:
            process.join()


def _fed(todo: "SimpleQueue[Job | None]", jobs: list[Job | None]) -> None:
    """From a thread: the pipe holds a few jobs only."""
    for job in jobs:
        todo.put(job)


def _work(
    copy: Path, todo: "SimpleQueue[Job | None]", done: "SimpleQueue[Outcome]", seconds_max: int
) -> None:
    copied(copy)
    sys.path[:0] = [str(copy), str(copy / "tests/import_root")]
    for name in LIBRARIES:
        __import__(name)
    while (job := todo.get()) is not None:
        with changed(copy / job.file, job.changed):
            done.put(_outcome(copy, job, seconds_max))


def copied(copy: Path) -> None:
    """The tree as git knows it, with what is not committed yet."""
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in files.stdout.decode().split("\0"):
        if name and (source := ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy / name, follow_symlinks=False)


@contextmanager
def changed(file: Path, text: str) -> Generator[None]:
    """A file with other text, until the block ends."""
    before = file.read_text(encoding="utf-8")
    _write(file, text)
    try:
        yield
    finally:
        _write(file, before)


def _write(file: Path, text: str) -> None:
    """With a time of its own: Python knows a file it has compiled by its size and the second it was written in."""
    file.write_text(text, encoding="utf-8")
    os.utime(file, (next(_SECONDS), next(_SECONDS)))


def _outcome(copy: Path, job: Job, seconds_max: int) -> Outcome:
    began, output = time.monotonic(), copy / ".output"
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds_max, seconds_max))
        _pytest(copy, job, output)
    status = _waited(child, began + seconds_max * WALL_FACTOR)
    found = {None: "timeout", 0: "", -signal.SIGXCPU: "timeout", -signal.SIGKILL: "timeout"}.get(
        status, "failed"
    )
    said = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    if status is not None and status >= INTERNAL:
        print(
            f"{job.name}: pytest ended with {status}\n{said[-3000:]}", flush=True
        )  # wrong use, or no such test
        found = "broken"
    first = next((line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
    return Outcome(name=job.name, found=found, seconds=time.monotonic() - began, said=first)


def _ours(path: str) -> bool:
    return Path(path or ".").resolve().is_relative_to(ROOT) and ".venv" not in path


def _waited(child: int, until: float) -> int | None:
    """Its exit code; None when its time was over."""
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.02)


def _pytest(copy: Path, job: Job, output: Path) -> None:
    os.setsid()
    os.chdir(copy)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(written, stream)
    os.environ["PYTHONPATH"] = os.pathsep.join((str(copy), str(copy / "tests/import_root")))
    sys.path[:] = [
        str(copy),
        str(copy / "tests/import_root"),
        *(path for path in sys.path if not _ours(path)),
    ]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "hookledger")]:
        del sys.modules[name]  # this program's own, of the tree without the change
    code: Any = INTERNAL
    try:
        import pytest

        code = pytest.main([*PYTEST, *job.tests])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(int(code))
