"""One heap for every wait of every resting execution; rebuilt from the journal at start."""

import heapq
import math

import trio

from hookledger.journal.ports import Clock


class Timers:
    """Says which execution is due. A later setting replaces an earlier one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}
        self._changed = trio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def set(self, execution: str, due: int) -> None:
        """Wake `execution` at `due`, microseconds."""
        self._due[execution] = due
        heapq.heappush(self._heap, (due, execution))
        self._changed.set()

    def drop(self, execution: str) -> None:
        """Forget it; its place in the heap is passed over when it comes up."""
        self._due.pop(execution, None)

    async def next(self) -> str:
        """Wait for the next execution that is due."""
        while True:
            self._changed = trio.Event()
            seconds = self._seconds_to_first()
            if seconds <= 0:
                _, execution = heapq.heappop(self._heap)
                del self._due[execution]
                await trio.lowlevel.checkpoint()
                return execution
            with trio.move_on_after(seconds):
                await self._changed.wait()

    def _seconds_to_first(self) -> float:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return math.inf
        return (self._heap[0][0] - self._clock.now()) / 1_000_000
