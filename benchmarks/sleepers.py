"""Executions asleep: what one costs in memory, how long a restart takes after kill -9, and whether all wake on time.

    python benchmarks/sleepers.py [--count 10000] [--waking 2000] [--seconds 2]

Each figure comes from a process of its own over a SQLite journal in a temporary directory.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import trio

from hookledger.actors import Engine
from hookledger.actors.reception import Delivery
from hookledger.journal.events import TimerFired

FLOW: Final = """
id: sleeper
namespace: bench
tasks:
  - id: nap
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT{seconds}S
"""
AT_ONCE: Final = 200
HOUR: Final = 3600


async def fall_asleep(data: str, count: int, seconds: int) -> None:
    """Start them, wait until all rest, say what that took, and stay until killed."""
    async with Engine.open(data) as engine:
        before = resident()
        begun = time.perf_counter()
        await _start(engine, count, seconds)
        while engine.supervisor.resting < count:  # noqa: ASYNC110
            await trio.sleep(0.02)
        _say(seconds=time.perf_counter() - begun, bytes=resident() - before, resident=resident())
        await trio.sleep_forever()


async def come_back(data: str, count: int, seconds: int) -> None:
    """Open what a killed process left behind."""
    before = resident()
    begun = time.perf_counter()
    async with Engine.open(data) as engine:
        opened = time.perf_counter() - begun
        while engine.supervisor.resting < count:  # noqa: ASYNC110
            await trio.sleep(0.02)
        _say(
            opened=opened, seconds=time.perf_counter() - begun, bytes=resident() - before, resident=resident()
        )
        await trio.sleep_forever()


async def wake_up(data: str, count: int, seconds: int) -> None:
    """Start short sleepers, wait for every one, and say how late they woke."""
    async with Engine.open(data) as engine:
        begun = time.perf_counter()
        executions = await _start(engine, count, seconds)
        for execution in executions:
            await execution.finished()
        took = time.perf_counter() - begun
        late = sorted([await _lateness(engine, execution.id) for execution in executions])
        _say(
            seconds=took,
            finished=len(executions),
            early=sum(one < 0 for one in late),
            p50=late[len(late) // 2] / 1000,
            p99=late[len(late) * 99 // 100] / 1000,
            last=late[-1] / 1000,
        )


async def _start(engine: Engine, count: int, seconds: int) -> list[Any]:
    flow = await engine.register(FLOW.format(seconds=seconds))
    started: list[Any] = []
    while len(started) < count:
        batch = [
            await engine.deliver(flow, None, Delivery(source="benchmark"), actor="embedded:bench")
            for _ in range(min(AT_ONCE, count - len(started)))
        ]
        for execution in batch:
            await execution.accepted()
        started += batch
    return started


async def _lateness(engine: Engine, execution: str) -> int:
    """Microseconds between the time of the timer and its event."""
    fired = [event for event in await engine.events(execution) if isinstance(event, TimerFired)]
    return fired[0].at - fired[0].due


def resident() -> int:
    """Bytes of memory this process has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _say(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


PARTS: Final[dict[str, Callable[[str, int, int], Awaitable[None]]]] = {
    "fall_asleep": fall_asleep,
    "come_back": come_back,
    "wake_up": wake_up,
}


def _part(name: str, data: str, count: int, seconds: int) -> dict[str, float]:
    """Run a part in a process of its own, take its figures, kill it."""
    command = [sys.executable, __file__, "--part", name, "--data", data]
    command += ["--count", str(count), "--seconds", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    figures: dict[str, float] = json.loads(line)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="executions asleep for an hour")
    parser.add_argument("--waking", type=int, default=2_000, help="executions of the run that wakes up")
    parser.add_argument("--seconds", type=int, default=2, help="how long those sleep")
    parser.add_argument("--part", choices=sorted(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        trio.run(PARTS[given.part], given.data, given.count, given.seconds)
        return
    with tempfile.TemporaryDirectory() as directory:
        asleep = _part("fall_asleep", f"{directory}/long", given.count, HOUR)
        back = _part("come_back", f"{directory}/long", given.count, HOUR)
        awake = _part("wake_up", f"{directory}/short", given.waking, given.seconds)
    print(f"{given.count} executions asleep for an hour (SQLite)")
    print(f"  all accepted and at rest after   {asleep['seconds']:8.2f} s")
    print(f"  memory per sleeping execution    {asleep['bytes'] / given.count:8.0f} bytes")
    print("kill -9, then a new process")
    print(f"  open for deliveries after        {back['opened']:8.2f} s")
    print(f"  all at rest again after          {back['seconds']:8.2f} s")
    print(f"  memory per sleeping execution    {back['bytes'] / given.count:8.0f} bytes")
    print(f"{given.waking} executions asleep for {given.seconds} s")
    print(
        f"  woken {awake['finished']:.0f}, too early {awake['early']:.0f}, all done after {awake['seconds']:.2f} s"
    )
    print(f"  late by p50 {awake['p50']:.1f} ms, p99 {awake['p99']:.1f} ms, at most {awake['last']:.1f} ms")


if __name__ == "__main__":
    main()
