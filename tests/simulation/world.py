"""A machine, its disk, its callers and its operator, all decided by one seed."""

import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from hookledger.actors import Engine, Execution, Ports
from hookledger.actors.meaning import FlowMeaning
from hookledger.journal.entry import Entry
from hookledger.journal.events import TaskStarted
from hookledger.journal.memory import MemoryStore
from hookledger.journal.ports import Writer
from hookledger.journal.verify import ReaderSource, verify
from hookledger.runtime.state import State, fold_all
from tests.simulation.faults import Crash, Fate, Faults
from tests.simulation.outside import SimHttp, SimProcesses
from tests.simulation.ports import SimClock, SimEntropy, SimStore
from tests.simulation.probes import Outside, probing

WRITER: Final = Writer(host="simulated", process=1, software="hookledger/simulated")
SECRETS: Final = {"TOKEN": "s3cret-value"}


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller was told."""

    execution: str
    flow: str
    what: str
    """accepted or finished"""
    entry: int
    """Position that had to be durable."""
    durable: bool
    """Whether it was."""
    status: str = ""
    outputs: dict[str, Any] = {}


class World:
    """Everything outside the engine, and the record of what crossed the border."""

    def __init__(self, seed: int | str, faults: Faults | None = None) -> None:
        self.seed = seed
        self.fate = Fate(faults or Faults(), random.Random(f"{seed}:fate"))
        self.disk = MemoryStore()
        self.clock = SimClock()
        self.outside = Outside(self.fate)
        self.acknowledged: list[Acknowledged] = []
        self.lives = 0
        self.registry = probing()
        self._entropy = SimEntropy(f"{seed}:entropy", self.fate)
        self._chance = random.Random(f"{seed}:store")
        self._seen = 0

    @asynccontextmanager
    async def life(self, *sources: str) -> AsyncGenerator[Engine]:
        """One process, from its start to its end or its crash."""
        self.lives += 1
        if self.lives > 1 and self.fate.faults.clock_steps_back:
            self.clock.offset -= 3_000_000
        store = SimStore(self.disk, self.fate, self._chance, self._on_disk)
        ports = Ports(
            clock=self.clock,
            entropy=self._entropy,
            writer=WRITER,
            secrets=SECRETS.get,
            services={
                "outside": self.outside,
                "http": SimHttp(self.outside),
                "processes": SimProcesses(self.outside),
            },
        )
        async with Engine.open(store, ports=ports, registry=self.registry) as engine:
            for source in sources:
                await engine.register(source)
            yield engine

    async def accepted(self, execution: Execution) -> None:
        """Wait like a caller that wants no result, and remember what it was told."""
        self._note(execution, await execution.accepted(), "accepted", None)

    async def finished(self, execution: Execution) -> State:
        """Wait like a caller that wants the result, and remember what it was told."""
        state = await execution.finished()
        self._note(execution, execution.last_entry, "finished", state)
        return state

    def entries(self) -> list[Entry]:
        """Everything on the disk."""
        return list(self.disk.scan())

    def states(self) -> dict[str, State]:
        """Every execution on the disk, folded from its events."""
        found: dict[str, list[Any]] = {}
        for entry in self.disk.scan():
            found.setdefault(entry.header.exec, []).extend(entry.events())
        found.pop("system", None)
        return {execution: fold_all(events) for execution, events in found.items()}

    def check(self) -> None:
        """Every rule that holds for every run, whatever struck it."""
        report = verify(ReaderSource(self.disk), meaning=FlowMeaning(self.registry))
        assert report.ok, [f"{one.rule} {one.execution} {one.message}" for one in report.violations]
        self._check_acknowledged()
        self._check_effects()

    def _check_acknowledged(self) -> None:
        states = self.states()
        for told in self.acknowledged:
            assert told.durable, f"{told.execution} was {told.what} before its barrier"
            assert told.execution in states, f"{told.execution} was {told.what} and is lost"
            if told.what == "finished":
                state = self._as_of(told)
                assert (state.status, dict(state.outputs)) == (told.status, told.outputs)

    def _as_of(self, told: Acknowledged) -> State:
        """What the caller could know: a restart that came later changes nothing of what it was told."""
        entries = [entry for entry in self.disk.scan() if entry.header.exec == told.execution]
        events: list[Any] = [e for entry in entries if entry.header.pos <= told.entry for e in entry.events()]
        return fold_all(events)

    def _check_effects(self) -> None:
        """No effect without a durable TaskStarted; a write happens again only where an operator said so."""
        states = self.states()
        reruns = self._reruns()
        written: dict[str, int] = {}
        for effect in self.outside.effects:
            if effect.effect != "pure":
                assert effect.started_durable, f"{effect.key} took effect before its TaskStarted was durable"
                assert effect.execution in states, f"{effect.key} took effect for nothing known"
            if effect.effect == "write":
                written[effect.key] = written.get(effect.key, 0) + 1
        for key, times in written.items():
            execution, *_, path, _ = key.split(":")
            place = f"{execution}:{path}"
            assert times <= 1 + reruns.get(place, 0), f"{key} was written {times} times"

    def _reruns(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for entry in self.disk.scan():
            for event in entry.events():
                if getattr(event, "choice", "") == "rerun":
                    place = f"{entry.header.exec}:{getattr(event, 'path', '')}"
                    found[place] = found.get(place, 0) + 1
        return found

    def _on_disk(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            for event in entry.events():
                if isinstance(event, TaskStarted):
                    self.outside.durable_attempts.add((entry.header.exec, event.path, event.attempt))

    def _note(self, execution: Execution, entry: Entry, what: str, state: State | None) -> None:
        if self.fate.dead:
            raise Crash("nobody is there to answer")
        on_disk = self.disk.tip()
        self.acknowledged.append(
            Acknowledged(
                execution=execution.id,
                flow=execution.received.flow,
                what=what,
                entry=entry.header.pos,
                durable=on_disk is not None and entry.header.pos < on_disk.position,
                status=state.status if state else "",
                outputs=dict(state.outputs) if state else {},
            )
        )


def told_to_replay(seed: int | str, what: str) -> str:
    """The one line that runs a failing seed again."""
    return f"replay: python -m tests.simulation {what} --seed {seed}"
