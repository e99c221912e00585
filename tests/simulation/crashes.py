"""Crash at every step of a case, recover, and compare with the run that met no fault."""

from collections.abc import Iterator
from typing import Any

from hookledger.runtime.state import State
from tests.simulation.cases import Case
from tests.simulation.faults import Faults
from tests.simulation.play import Play
from tests.simulation.world import World, told_to_replay

Outcome = tuple[str, dict[str, Any], dict[str, str], dict[str, tuple[str, int]]]


def outcome(state: State) -> Outcome:
    """What an execution came to, without anything that names it or tells the time."""
    labels = {name: value for name, value in state.labels.items() if name != "system.correlationId"}
    runs = {path: (run.state, run.attempts) for path, run in sorted(state.runs.items())}
    outputs = {name: value for name, value in state.outputs.items() if name != "executionId"}
    return state.status, outputs, labels, runs


def outcomes(world: World) -> dict[str, list[Outcome]]:
    """Distinct outcomes by flow."""
    found: dict[str, list[Outcome]] = {}
    for state in world.states().values():
        assert state.received is not None
        of_flow = found.setdefault(state.received.flow, [])
        if outcome(state) not in of_flow:
            of_flow.append(outcome(state))
    return found


def attempts(world: World) -> dict[str, set[tuple[str, int]]]:
    """Which attempts took effect, by flow; the same for every execution of the flow, or the sets differ."""
    states = world.states()
    found: dict[str, set[tuple[str, int]]] = {}
    for effect in world.outside.effects:
        received = states[effect.execution].received
        assert received is not None
        found.setdefault(received.flow, set()).add((effect.path, effect.attempt))
    return found


def undisturbed(case: Case, seed: int) -> World:
    """The run that everything is compared with."""
    world = Play(World(seed), case).run()
    world.check()
    return world


def crashed(case: Case, seed: int, *steps: int) -> World:
    """The run that dies at these steps and comes back each time."""
    return Play(World(seed, Faults(crash_at=frozenset(steps))), case).run()


def every_crash(case: Case, seed: int) -> Iterator[tuple[int, str, World]]:
    """One run per step of the undisturbed one: the step, its kind, the world afterwards."""
    for step in undisturbed(case, seed).fate.steps:
        yield step.number, step.kind, crashed(case, seed, step.number)


def compare(case: Case, seed: int, steps: tuple[int, ...], world: World, calm: World) -> None:
    """Fail, with the replay line, unless a run came to what the undisturbed one came to."""
    replay = told_to_replay(seed, f"crash {case.name} --at {','.join(map(str, steps))}")
    try:
        world.check()
    except AssertionError as error:
        raise AssertionError(f"{error}\n{replay}") from error
    assert world.fate.crashes == len(steps), replay
    assert attempts(world) == attempts(calm), replay
    assert outcomes(world) == outcomes(calm), replay
