"""No test can hang: the suite's time-out ends it, with its traces, with and without workers beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HANGING = """
import threading
import trio

async def never_comes():
    await trio.sleep_forever()

async def test_a_task_that_waits():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(never_comes)

def test_a_loop():
    while True:
        pass

def test_a_lock():
    threading.Lock().acquire() and threading.Event().wait()

async def test_afterwards():
    await trio.lowlevel.checkpoint()
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_test_that_hangs_fails_with_its_traces(tmp_path: Path, workers: str) -> None:
    """
    A task that waits for ever, a loop and a lock each fail at the time-out; what waited is named, and the next
    test runs.
    """
    (tmp_path / "test_hanging.py").write_text(HANGING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.timeouts",
        "-p",
        "no:cacheprovider",
        "-n",
        workers,
    ]
    done = subprocess.run(
        [*command, "-c", str(ROOT / "pyproject.toml"), "-o", "timeout=2", str(tmp_path / "test_hanging.py")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "3 failed, 1 passed" in said, said
    assert "never_comes" in said
    assert "await trio.sleep_forever()" in said


def test_every_test_has_a_time_out(pytestconfig: pytest.Config) -> None:
    """
    The suite's own configuration bounds every test.
    """
    assert 0 < float(pytestconfig.getini("timeout")) <= 300
