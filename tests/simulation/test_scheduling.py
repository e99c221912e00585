"""The hooks into trio that the simulation stands on."""

import trio

from tests.simulation.scheduling import missing_hooks, run_seeded


def test_trio_still_has_the_hooks_for_a_seeded_scheduler() -> None:
    """
    The simulation sets private names of trio. When this fails, a trio release renamed them: adapt `scheduling`.
    """
    assert missing_hooks() == []


def _trace(seed: int) -> list[int]:
    trace: list[int] = []

    async def worker(number: int) -> None:
        for _ in range(20):
            trace.append(number)
            await trio.lowlevel.checkpoint()

    async def program() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(worker, number)

    run_seeded(seed, program)
    return trace


def test_the_seed_alone_decides_the_order_of_tasks() -> None:
    """
    Equal seeds interleave tasks equally, other seeds otherwise; the flag must do what its name says.
    """
    assert _trace(1) == _trace(1)
    assert len({tuple(_trace(seed)) for seed in range(10)}) == 10


def test_time_passes_only_while_everybody_waits() -> None:
    """
    An hour of sleep takes no time, and the clock then stands at that hour.
    """

    async def program() -> float:
        await trio.sleep(3600)
        return trio.current_time()

    assert run_seeded(1, program) == 3600
