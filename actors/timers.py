"""One heap for every wait of every resting execution; rebuilt from the journal at start."""

import heapq
import math

import trio

from hookledger.actors.clock import ExecutionClock, elapsed
from hookledger.journal.ports import Clock


class Timers:
    """Says which execution is due. A later setting replaces an earlier one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, str]] = []
        self._due: dict[str, tuple[int, ExecutionClock]] = {}
        self._changed = trio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def set(self, execution: str, due: int, clock: ExecutionClock) -> None:
        """Wake `execution` at `due`, microseconds of its own clock."""
        steady = clock.steady(due)
        self._due[execution] = steady, clock
        heapq.heappush(self._heap, (steady, execution))
        self.look_again()

    def clock(self, execution: str) -> ExecutionClock | None:
        """The clock of an execution that rests here."""
        found = self._due.get(execution)
        return None if found is None else found[1]

    def drop(self, execution: str) -> None:
        """Forget it; its place in the heap is passed over when it comes up."""
        self._due.pop(execution, None)

    def look_again(self) -> None:
        """More time may have gone by than was waited for, as on a machine that was suspended."""
        self._changed.set()

    async def next(self) -> str:
        """Wait for the next execution that is due; it stays known here until it is dropped or set again."""
        while True:
            self._changed = trio.Event()
            seconds = self._seconds_to_first()
            if seconds <= 0:
                _, execution = heapq.heappop(self._heap)
                await trio.lowlevel.checkpoint()
                return execution
            with trio.move_on_after(seconds):
                await self._changed.wait()

    def _seconds_to_first(self) -> float:
        while self._heap and not self._waits(*self._heap[0]):
            heapq.heappop(self._heap)
        if not self._heap:
            return math.inf
        return (self._heap[0][0] - elapsed(self._clock)) / 1_000_000

    def _waits(self, steady: int, execution: str) -> bool:
        found = self._due.get(execution)
        return found is not None and found[0] == steady
