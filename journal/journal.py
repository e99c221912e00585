"""The journal: gives appended events their order and hashes at once, and makes them durable in groups.

`append` never waits: it seals an entry, queues it and returns a ticket. One loop takes everything queued,
commits it in one transaction with one fsync and wakes all waiters of that batch. There is no timer: batches
form only while the previous commit runs. A failed commit poisons the partition; it is never tried again, because
nobody knows what reached the disk. A commit that another program's lock kept from beginning is no failure: it waits.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

import trio

from hookledger.journal.entry import SALT_BYTES, SYSTEM, Chain, Entry, Payload, log_id, principal, seal
from hookledger.journal.errors import ChainConflict, JournalPoisoned
from hookledger.journal.events import (
    AnyEvent,
    EpochStarted,
    JournalClosed,
    JournalOpened,
    SystemEvent,
    decode_events,
)
from hookledger.journal.index import ExecutionRow
from hookledger.journal.ports import (
    Clock,
    Entropy,
    SystemClock,
    SystemEntropy,
    Writer,
    software,
    this_process,
)
from hookledger.journal.store import Batch, LogLine, Reader, Store, StoreBusy, StoreFailed, Tip

logger = logging.getLogger("hookledger.journal")

T = TypeVar("T")

BUSY_TRIES_AT_END: Final = 5
"""How often a journal that is being closed still tries against another program's lock."""
PAGE: Final = 100
"""Entries of the partition's own stream, each perhaps with a large value, that are held at once at the start."""
ENDS_MAX: Final = 65_536
"""Executions whose end is remembered, so that a second writer of one is refused before it reaches the store."""


class Ticket:
    """Proof that events have their place; `durable` waits until they can no longer be lost."""

    __slots__ = ("_committed", "_journal", "entry")

    def __init__(self, journal: "Journal", entry: Entry, committed: trio.Event) -> None:
        self.entry = entry
        self._journal = journal
        self._committed = committed

    async def durable(self) -> None:
        """Wait for the group commit that carries this entry.

        Raises:
            JournalPoisoned: That commit failed.
        """
        await self._committed.wait()
        if self._journal.poisoned_at(self.entry.header.pos):
            raise self._journal.failure()


class Journal:
    """One partition, open for writing. Make it with `open_journal`."""

    def __init__(
        self, store: Store, tip: Tip, system: Chain, clock: Clock, entropy: Entropy, linger: float = 0.0
    ) -> None:
        self._store = store
        self._linger = linger
        self._clock = clock
        self._entropy = entropy
        self._log = log_id(tip.origin)
        self._epoch = tip.epoch + 1
        self._position = tip.position
        self._durable = tip.position
        self._timestamp = tip.timestamp
        self._system = system
        self._batch, self._committed = Batch(), trio.Event()
        self._work = trio.Event()
        self._closing = False
        self._committing: float | None = None
        self._ends: dict[str, int] = {}
        """Number of the entry that comes next, of executions written of late."""
        self._followers: list[Callable[[Sequence[Entry]], None]] = []
        self.poison = ""
        """Why a commit failed: which file, which error; empty while none did."""
        self._advice = ""
        self.stopped = trio.Event()
        """Set when a commit failed: what waits is told, and nothing more is taken."""
        self._left = trio.Event()
        self.crashed = False
        """True when the previous writer did not leave in good order."""

    @property
    def clock(self) -> Clock:
        """The clock every event's `at` comes from."""
        return self._clock

    @property
    def entropy(self) -> Entropy:
        """The source of salts, ids and seeds."""
        return self._entropy

    def append(
        self,
        chain: Chain,
        events: Sequence[AnyEvent],
        *,
        actor: str,
        row: ExecutionRow | None = None,
        logs: Sequence[LogLine] = (),
        prepared: Payload | None = None,
    ) -> Ticket:
        """Seal the events as the chain's next entry and queue it. Order is fixed when this returns.

        Args:
            chain: The execution's end; moved past the new entry.
            events: In sequence, at least one.
            actor: Principal as `kind:id`, without personal data.
            row: The execution's index row after these events.
            logs: Lines to be kept beside the journal.
            prepared: The events as `prepare` encoded and hashed them, where they are large.

        Raises:
            JournalPoisoned: An earlier commit failed.
            ChainConflict: The chain's end is not the execution's: another chain has moved it. Nothing is appended.
        """
        if self.poison:
            raise self.failure()
        self._check_continues(chain)
        self._timestamp = max(self._timestamp, self._clock.now(), events[-1].at)
        entry = seal(
            chain,
            events,
            log=self._log,
            epoch=self._epoch,
            position=self._position,
            timestamp=self._timestamp,
            actor=principal(actor, self._log),
            salt=self._entropy.token(SALT_BYTES) if prepared is None else b"",
            prepared=prepared,
        )
        self._position += 1
        self._remember_end(chain)
        self._batch.take(entry, events, row)
        self._batch.logs.extend(logs)
        self._work.set()
        return Ticket(self, entry, self._committed)

    def _check_continues(self, chain: Chain) -> None:
        expected = self._ends.get(chain.execution, chain.n)
        if chain.n != expected:
            raise ChainConflict(chain.execution, expected=expected, found=chain.n)

    def _remember_end(self, chain: Chain) -> None:
        """Behind the newest, so that the ones left alone for longest are forgotten first."""
        self._ends.pop(chain.execution, None)
        self._ends[chain.execution] = chain.n
        if len(self._ends) > ENDS_MAX:
            del self._ends[next(iter(self._ends))]

    def append_system(self, make: Callable[[int, int], SystemEvent], *, actor: str = "engine:self") -> Ticket:
        """Append to the partition's own stream; `make` gets the event's sequence and time."""
        event = make(self._system.seq, max(self._timestamp, self._clock.now()))
        return self.append(self._system, (event,), actor=actor)

    def follow(self, follower: Callable[[Sequence[Entry]], None]) -> Callable[[], None]:
        """Call `follower` with the entries of each commit once they are durable; returns the way to stop."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    async def read(self, execution: str) -> list[AnyEvent]:
        """Return an execution's durable events; empty when there is none."""
        return await self.ask(
            lambda reader: [event for entry in reader.entries(execution) for event in entry.events()]
        )

    async def each_system(self, take: Callable[[AnyEvent], None]) -> None:
        """Hand over the partition's own durable events in order; no more than a page of them is held at once."""
        number = 0
        while True:
            entries, events = await self.ask(partial(_page, number=number))
            for event in events:
                take(event)
            number += entries
            if entries < PAGE:
                return

    async def entries(self, execution: str) -> list[Entry]:
        """Return an execution's durable entries."""
        return await self._store.ask(lambda reader: reader.entries(execution))

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """Answer a question about what is durable, without blocking the event loop."""
        return await self._store.ask(question)

    def reader(self) -> Reader:
        """A reader for synchronous callers; theirs to close."""
        return self._store.reader()

    def poisoned_at(self, position: int) -> bool:
        """True when the entry at `position` was not committed and never will be."""
        return bool(self.poison) and position >= self._durable

    def failure(self) -> JournalPoisoned:
        """What whoever waited for a failed commit is told."""
        return JournalPoisoned(self.poison, self._advice)

    async def run(self) -> None:
        """Commit until `close` was called and nothing is left.

        Raises:
            JournalPoisoned: A commit failed; those who waited for it were told before.
        """
        while True:
            await self._work.wait()
            if not self._batch.entries:
                return
            await self._commit_queued()

    @property
    def committing_seconds(self) -> float:
        """How long the commit under way has taken so far; 0 when there is none."""
        return 0.0 if self._committing is None else trio.current_time() - self._committing

    def close(self) -> None:
        """Commit what is queued, then let `run` end."""
        self._closing = True
        self._work.set()

    def leave(self) -> None:
        """After `stopped`: everybody was told, so `run` need not linger."""
        self._left.set()

    async def _commit_queued(self) -> None:
        batch, committed = self._batch, self._committed
        self._batch, self._committed = Batch(), trio.Event()
        if not self._closing:
            self._work = trio.Event()
        self._committing = trio.current_time()
        try:
            await self._written(batch)
        except Exception as error:
            self._poisoned(error, committed)
            with trio.move_on_after(self._linger):
                await self._left.wait()
            raise self.failure() from error
        except BaseException as error:  # nobody commits from here on: who waits, shielded perhaps, is told
            self.poison = f"the commit was broken off ({type(error).__name__})"
            committed.set()
            self._committed.set()
            raise
        self._committing = None
        self._durable += len(batch.entries)
        committed.set()
        for follower in tuple(self._followers):
            follower(batch.entries)

    async def _written(self, batch: Batch) -> None:
        """Commit it; between two tries against another program's lock nothing was written, so it may be cancelled."""
        tries = 0
        while True:
            try:
                with trio.CancelScope(shield=True):
                    await self._store.commit(batch)
                return
            except StoreBusy as busy:
                tries = tries + 1 if self._closing else 0
                if tries >= BUSY_TRIES_AT_END:
                    raise
                logger.warning(
                    "%s; the journal waits: nothing new is acknowledged until that program lets go", busy
                )
            await trio.lowlevel.checkpoint()

    def _poisoned(self, error: Exception, committed: trio.Event) -> None:
        """Say why, once and in one line, and wake everybody who waits, so that they learn of it."""
        self.poison = str(error) or type(error).__name__
        self._advice = error.advice if isinstance(error, StoreFailed) else "free the disk or repair it"
        logger.critical("%s", self.failure())
        self.stopped.set()
        committed.set()
        self._committed.set()


@asynccontextmanager
async def open_journal(
    store: Store,
    *,
    partition: int = 0,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    writer: Writer | None = None,
    linger: float = 0.0,
) -> AsyncGenerator[Journal]:
    """Own a partition until the block ends: a new epoch, a commit loop, and a JournalClosed at the end.

    Args:
        linger: Seconds between a failed commit and the block's cancellation, in which callers can be answered.

    Raises:
        JournalPoisoned: A commit failed; the block is cancelled.
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    reader = store.reader()
    try:
        tip = reader.tip() or _create(store, entropy)
        system = reader.system(limit=1)
    finally:
        reader.close()
    chain = Chain.after(system[-1]) if system else Chain(execution=SYSTEM)
    journal = Journal(store, tip, chain, clock, entropy, linger)
    journal.crashed = bool(system) and system[-1].header.types[-1] != JournalClosed.__name__
    _announce(journal, tip, partition, writer or this_process())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        try:
            yield journal
        except BaseException:
            nursery.cancel_scope.cancel()
            raise
        journal.leave()
        if not journal.poison:
            epoch = tip.epoch + 1
            journal.append_system(lambda sequence, at: JournalClosed(sequence=sequence, at=at, epoch=epoch))
            journal.close()


def _page(reader: Reader, number: int) -> tuple[int, list[AnyEvent]]:
    """Entries of the partition's own stream from `number` on: how many, and their events."""
    entries = reader.part(SYSTEM, number, PAGE)
    return len(entries), [event for entry in entries for event in entry.events()]


def _create(store: Store, entropy: Entropy) -> Tip:
    origin = f"hookledger/{entropy.token(16).hex()}"
    store.create(origin)
    return Tip(origin=origin, position=0, timestamp=0, epoch=0)


def _announce(journal: Journal, tip: Tip, partition: int, writer: Writer) -> None:
    if tip.position == 0:
        journal.append_system(
            lambda sequence, at: JournalOpened(
                sequence=sequence, at=at, origin=tip.origin, partition=partition, software=writer.software
            )
        )
    journal.append_system(
        lambda sequence, at: EpochStarted(
            sequence=sequence,
            at=at,
            epoch=tip.epoch + 1,
            host=writer.host,
            process=writer.process,
            software=writer.software,
            recovered=tip.position,
        )
    )


__all__ = ["Journal", "Ticket", "decode_events", "open_journal", "software"]
