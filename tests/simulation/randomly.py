"""Random flows, faults, delays and operators: one seed, one run."""

import hashlib
import random
from contextlib import suppress
from typing import Final

import trio

from hookledger.actors import CommandRefused, Engine, Kill, Note, Pause, Resume, SetLabels
from hookledger.actors.operators import OperatorCommand
from hookledger.journal.store import Query
from tests.simulation.cases import Case, Script
from tests.simulation.faults import Faults
from tests.simulation.flows import FlowMaker
from tests.simulation.play import Play
from tests.simulation.world import World

BUSY: Final = "user:busy"


def random_faults(chance: random.Random) -> Faults:
    """Every seed turns each kind of fault on or off."""
    return Faults(
        crash_share=chance.choice([0.0, 0.02, 0.06]),
        crashes_max=chance.randint(1, 5),
        poison_at=frozenset(chance.sample(range(30), chance.choice([0, 0, 1]))),
        poison_lands=chance.random() < 0.5,
        commit_seconds=chance.choice([(0.0, 0.0), (0.0, 0.3), (0.5, 4.0)]),
        clock_steps_back=chance.random() < 0.3,
    )


class BusyPlay(Play):
    """A play with an operator who gives random commands, each of them twice now and then."""

    def __init__(self, world: World, chance: random.Random, *cases: Case) -> None:
        super().__init__(world, *cases)
        self._whims = chance
        self._whims_left = chance.choice([0, 4, 10])

    async def _operate(self, engine: Engine) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(super()._operate, engine)
            while self._whims_left > 0:
                await trio.sleep(self._whims.uniform(0.1, 6))
                rows, _ = await engine.journal.ask(lambda reader: reader.rows(Query(limit=100)))
                if not rows:
                    continue
                self._whims_left -= 1
                command = self._whim()
                for _ in range(self._whims.choice([1, 1, 2])):
                    nursery.start_soon(self._give, engine, self._whims.choice(rows).execution, command)

    async def _give(self, engine: Engine, execution: str, command: OperatorCommand) -> None:
        with suppress(CommandRefused):
            await engine.command(execution, command)

    def _whim(self) -> OperatorCommand:
        return self._whims.choice(
            (
                Kill(by=BUSY, reason="a whim"),
                Pause(by=BUSY),
                Pause(by=BUSY),
                Resume(by=BUSY),
                Note(by=BUSY, text="looked at it"),
                SetLabels(by=BUSY, labels={"seen": "yes"}),
            )
        )


def random_world(seed: int) -> Play:
    """The play a seed stands for."""
    chance = random.Random(f"{seed}:plan")
    world = World(seed, random_faults(chance))
    cases = [_case(number, chance) for number in range(chance.randint(1, 4))]
    return BusyPlay(world, chance, *cases)


def random_run(seed: int) -> World:
    """Play it."""
    return random_world(seed).run()


def digest(world: World) -> str:
    """Of every byte on the disk."""
    found = hashlib.sha256()
    for entry in world.entries():
        found.update(entry.raw + (entry.payload or b"") + (entry.salt or b""))
    return found.hexdigest()


def _case(number: int, chance: random.Random) -> Case:
    source = FlowMaker(chance).flow(f"flow{number}")
    script = Script(
        wait=chance.random() < 0.5,
        pause_at=chance.choice([0.0, 0.0, 0.0, 7.0]),
        choice=chance.choice(["rerun", "accept", "fail"]),
    )
    return Case(name=f"flow{number}", source=source, script=script)
