"""Power cuts: what was acknowledged is there afterwards, once, and came to its end."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest
import trio

from hookledger.journal.entry import Entry
from hookledger.journal.events import EpochStarted, JournalClosed
from hookledger.journal.sqlite import SqliteReader, partition_file
from hookledger.journal.store import Query
from hookledger.journal.verify import SqliteSource, verify
from hookledger.runtime.flow.parse import parse_flow
from tests.simulation.rules import Story, broken

from .forking import Forking, forking
from .load import FLOWS, USER, Ledger, Round, exchange
from .processes import system_events, until

ROUNDS = int(os.environ.get("KILL_ROUNDS", "6"))
"""`make kill` kills a hundred times, `make kill ROUNDS=1000` as often as that."""
ROUNDS_PER_JOURNAL = 50
SEED = int(os.environ.get("KILL_SEED", "20261130"))
MICROSECONDS = 1_000_000


@pytest.mark.timeout(0 if ROUNDS > 20 else 240)
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """
    Waiting and not, deduplicated, queued, retrying and sleeping webhooks, subflows and what ends start, with commands
    beside them, on twelve connections, `kill -9` in the middle, over and over: afterwards every acknowledged delivery,
    key and command is in the journal once, limits and order of queues were kept, and the journal verifies.
    """
    flows = tmp_path / "flows"
    flows.mkdir()
    for name, source in FLOWS.items():
        (flows / f"{name}.yaml").write_text(source)
    users = {"HOOKLEDGER_USERNAME": USER[0], "HOOKLEDGER_PASSWORD": USER[1]}
    chance = random.Random(SEED)
    left, book = ROUNDS, 0
    with forking(flows, tmp_path / "output", **users) as servers:
        while left > 0:
            rounds = min(left, ROUNDS_PER_JOURNAL)
            await _one_journal(servers, tmp_path / f"data{book}", rounds, chance)
            left, book = left - rounds, book + 1


async def _one_journal(servers: Forking, data: Path, rounds: int, chance: random.Random) -> None:
    ledger = Ledger()
    for number in range(rounds):
        port = await servers.start(data)
        traffic = Round(ledger, port, number, chance, chance.randrange(5, 60))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(traffic.run)
            await traffic.kill.wait()
            servers.kill()
    port = await servers.start(data)
    await _all_end(port, data)
    assert servers.interrupt() == 0, servers.said()
    _check(data, ledger)
    events = system_events(data)
    assert sum(isinstance(event, EpochStarted) for event in events) == rounds + 1
    assert sum(isinstance(event, JournalClosed) for event in events) == 1, "a killed server closes nothing"


async def _all_end(port: int, data: Path) -> None:
    """Resume what an operator has paused, and wait for the rest, and for what follows from an end."""
    for execution in _open(data, "PAUSED"):
        await exchange(
            port, "POST", f"/api/v1/main/executions/{execution}/actions/resume", body=b"{}", user=True
        )
    await until(lambda: not _open(data) and len(_of(data, "follows")) == len(_of(data, "parent")))
    await until(lambda: not _open(data))


def _open(data: Path, *waits: str) -> list[str]:
    return _found(data, Query(open=True, limit=100_000, waits=waits))  # type: ignore[arg-type]


def _of(data: Path, flow: str) -> list[str]:
    return _found(data, Query(flow=flow, limit=100_000))


def _found(data: Path, query: Query) -> list[str]:
    reader = SqliteReader(partition_file(data))
    try:
        return [row.execution for row in reader.rows(query)[0]]
    finally:
        reader.close()


def _check(data: Path, ledger: Ledger) -> None:
    source = SqliteSource(partition_file(data))
    report = verify(source)
    source.close()
    assert report.ok, [f"{one.rule} {one.execution} {one.message}" for one in report.violations[:10]]
    story = _story(data)
    assert not (words := broken(story)), words[:10]
    _check_deliveries(story, ledger)
    _check_commands(story, ledger)


def _story(data: Path) -> Story:
    """The journal for the simulation's rules; how late something was is no rule on a busy machine."""
    reader = SqliteReader(partition_file(data))
    try:
        entries: list[Entry] = list(reader.scan())
    finally:
        reader.close()
    flows = {name: parse_flow(text) for name, text in FLOWS.items()}
    return Story(
        entries, lambda entry: entry.header.ts / MICROSECONDS, flows, began=[0.0], slack=1e9, clock_set=False
    )


def _check_deliveries(story: Story, ledger: Ledger) -> None:
    """Each id was begun by what it was the answer to; a key has one execution, a marker no more than it was sent."""
    markers: Counter[str] = Counter()
    keys: Counter[tuple[str, str]] = Counter()
    for state in story.states.values():
        received = state.received
        assert received is not None
        assert state.terminal is not None
        markers[received.query] += bool(received.query)
        keys[received.flow, received.deduplication] += bool(received.deduplication)
    assert max(keys.values(), default=0) <= 1, "a key has several executions"
    for execution, told in ledger.delivered.items():
        assert execution in story.states, f"{execution} was acknowledged and is lost"
        received = story.states[execution].received
        assert received is not None
        for one in told:
            assert (received.flow, received.query) == (one.flow, f"marker={one.marker}")
            assert received.deduplication == one.key
    for marker, sent in ledger.tried.items():
        assert markers[f"marker={marker}"] <= sent, f"{marker} was started more often than it was sent"


def _check_commands(story: Story, ledger: Ledger) -> None:
    """A command that was answered is there, once; a kill may have come second."""
    for told in ledger.commanded:
        events = [moment.event for moment in story.of[told.execution]]
        texts = [str(getattr(event, "text", "") or getattr(event, "reason", "")) for event in events]
        texts += [event.labels.get("mark", "") for event in events if type(event).__name__ == "LabelsSet"]
        if told.name in ("note", "labels", "restart"):
            assert texts.count(told.mark) == 1, f"{told.name} {told.mark} of {told.execution}"
        if told.name == "kill":
            assert any(type(event).__name__ == "KillRequested" for event in events), (
                f"the kill {told.mark} is lost"
            )
