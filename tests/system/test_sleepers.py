"""Executions asleep on the real clock, over a real kill."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import trio

from hookledger.actors import Engine
from hookledger.journal.events import TimerFired
from hookledger.journal.store import Query

from .processes import ROOT, environment

COUNT = 50
SECONDS = 2


def asleep_then_killed(data: Path) -> None:
    """Start sleepers in a process of its own and kill it as soon as all of them rest."""
    command = [
        sys.executable,
        str(ROOT / "benchmarks/sleepers.py"),
        "--part",
        "fall_asleep",
        "--data",
        str(data),
    ]
    command += ["--count", str(COUNT), "--seconds", str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["seconds"] < 60
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_sleepers_wake_after_a_kill(tmp_path: Path) -> None:
    """
    A process is killed with kill -9 while executions sleep; the next one wakes every one of them, none before its time.
    How late they may be is the simulation's to say (tests/simulation/rules.py): here the machine may be busy.
    """
    asleep_then_killed(tmp_path)

    async def woken() -> list[float]:
        async with Engine.open(tmp_path) as engine:
            rows, _ = await engine.journal.ask(lambda reader: reader.rows(Query(limit=COUNT * 2)))
            late: list[float] = []
            for row in rows:
                state = await (await engine.attach(row.execution)).finished()
                assert state.status == "SUCCESS"
                (fired,) = [one for one in await engine.events(row.execution) if isinstance(one, TimerFired)]
                late.append((fired.at - fired.due) / 1_000_000)
        return late

    late = trio.run(woken)
    assert len(late) == COUNT
    assert min(late) >= 0
