"""An engine over a store in memory, on trio's own clock: hours pass in no time."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio

from hookledger.actors import Engine, Ports
from hookledger.journal.memory import MemoryStore

EPOCH_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


class TrioClock:
    """Wall time that follows trio's clock, which `autojump_clock` moves."""

    def now(self) -> int:
        try:
            seconds = trio.current_time()
        except RuntimeError:  # in a thread of trio's
            seconds = trio.from_thread.run_sync(trio.current_time)
        return EPOCH_US + int(seconds * 1_000_000)


OpenEngine = Callable[..., AbstractAsyncContextManager[Engine]]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def open_engine(store: MemoryStore) -> OpenEngine:
    """Opens engines one after another on the same store. Ask for `autojump_clock` too: pytest-trio looks only at a
    test's own arguments for it."""

    @asynccontextmanager
    async def opened(*sources: str, **ports: Any) -> AsyncGenerator[Engine]:
        async with Engine.open(store, ports=Ports(clock=TrioClock(), **ports)) as engine:
            for source in sources:
                await engine.register(source)
            yield engine

    return opened
