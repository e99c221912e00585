"""One owner of an execution at any moment: whoever reads it in order to write it holds its lock meanwhile."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio


class Ownership:
    """Locks of executions; one exists only as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[str, trio.Lock] = {}

    @asynccontextmanager
    async def of(self, execution: str) -> AsyncGenerator[None]:
        """Hold the execution until the block ends; who asks next is served next."""
        lock = self._locks.setdefault(execution, trio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and self._locks.get(execution) is lock:
                del self._locks[execution]
