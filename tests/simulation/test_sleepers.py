"""Thousands asleep."""

import trio

from hookledger.actors.reception import Delivery
from hookledger.journal.events import TimerFired
from hookledger.journal.store import Query
from tests.simulation.faults import survived
from tests.simulation.scheduling import run_seeded
from tests.simulation.world import World

COUNT = 2000
FLOW = """
id: sleeper
namespace: golden
tasks:
  - id: nap
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT1H
"""


def test_two_thousand_sleepers_wake_on_time_across_a_crash() -> None:
    """
    A process dies while two thousand executions sleep; every one wakes at its own time, none early, none late.
    """
    world = World(1)

    async def lives() -> None:
        with survived(world.fate) as ends:
            async with world.life(FLOW) as engine:
                flow = engine.flow("golden", "sleeper")
                for number in range(COUNT):
                    execution = await engine.deliver(flow, None, Delivery(), actor="caller:simulated")
                    if number % 100 == 0:
                        await trio.sleep(1)
                        await world.accepted(execution)
                await trio.sleep(600)
                world.fate.die()
        assert ends == ["Crash"]
        async with world.life() as engine:
            await trio.sleep(3000)
            while (await engine.journal.ask(lambda reader: reader.rows(Query(open=True, limit=1))))[1]:  # noqa: ASYNC110
                await trio.sleep(60)

    run_seeded(1, lives)
    world.check()
    fired = [event for entry in world.entries() for event in entry.events() if isinstance(event, TimerFired)]
    assert len(fired) == COUNT
    assert all(event.at == event.due for event in fired)
