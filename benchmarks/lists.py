"""Lists and figures over 100,000 executions: what each question takes, and what keeping the answers costs the writer.

    python benchmarks/lists.py [--count 100000] [--rounds 20] [--against CHECKOUT]

The journal is made through the journal itself, in a temporary directory. Questions are asked of one reader, with a warm
file cache. `--against` compares writing with another checkout of this repository, in processes that take turns.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import trio

from hookledger.journal import index
from hookledger.journal.entry import Chain
from hookledger.journal.events import (
    Event,
    ExecutionFailed,
    ExecutionPaused,
    Failure,
    FlowRegistered,
    OutputsResolved,
    TaskReturned,
    TaskStarted,
    TimerSet,
    TriggerReceived,
)
from hookledger.journal.journal import Journal, open_journal
from hookledger.journal.sqlite import SqliteStore

START: Final = 1_790_000_000_000_000
STEP: Final = 30_000
"""Microseconds between two executions: 100,000 of them fill fifty minutes."""
AT_ONCE: Final = 64
FLOWS: Final = 50
TURNS: Final = 5


class Ticking:
    """A clock that moves on with every execution."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time


def flow_of(number: int) -> tuple[str, str]:
    """Five namespaces with ten flows each."""
    flow = number * 7919 % FLOWS
    return ("company", "company.team", "company.team.ops", "sales", "sales.eu")[flow % 5], f"flow-{flow:02}"


def source_of(namespace: str, flow: str) -> str:
    """What its executions are pinned to."""
    return f"id: {flow}\nnamespace: {namespace}\ntasks: []\n"


def register(journal: Journal) -> None:
    """Register every flow, so that the journal verifies."""
    for namespace, flow in sorted({flow_of(number) for number in range(FLOWS)}):
        source = source_of(namespace, flow)

        def registered(
            sequence: int, at: int, namespace: str = namespace, flow: str = flow, source: str = source
        ) -> FlowRegistered:
            sha256 = hashlib.sha256(source.encode()).hexdigest()
            return FlowRegistered(
                sequence=sequence,
                at=at,
                namespace=namespace,
                flow=flow,
                revision=1,
                sha256=sha256,
                source=source,
            )

        journal.append_system(registered)


def events_of(number: int, at: int) -> list[Any]:
    """One execution: nine of ten succeed, the others fail or stay open."""
    namespace, flow = flow_of(number)
    source = source_of(namespace, flow)
    first = TriggerReceived(
        sequence=0,
        at=at,
        namespace=namespace,
        flow=flow,
        revision=1,
        source_sha256=hashlib.sha256(source.encode()).hexdigest(),
        trigger="webhook",
        trigger_type="io.kestra.plugin.core.trigger.Webhook",
        seed="00" * 16,
        delivery=f"0VAd{number:018}",
        method="POST",
        headers=(("content-type", "application/json"), ("user-agent", "benchmark")),
        body=b'{"name": "Alice", "number": %d}' % number,
        remote="192.0.2.1",
        labels={
            "system.from": "webhook",
            "system.correlationId": f"0VAt{number:018}",
            "team": f"team-{number % 7}",
        },
    )
    return [first, *_rest(number, at)]


def _rest(number: int, at: int) -> Iterator[Event]:
    took = 1_000 + number * 104_729 % 900_000
    if number % 500 == 0:
        yield TimerSet(sequence=1, at=at, path="nap", due=at * 2)
        return
    if number % 700 == 0:
        yield ExecutionPaused(sequence=1, at=at, path="ask")
        return
    yield TaskStarted(
        sequence=1, at=at, task="make", path="make", attempt=1, task_type="Return", effect="pure"
    )
    bad = number % 20 == 0
    yield TaskReturned(
        sequence=2, at=at + took, task="make", path="make", attempt=1, outcome="error" if bad else "ok",
        next="fail" if bad else "next", duration=took,
    )  # fmt: skip
    if bad:
        yield ExecutionFailed(sequence=3, at=at + took, error=Failure(message="no such host"), path="make")
    else:
        yield OutputsResolved(sequence=3, at=at + took, outputs={"greeting": "Hello Alice!"})


def row_after(execution: str) -> Callable[[list[Any]], Any]:
    """What makes the index row, here and in checkouts from before it kept state."""
    if hasattr(index, "Projection"):
        return index.Projection(execution).follow
    rows: list[Any] = [None]

    def follow(events: list[Any]) -> Any:
        old: Any = vars(index)["project"]  # which is all that such a checkout has
        rows[0] = old(rows[0], execution, events)
        return rows[0]

    return follow


def append(journal: Journal, number: int, clock: Ticking, *, parts: int) -> Any:
    """Append one execution in one entry, or in two; returns the last ticket."""
    clock.time += STEP
    execution = f"0VAt{number:018}"
    chain, follow = Chain(execution=execution), row_after(execution)
    events = events_of(number, clock.time)
    ticket: Any = None
    for part in (events,) if parts == 1 else (events[:1], events[1:]):
        ticket = journal.append(chain, part, actor="webhook:sales/flow/webhook", row=follow(part))
    return ticket


async def fill(directory: Path, count: int) -> float:
    """Write the journal that is asked; returns seconds."""
    store, clock, begun = SqliteStore(directory), Ticking(), time.perf_counter()
    try:
        async with open_journal(store, clock=clock) as journal:
            register(journal)
            for number in range(count):
                ticket = append(journal, number, clock, parts=1)
                if number % 1000 == 999:
                    await ticket.durable()
    finally:
        store.close()
    return time.perf_counter() - begun


async def write(count: int) -> dict[str, float]:
    """Write as many callers do who wait for durability; returns entries per second, by wall and by processor time."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        store, clock = SqliteStore(Path(directory)), Ticking()
        async with open_journal(store, clock=clock) as journal:
            numbers = iter(range(count))
            begun, worked = time.perf_counter(), time.process_time()

            async def caller() -> None:
                for number in numbers:
                    await append(journal, number, clock, parts=1 + number % 2).durable()

            async with trio.open_nursery() as nursery:
                for _ in range(AT_ONCE):
                    nursery.start_soon(caller)
            wall, work = time.perf_counter() - begun, time.process_time() - worked
        store.close()
    entries = count * 3 / 2
    return {"wall": entries / wall, "work": entries / work}


def questions(count: int) -> dict[str, Callable[[Any], Any]]:
    """What lists and the dashboard ask."""
    from hookledger.journal.store import Query

    until = START + (count + 1) * STEP
    flows = sorted({flow_of(number) for number in range(FLOWS)})[:25]
    asked = {
        "newest executions": Query(),
        "offset 50,000": Query(offset=50_000),
        "state FAILED": Query(states=("FAILED",)),
        "states SUCCESS, FAILED, RUNNING": Query(states=("SUCCESS", "FAILED", "RUNNING")),
        "state SUCCESS in a namespace": Query(states=("SUCCESS",), namespace="sales.eu"),
        "label team": Query(labels={"team": "team-3"}),
        "two labels": Query(labels={"team": "team-3", "system.from": "webhook"}),
        "label of one execution": Query(labels={"system.correlationId": f"0VAt{77:018}"}),
        "label and state": Query(labels={"team": "team-3"}, states=("FAILED",)),
        "one flow": Query(namespace="sales", flow="flow-03"),
        "one flow, one trigger": Query(namespace="sales", flow="flow-03", trigger="webhook"),
        "one flow, FAILED": Query(namespace="sales", flow="flow-03", states=("FAILED",)),
        "namespace and below": Query(namespace_prefix="company.team"),
        "text in a flow's name": Query(text="flow-17"),
        "text of one id": Query(text="000077123"),
        "text that is nowhere": Query(text="nowhere"),
        "last ten minutes": Query(since=until - 600_000_000),
        "open": Query(open=True),
        "paused": Query(waits=("PAUSED",)),
        "by end": Query(sort="ended"),
        "by duration": Query(sort="duration"),
        "by duration, offset 50,000": Query(sort="duration", offset=50_000),
    }
    hour, day = until - 3_600_000_000, until - 86_400_000_000
    found = {name: listed(query) for name, query in asked.items()}
    return found | {
        "minutes: one hour": lambda reader: reader.minutes(hour, until),
        "minutes: a day": lambda reader: reader.minutes(day, until),
        "minutes: a day of one flow": lambda reader: reader.minutes(
            day, until, namespace="sales", flow="flow-03"
        ),
        "latencies: one hour": lambda reader: reader.latencies(hour, until),
        "open by reason": lambda reader: reader.waiting(),
        "spark lines: 25 flows, 20 runs": lambda reader: reader.recent(flows, 20),
        "journal size": lambda reader: reader.size(),
        "last deliveries of a flow": lambda reader: reader.last_deliveries("sales", "flow-03"),
        "dashboard in all": lambda reader: [
            reader.minutes(hour, until),
            reader.latencies(hour, until),
            reader.waiting(),
            reader.recent(flows, 20),
            reader.size(),
            reader.tip(),
            reader.rows(Query(limit=10, total_max=0)),
        ],
    }


def listed(query: Any) -> Callable[[Any], Any]:
    """The question for a page of executions and its total."""
    return lambda reader: reader.rows(query)


def ask(directory: Path, count: int, rounds: int) -> None:
    """Put every question some times, and print what it took."""
    store = SqliteStore(directory)
    reader = store.reader()
    print(f"{'question':34} {'min':>8} {'median':>8} {'max':>8} ms")
    for name, question in questions(count).items():
        took = []
        for _ in range(rounds):
            begun = time.perf_counter()
            question(reader)
            took.append((time.perf_counter() - begun) * 1000)
        print(f"{name:34} {min(took):8.2f} {statistics.median(took):8.2f} {max(took):8.2f}")
    reader.close()
    store.close()


def compare(checkout: Path, count: int) -> None:
    """Write here and there in turns, and print the ratio."""
    here = Path(__file__).parents[1]
    found: dict[Path, list[dict[str, float]]] = {here: [], checkout: []}
    for _ in range(TURNS):
        for side, measured in found.items():
            measured.append(_written(side, count))
    for kind in ("wall", "work"):
        ours, theirs = (statistics.median(one[kind] for one in found[side]) for side in (here, checkout))
        print(
            f"writing by {kind:4} here {ours:8.0f} there {theirs:8.0f} entries/s  ratio {ours / theirs:.3f}"
        )


def _written(checkout: Path, count: int) -> dict[str, float]:
    path = {"PYTHONPATH": str(checkout / "tests" / "import_root")}
    command = [sys.executable, "-P", __file__, "--write", "--count", str(count)]
    measured = subprocess.run(command, env=os.environ | path, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(measured.stdout)
    return answer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        print(json.dumps(trio.run(write, given.count)))
        return
    if given.against:
        compare(given.against.resolve(), min(given.count, 10_000))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        took = trio.run(fill, Path(directory), given.count)
        size = sum(file.stat().st_size for file in Path(directory).iterdir())
        print(f"{given.count} executions written in {took:.1f} s, {size / 2**20:.0f} MiB")
        ask(Path(directory), given.count, given.rounds)


if __name__ == "__main__":
    main()
