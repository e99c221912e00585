"""A machine, its disk, its callers and its operator, all decided by one seed."""

import logging
import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import trio

from hookledger.actors import Engine, Execution, Ports
from hookledger.actors.meaning import FlowMeaning
from hookledger.api.http import HttpResponse, json_bytes
from hookledger.api.webhook import answers
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.events import KillRequested, TaskStarted
from hookledger.journal.memory import MemoryStore
from hookledger.journal.ports import Writer
from hookledger.journal.store import Query
from hookledger.journal.verify import ReaderSource, verify
from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.state import State, fold_all
from tests.simulation.faults import Crash, Fate, Faults
from tests.simulation.outside import SimHttp, SimProcesses
from tests.simulation.ports import SimClock, SimEntropy, SimStore
from tests.simulation.probes import Outside, probing
from tests.simulation.rules import Story, broken

WRITER: Final = Writer(host="simulated", process=1, software="hookledger/simulated")
SECRETS: Final = {"TOKEN": "s3cret-value"}
PROBING: Final = probing()


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


class Told(msgspec.Struct, kw_only=True):
    """A command and what its sender was told."""

    execution: str
    command: str
    by: str
    outcome: str = "nothing"
    """done, refused, or nothing: the process was gone."""
    durable: bool = True
    """Whether it was on the disk when its sender was told."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that a sender need not repeat."""

    number: int
    flow: str
    key: str
    execution: str
    status: int


class Complaints(logging.Handler):
    """What the engine logs as an error: in a simulation nobody reads it, so it is a failure. The dead say nothing."""

    def __init__(self, fate: Fate) -> None:
        super().__init__(logging.ERROR)
        self._fate = fate
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if self._fate.dead:
            return
        error = record.exc_info[1] if record.exc_info else None
        self.lines.append(f"{record.getMessage()} {error!r}")


class World:
    """Everything outside the engine, and the record of what crossed the border."""

    def __init__(self, seed: int | str, faults: Faults | None = None) -> None:
        self.seed = seed
        self.fate = Fate(faults or Faults(), random.Random(f"{seed}:fate"))
        self.disk = MemoryStore()
        self.clock = SimClock()
        self.outside = Outside(self.fate)
        self.acknowledged: list[Acknowledged] = []
        self.answers: list[Answered] = []
        self.sent: dict[int, int] = {}
        """How often each delivery was tried."""
        self.told: list[Told] = []
        self.sources: tuple[str, ...] = ()
        self.complaints = Complaints(self.fate)
        self.lives = 0
        self.registry = PROBING
        self.began: list[float] = []
        """When each process began, seconds of trio's clock."""
        self.entropy = SimEntropy(f"{seed}:entropy", self.fate)
        self._chance = random.Random(f"{seed}:store")
        self._seen = 0

    @asynccontextmanager
    async def life(self, *sources: str) -> AsyncGenerator[Engine]:
        """One process, from its start to its end or its crash."""
        self.lives += 1
        self.began.append(trio.current_time())
        if self.lives > 1 and self.fate.faults.clock_steps_back:
            self.clock.offset -= 3_000_000
        store = SimStore(self.disk, self.fate, self._chance, self._on_disk)
        ports = Ports(
            clock=self.clock,
            entropy=self.entropy,
            writer=WRITER,
            secrets=SECRETS.get,
            services={
                "outside": self.outside,
                "http": SimHttp(self.outside),
                "processes": SimProcesses(self.outside),
            },
        )
        self.sources = sources or self.sources
        logger = logging.getLogger("hookledger.actors")
        logger.addHandler(self.complaints)
        try:
            async with Engine.open(store, ports=ports, registry=self.registry) as engine:
                for source in sources:
                    await engine.register(source)
                yield engine
        finally:
            logger.removeHandler(self.complaints)

    async def accepted(self, execution: Execution) -> None:
        """Wait like a caller that wants no result, and remember what it was told."""
        self._note(execution, await execution.accepted(), "accepted", None)

    async def finished(self, execution: Execution) -> State:
        """Wait like a caller that wants the result, and remember what it was told."""
        state = await execution.finished()
        self._note(execution, execution.last_entry, "finished", state)
        return state

    def answered(self, number: int, flow: str, key: str, response: HttpResponse) -> bool:
        """Look at what a sender gets; False when it has to come again."""
        if self.fate.dead:
            raise Crash("nobody is there to answer")
        if response.status == 503:
            return False
        headers = {name.lower(): value for name, value in response.headers}
        receipt = dict(
            part.split("=", 1) for part in headers.get("hookledger-receipt", "").split("; ") if part
        )
        execution = receipt.get("execution") or self._named(response.body)
        found = self.disk.entries(execution)
        assert found, f"{response.status} for {execution}, which is not on the disk: {response.body!r}"
        events: list[Any] = [event for entry in found for event in entry.events()]
        state = fold_all(events)
        if receipt:
            assert int(receipt["entry"]) < len(found), (
                f"{execution} was answered before its entry was durable"
            )
            events = [event for entry in found[: int(receipt["entry"]) + 1] for event in entry.events()]
            state = fold_all(events)
        received = state.received
        assert received is not None
        if "idempotency-replayed" not in headers and received.wait and response.status not in (202, 504):
            assert state.response is not None or state.terminal is not None, (
                f"{execution} was answered too early"
            )
        if state.response is not None or (state.terminal is not None and received.wait):
            expected = answers.finished(execution, state)
            short = response.body == json_bytes({"id": execution})
            if response.status == expected.status and response.status not in (202, 504) and not short:
                assert response.body == expected.body, f"{execution}: the answer is not the recorded one"
        told = Answered(number=number, flow=flow, key=key, execution=execution, status=response.status)
        self.answers.append(told)
        return True

    @staticmethod
    def _named(body: bytes) -> str:
        try:
            found = msgspec.json.decode(body)
            task_run = str(found.get("task") or "")
            return str(found.get("id") or found.get("executionId") or task_run.partition(":")[0])
        except (msgspec.DecodeError, AttributeError):
            return ""

    @property
    def slack(self) -> float:
        """How late things may be that wait for the store a few times, seconds."""
        return 5 + 8 * self.fate.faults.commit_seconds[1] + 30 * self.fate.faults.ask_seconds[1]

    def open(self) -> list[Any]:
        """What is open on the disk, and what it waits for."""
        rows, _ = self.disk.rows(Query(open=True, limit=1000))
        return [(row.execution, row.flow, row.state, row.waits) for row in rows]

    def executions(self) -> int:
        """How many entries there are about executions."""
        return sum(entry.header.exec != SYSTEM for entry in self.disk.scan())

    def recorded(self, told: Told) -> int:
        """How many events a command left on the disk."""
        events = (event for entry in self.disk.entries(told.execution) for event in entry.events())
        return sum(
            getattr(event, "by", "") == told.by and not getattr(event, "terminal", False) for event in events
        )

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
        assert not self.complaints.lines, self.complaints.lines
        self._check_acknowledged()
        self._check_effects()
        self._check_told()
        self._check_answers()
        assert not (words := broken(self.story())), words

    def story(self) -> Story:
        """The journal as the rules read it."""
        faults = self.fate.faults
        flows = (parse_flow(source, registry=self.registry) for source in self.sources)
        return Story(
            self.entries(),
            lambda entry: self.entropy.drawn_at[entry.salt or b""],
            {flow.id: flow for flow in flows},
            began=self.began,
            slack=self.slack,
            clock_set=faults.clock_steps_back or bool(faults.clock_steps),
        )

    def _check_told(self) -> None:
        """A command that was answered has left its one event, in time; one that was refused has left none."""
        for told in self.told:
            found = self.recorded(told)
            least = int(told.outcome == "done" and told.command != "kill")
            most = int(told.outcome != "refused")
            assert least <= found <= most, (
                f"{told.command} by {told.by} was {told.outcome} and left {found} events"
            )
            assert told.durable, f"{told.command} by {told.by} was answered before it was durable"
            if told.outcome == "done" and told.command == "kill":
                events = [e for entry in self.disk.entries(told.execution) for e in entry.events()]
                assert any(isinstance(event, KillRequested) for event in events), (
                    f"the kill by {told.by} is lost"
                )

    def _check_answers(self) -> None:
        """What was answered exists; a delivery or a key that came again is one execution."""
        states = self.states()
        of_marker: dict[str, int] = {}
        of_key: dict[tuple[str, str], set[str]] = {}
        for execution, state in states.items():
            received = state.received
            assert received is not None
            if received.query and not received.original:
                of_marker[received.query] = of_marker.get(received.query, 0) + 1
            if received.deduplication and not received.original:
                of_key.setdefault((received.flow, received.deduplication), set()).add(execution)
        assert not (twice := {key: ids for key, ids in of_key.items() if len(ids) > 1}), f"one key, {twice}"
        for told in self.answers:
            assert told.execution in states, f"{told.execution} was answered and is lost"
            own = of_key.get((told.flow, told.key))
            assert own is None or told.execution in own, f"the answer for {told.key} was of another execution"
            if own is None:
                received = states[told.execution].received
                assert received is not None
                assert received.query == f"marker={told.number}", f"{told.execution} is not what was sent"
                times = of_marker[received.query]
                assert times <= self.sent[told.number], f"delivery {told.number} was started {times} times"

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
