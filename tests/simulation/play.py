"""Plays cases in a world: callers deliver and wait, an operator looks in, processes die and come back."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import trio
import trio.testing

from hookledger.actors import CommandRefused, Delivery, Engine, Kill, Pause, Restart, Resume
from hookledger.journal.errors import JournalPoisoned
from hookledger.journal.events import ExecutionPaused
from hookledger.journal.store import Query
from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.state import State
from tests.simulation.cases import Case, Script
from tests.simulation.faults import survived
from tests.simulation.scheduling import run_seeded
from tests.simulation.world import World

PATIENCE_SECONDS: Final = 10_000
"""Virtual: an execution that has not ended by then waits for something nobody will do."""
OPERATOR: Final = "user:operator"


class Play:
    """One case (or several) in one world."""

    def __init__(self, world: World, *cases: Case) -> None:
        self.world = world
        self.cases = cases
        self._accepted: dict[int, str] = {}
        """What a caller was told is accepted, by case: no need to deliver that again."""
        self._done: set[int] = set()
        self._scripts: dict[str, Script] = {}
        for case in cases:
            flow = parse_flow(case.source, registry=world.registry)
            self._scripts[flow.id] = case.script

    def run(self) -> World:
        """Play until every case has ended and the journal has no open execution."""
        run_seeded(f"{self.world.seed}:scheduler", self._lives)
        return self.world

    async def _lives(self) -> None:
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            while True:
                with survived(self.world.fate, JournalPoisoned) as ends:
                    await self._life()
                if not ends:
                    break
        assert not patience.cancelled_caught, f"still open: {self._waiting()}"

    async def _life(self) -> None:
        sources = tuple(source for case in self.cases for source in case.sources)
        async with self.world.life(*sources) as engine, trio.open_nursery() as nursery:
            nursery.start_soon(self._operate, engine)
            async with trio.open_nursery() as callers:
                for number in range(len(self.cases)):
                    if number not in self._done:
                        callers.start_soon(self._call, engine, number)
            await self._all_ended(engine)
            nursery.cancel_scope.cancel()

    async def _call(self, engine: Engine, number: int) -> None:
        """A caller without an answer delivers again; one that was told `accepted` only asks."""
        world, case = self.world, self.cases[number]
        if number in self._accepted:
            execution = await engine.attach(self._accepted[number])
        else:
            script = case.script
            flow = engine.flow(*_name(case, world))
            delivery = Delivery(variables=script.variables, inputs=script.inputs, source="simulation")
            execution = await engine.deliver(flow, None, delivery, actor="caller:simulated", wait=script.wait)
            if not script.wait:
                await world.accepted(execution)
                self._accepted[number] = execution.id
        await world.finished(execution)
        self._done.add(number)

    async def _all_ended(self, engine: Engine) -> None:
        """By looking again, as anybody outside has to."""
        while await self._restarted(engine) or await self._open(engine):  # noqa: ASYNC110
            await trio.sleep(1)

    async def _open(self, engine: Engine) -> int:
        await trio.testing.wait_all_tasks_blocked()  # what an end starts is there only when its entry is
        return (await engine.journal.ask(lambda reader: reader.rows(Query(open=True))))[1]

    async def _restarted(self, engine: Engine) -> bool:
        """Open again what ended badly, where the script wants that; True when there was something."""
        rows, _ = await engine.journal.ask(lambda reader: reader.rows(Query(open=False, limit=1000)))
        found = False
        for row in rows:
            script = self._scripts.get(row.flow, Script())
            state = await engine.replay(row.execution)
            if (
                state.terminal is not None
                and state.generation < script.restarts
                and state.status not in ("SUCCESS", "KILLED")
            ):
                found = True
                with suppress(CommandRefused):
                    await engine.command(row.execution, Restart(by=OPERATOR, reason="scripted"))
        return found

    async def _operate(self, engine: Engine) -> None:
        """Look at what is open every second."""
        while True:
            await trio.sleep(1)
            rows, _ = await engine.journal.ask(lambda reader: reader.rows(Query(open=True, limit=1000)))
            for row in rows:
                script = self._scripts.get(row.flow, Script())
                state = await engine.replay(row.execution)
                with suppress(CommandRefused):
                    await self._attend(engine, row.execution, script, state)

    async def _attend(self, engine: Engine, execution: str, script: Script, state: State) -> None:
        now = self.world.clock.now()
        assert state.received is not None
        age = now - state.received.at
        unkilled = state.kill is None and state.generation == 0
        if script.kill_after and age >= script.kill_after * 1_000_000 and unkilled:
            await engine.command(execution, Kill(by=OPERATOR, reason="scripted"))
            return
        operated = "" in state.pauses or "" in state.resumed
        if script.pause_at and age >= script.pause_at * 1_000_000 and not operated:
            await engine.command(execution, Pause(by=OPERATOR))
            return
        for path, pause in sorted(state.pauses.items()):
            command = _answer(script, pause, now)
            if command is not None:
                await engine.command(execution, command(path))

    def _waiting(self) -> list[Any]:
        return [
            (execution, state.status, sorted(state.pauses), state.runs.keys())
            for execution, state in self.world.states().items()
            if state.terminal is None
        ]


def _answer(script: Script, pause: ExecutionPaused, now: int) -> Callable[[str], Resume] | None:
    """What the operator says to something that waits; None for not yet."""
    waited = now - pause.at
    if pause.reason == "in_doubt":
        return lambda path: Resume(by=OPERATOR, path=path, choice=script.choice)
    if pause.reason == "operator" and waited >= 10_000_000:
        return lambda path: Resume(by=OPERATOR, path=path)
    if pause.reason == "task" and pause.path in script.resume and waited >= 5_000_000:
        return lambda path: Resume(by=OPERATOR, path=path, inputs=script.resume[path])
    return None


def _name(case: Case, world: World) -> tuple[str, str]:
    flow = parse_flow(case.source, registry=world.registry)
    return flow.namespace, flow.id
