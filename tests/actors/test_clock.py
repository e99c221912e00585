"""A wall clock that is set while the engine runs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from hookledger.actors import Engine, Ports
from hookledger.journal.entry import SYSTEM
from hookledger.journal.events import ClockStepped
from hookledger.journal.memory import MemoryStore
from hookledger.journal.store import Query
from hookledger.journal.verify import ReaderSource, verify

from .conftest import TrioClock

DAY = 86_400_000_000
HOUR = 3_600_000_000
NAP = """
id: nap
namespace: company.team
tasks:
  - {id: sleep, type: io.kestra.plugin.core.flow.Sleep, duration: PT30S}
  - {id: again, type: io.kestra.plugin.core.flow.Sleep, duration: PT30S}
"""
RETRIED = """
id: retried
namespace: company.team
tasks:
  - id: bad
    type: io.kestra.plugin.core.execution.Fail
    retry: {type: constant, interval: PT30S, maxAttempts: 3}
"""
EACH_MINUTE = """
id: scheduled
namespace: company.team
tasks: [{id: say, type: io.kestra.plugin.core.debug.Return, format: x}]
triggers: [{id: s, type: io.kestra.plugin.core.trigger.Schedule, cron: "* * * * *"}]
"""


class SetClock(TrioClock):
    """Wall time that can be set."""

    offset = 0

    def now(self) -> int:
        return super().now() + self.offset


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@asynccontextmanager
async def opened(store: MemoryStore, clock: SetClock, *sources: str) -> AsyncGenerator[Engine]:
    """An engine beside that clock."""
    async with Engine.open(store, ports=Ports(clock=clock)) as engine:
        for source in sources:
            await engine.register(source)
        yield engine


@pytest.mark.parametrize("step", [DAY, -HOUR, HOUR, -DAY])
@pytest.mark.parametrize(("source", "seconds"), [(NAP, 60), (RETRIED, 60)], ids=["sleep", "retry"])
async def test_waits_are_as_long_as_they_were_meant_to_be(
    autojump_clock: MockClock, store: MemoryStore, clock: SetClock, step: int, source: str, seconds: int
) -> None:
    """
    Sleeps and retries end neither early nor late when the clock is set, those begun after it included.
    """
    async with opened(store, clock, source) as engine:
        name = source.split()[1]
        first = await engine.trigger("company.team", name)
        begun = trio.current_time()
        await trio.sleep(10)
        clock.offset = step
        second = await engine.trigger("company.team", name)
        await first.finished()
        assert trio.current_time() - begun == pytest.approx(seconds, abs=0.1)
        clock.offset = 0
        await second.finished()
        assert trio.current_time() - begun == pytest.approx(seconds + 10, abs=0.1)
    assert verify(ReaderSource(store)).ok


async def test_a_clock_that_goes_wrong_for_a_while_neither_floods_nor_silences_schedules(
    autojump_clock: MockClock, store: MemoryStore, clock: SetClock
) -> None:
    """
    A day forward for 65 seconds: about one run a minute all along, and each step stands in the journal.
    """
    async with opened(store, clock, EACH_MINUTE) as engine:
        await trio.sleep(125)
        clock.offset = DAY
        await trio.sleep(65)
        clock.offset = 0
        await trio.sleep(310)
        events = await engine.journal.read(SYSTEM)
    runs = store.rows(Query(flow="scheduled", limit=2000))[1]
    assert 7 <= runs <= 9
    steps = [event.step for event in events if isinstance(event, ClockStepped)]
    assert [round(step / DAY) for step in steps] == [1, -1]


async def test_a_sleeper_from_a_wrong_day_wakes_in_time_after_a_restart(
    autojump_clock: MockClock, store: MemoryStore, clock: SetClock
) -> None:
    """
    What began while the clock was a day ahead does not sleep that day when the engine is opened again.
    """
    clock.offset = DAY
    async with opened(store, clock, NAP) as engine:
        execution = await engine.trigger("company.team", "nap")
        await trio.sleep(1)
    clock.offset = 0
    begun = trio.current_time()
    async with opened(store, clock) as engine:
        await (await engine.attach(execution.id)).finished()
    assert trio.current_time() - begun <= 60
