"""The journal: order at once, durability in groups, and a poisoned partition stops."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hookledger.journal.entry import SYSTEM, Chain, Entry
from hookledger.journal.errors import JournalPoisoned
from hookledger.journal.events import EpochStarted, JournalClosed, JournalOpened
from hookledger.journal.journal import open_journal
from hookledger.journal.memory import MemoryStore
from hookledger.journal.store import Batch

from .builders import START, CountingEntropy, FixedClock, append, golden, made, received


class GatedStore(MemoryStore):
    """A store whose commits wait for the test, and fail when it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.gate = trio.Event()
        self.failure: Exception | None = None

    async def commit(self, batch: Batch) -> None:
        self.batches.append(len(batch.entries))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        await super().commit(batch)


def opened(store: MemoryStore, clock: FixedClock | None = None) -> Any:
    return open_journal(store, clock=clock or FixedClock(), entropy=CountingEntropy())


async def test_a_ticket_is_durable_only_after_the_commit() -> None:
    """
    `append` returns at once with a position; `durable` returns when the store has it.
    """
    store = GatedStore()
    async with opened(store) as journal, trio.open_nursery() as nursery:
        ticket = append(journal, "x", golden())
        done = trio.Event()

        async def wait() -> None:
            await ticket.durable()
            done.set()

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        assert not done.is_set()
        assert await journal.read("x") == []
        store.gate.set()
        await done.wait()
        assert await journal.read("x") == list(golden())


async def test_appends_during_a_commit_become_one_batch() -> None:
    """
    Group commit: whatever is appended while a commit runs is the next batch, and all its waiters wake.
    """
    store = GatedStore()
    async with opened(store) as journal:
        await wait_all_tasks_blocked()
        tickets = [append(journal, f"x{n}", (received(),)) for n in range(50)]
        await wait_all_tasks_blocked()
        store.gate.set()
        for ticket in tickets:
            await ticket.durable()
        assert store.batches == [2, 50]
        assert [ticket.entry.header.pos for ticket in tickets] == list(range(2, 52))


async def test_a_failed_commit_poisons_everything() -> None:
    """
    J003: waiters of the failed batch and of the queue behind it are woken with the reason; appends raise.
    """
    store, raised = GatedStore(), list[str]()

    async def wait(ticket: Any) -> None:
        with pytest.raises(JournalPoisoned, match="disk full"):
            await ticket.durable()
        raised.append(ticket.entry.header.exec)

    with pytest.RaisesGroup(JournalPoisoned, flatten_subgroups=True):
        async with trio.open_nursery() as nursery, opened(store) as journal:
            nursery.start_soon(wait, append(journal, "a", (received(),)))
            await wait_all_tasks_blocked()
            nursery.start_soon(wait, append(journal, "b", (received(),)))
            await wait_all_tasks_blocked()
            store.failure = OSError("disk full")
            store.gate.set()
            with trio.CancelScope(shield=True):
                await wait_all_tasks_blocked()
            with pytest.raises(JournalPoisoned, match="J003"):
                append(journal, "c", (received(),))
            await trio.lowlevel.checkpoint()
    assert sorted(raised) == ["a", "b"]
    assert list(store.scan()) == []


async def test_epochs_grow_and_the_journal_says_goodbye() -> None:
    """
    Opened once, an epoch per writer, JournalClosed at the end; its absence would mean a crash.
    """
    store = MemoryStore()
    for _ in range(2):
        async with opened(store):
            pass
    kinds = [type(event) for entry in store.entries(SYSTEM) for event in entry.events()]
    assert kinds == [JournalOpened, EpochStarted, JournalClosed, EpochStarted, JournalClosed]
    assert [entry.header.ep for entry in store.scan()] == [1, 1, 1, 2, 2]


async def test_time_never_falls() -> None:
    """
    When the clock steps back, also over a restart, headers keep the newest time.
    """
    store, clock = MemoryStore(), FixedClock()
    async with opened(store, clock) as journal:
        clock.time -= 1_000_000
        append(journal, "x", (received(at=START),))
    async with opened(store, clock):
        pass
    times = [entry.header.ts for entry in store.scan()]
    assert times == sorted(times)
    assert times[-1] == START


async def test_followers_see_durable_entries() -> None:
    """
    A follower gets each commit's entries in order until it stops.
    """
    store, seen = MemoryStore(), list[str]()
    async with opened(store) as journal:
        await wait_all_tasks_blocked()

        def look(entries: Sequence[Entry]) -> None:
            seen.extend(entry.header.exec for entry in entries)

        stop = journal.follow(look)
        await append(journal, "x", (received(),)).durable()
        stop()
        await append(journal, "y", (received(),)).durable()
    assert seen == ["x"]


async def test_events_must_continue_their_chain() -> None:
    """
    A caller that skips a sequence is stopped before anything is written.
    """
    async with opened(MemoryStore()) as journal:
        with pytest.raises(AssertionError):
            journal.append(Chain(execution="x"), (made(type(received()), 3),), actor="a:b")
