"""Clock, randomness and store of a simulated machine."""

import random
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import trio

from hookledger.journal.entry import SALT_BYTES, Entry
from hookledger.journal.memory import MemoryStore
from hookledger.journal.store import Batch, Reader
from tests.simulation.faults import APPEND, COMMIT, COMMITTED, Crash, DiskFailed, Fate, Refused

T = TypeVar("T")

EPOCH: Final = 1_800_000_000_000_000
"""Where simulated time begins, microseconds: 2027-01-15."""


def simulated_seconds() -> float:
    """Trio's time, also in a thread beside its loop."""
    try:
        return trio.current_time()
    except RuntimeError:
        return trio.from_thread.run_sync(trio.current_time)


class SimClock:
    """Wall time over trio's clock; can be set."""

    def __init__(self) -> None:
        self.offset = 0

    def now(self) -> int:
        return EPOCH + self.offset + round(simulated_seconds() * 1_000_000)


class SimEntropy:
    """Seeded randomness. Every append draws one salt, so a salt is the place where a crash can hit an append."""

    def __init__(self, seed: str, fate: Fate) -> None:
        self._random = random.Random(seed)
        self._fate = fate
        self.drawn_at: dict[bytes, float] = {}
        """When each salt was drawn, so when its entry was appended; seconds of trio's clock."""

    def token(self, size: int) -> bytes:
        if size != SALT_BYTES:
            return self._random.randbytes(size)
        self._fate.step(APPEND)
        salt = self._random.randbytes(size)
        self.drawn_at[salt] = simulated_seconds()
        return salt


class SimStore:
    """One process's view of a disk that outlives it: slow, failing, or cut off by a crash."""

    def __init__(
        self,
        disk: MemoryStore,
        fate: Fate,
        chance: random.Random,
        on_disk: Callable[[Iterable[Entry]], None],
    ) -> None:
        self.disk = disk
        self._fate = fate
        self._chance = chance
        self._on_disk = on_disk

    def create(self, origin: str) -> None:
        self.disk.create(origin)

    async def commit(self, batch: Batch) -> None:
        """Either all of it is on the disk afterwards or nothing; the caller may not live to learn which."""
        self._fate.step(COMMIT)
        await trio.sleep(self._chance.uniform(*self._fate.faults.commit_seconds))
        if self._fate.dead:
            raise Crash("died while it was writing")
        number, fails = self._fate.commit()
        if self._fate.faults.poison_lands or not fails:
            try:
                await self.disk.commit(batch)
            except ValueError as error:
                raise Refused(str(error)) from error
            self._on_disk(batch.entries)
        if fails:
            raise DiskFailed(f"commit {number}")
        self._fate.step(COMMITTED)

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """The answer is of one moment, and may be old when it arrives."""
        slow = self._fate.faults.ask_seconds
        if not slow[1]:
            return await self.disk.ask(question)
        await trio.sleep(self._chance.uniform(*slow) / 2)
        found = await self.disk.ask(question)
        await trio.sleep(self._chance.uniform(*slow) / 2)
        return found

    def reader(self) -> Reader:
        return self.disk.reader()

    def close(self) -> None:
        """The disk stays."""
