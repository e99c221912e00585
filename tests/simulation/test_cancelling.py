"""Leaving in the middle of something."""

import trio

from hookledger.actors import Delivery, Note
from tests.simulation.faults import Faults
from tests.simulation.scheduling import run_seeded
from tests.simulation.world import World

FLOW = """
id: slow
namespace: golden
tasks:
  - id: slow
    type: sim.Probe
    seconds: 3600
"""


def test_a_cancelled_engine_ends_although_a_command_waits_for_its_commit() -> None:
    """
    A host that cancels the engine's block gets out of it, even while a command's answer waits for the journal.
    """
    world = World(1, Faults(commit_seconds=(2.0, 2.0)))

    async def program() -> float:
        with trio.move_on_after(20):
            async with world.life(FLOW) as engine, trio.open_nursery() as nursery:
                execution = await engine.deliver(
                    engine.flow("golden", "slow"), None, Delivery(), actor="caller:simulated"
                )
                await execution.accepted()
                await trio.sleep(19 - trio.current_time())
                nursery.start_soon(engine.command, execution.id, Note(by="user:me", text="in this commit"))
                await trio.sleep(0.5)
                nursery.start_soon(engine.command, execution.id, Note(by="user:me", text="in the next"))
                await trio.sleep_forever()
        return trio.current_time()

    assert run_seeded(1, program) < 30
    world.check()
