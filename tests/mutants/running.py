"""Runs tests against a changed copy of the tree, many times over, without paying for the imports each time.

A worker is a process that has loaded the libraries (not Hookledger) and owns a copy of the tree. For each mutant it
writes the change, forks a child that runs pytest in the copy until the first failure, and takes the change back.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import Process, SimpleQueue
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent.parent
LIBRARIES: Final = ("trio", "trio.testing", "msgspec", "apsw", "jinja2", "yaml", "regex", "jsonschema", "hypothesis",
                    "httpx", "pytest_trio.plugin", "quart", "quart_trio", "hypercorn", "cryptography")  # fmt: skip
PYTEST: Final = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", "--no-header", "--tb=line",
                 "-o", "timeout=60", "--sim-count=30")  # fmt: skip


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
    """failed, timeout, or nothing: it survived."""
    seconds: float
    said: str


def run_all(jobs: Iterable[Job], workers: int, seconds_max: float) -> Iterator[Outcome]:
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
        for job in (*wanted, *(None for _ in processes)):
            todo.put(job)
        for _ in wanted:
            yield done.get()
        for process in processes:
            process.join()


def _work(
    copy: Path, todo: "SimpleQueue[Job | None]", done: "SimpleQueue[Outcome]", seconds_max: float
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
def changed(file: Path, text: str) -> Iterator[None]:
    """A file with other text, until the block ends."""
    before = file.read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


def _outcome(copy: Path, job: Job, seconds_max: float) -> Outcome:
    began, output = time.monotonic(), copy / ".output"
    child = os.fork()
    if child == 0:
        _pytest(copy, job, output)
    status = _waited(child, began + seconds_max)
    found = {None: "timeout", 0: ""}.get(status, "failed")
    said = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    if status not in (None, 0, 1, 2, 3) and status is not None and status >= 4:
        raise SystemExit(f"{job.name}: pytest ended with {status}\n{said}")  # no tests: the list is wrong
    first = next((line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
    return Outcome(name=job.name, found=found, seconds=time.monotonic() - began, said=first)


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
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    code: Any = 3
    try:
        import pytest

        code = pytest.main([*PYTEST, *job.tests])
    finally:
        sys.stdout.flush()
        os._exit(int(code))
