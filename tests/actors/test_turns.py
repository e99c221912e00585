"""Long work yields by count: between two turns of everybody else an execution does a few things, not thousands."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trio

from hookledger.actors import Engine, Execution, Kill, Ports, execution, supervisor
from hookledger.actors.attempts import Attempts
from hookledger.actors.recorder import History, read_history
from hookledger.journal.memory import MemoryStore
from hookledger.journal.sqlite import SqliteStore
from hookledger.journal.store import Reader
from hookledger.runtime.decide import decide
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.plan import Command
from hookledger.runtime.state import State
from hookledger.runtime.tasks.base import Outputs, TaskContext, TaskKind
from hookledger.runtime.tasks.registry import BUILT_IN, TaskRegistry

from .conftest import TrioClock

COUNT = 700
EVENTS_MAX = 3 * execution.INBOX_MAX
"""More than what one portion of commands or of the inbox records, far less than all there is to do."""


class Hangs(TaskKind, frozen=True, kw_only=True):
    """Runs until all are let go together."""

    types: ClassVar[tuple[str, ...]] = ("test.Hangs",)

    async def run(self, context: TaskContext) -> Outputs:
        gate: trio.Event = context.port("gate")
        await gate.wait()
        return {}


def each(task: str) -> str:
    """A flow with a task for each of many values, all at once."""
    values = list(range(COUNT))
    return f"""
id: each
namespace: t
tasks:
  - id: loop
    type: io.kestra.plugin.core.flow.ForEach
    concurrencyLimit: 0
    values: {values}
    tasks: [{task}]
"""


INSTANT = each("{id: a, type: io.kestra.plugin.core.debug.Return, format: x}")
OUTSIDE = each("{id: a, type: test.Hangs}")


class World:
    """Engines one after another on one store, and a task that counts what goes by between two of its turns."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.gate = trio.Event()
        self.most = 0

    def open(self) -> Any:
        registry = TaskRegistry((*BUILT_IN, Hangs))
        ports = Ports(clock=TrioClock(), services={"gate": self.gate})
        return Engine.open(self.store, ports=ports, registry=registry)

    async def watch(self, watched: Execution) -> None:
        """Look at every turn how many events there are."""
        seen = watched.state.sequence
        while not watched.ended:
            await trio.lowlevel.checkpoint()
            self.most = max(self.most, watched.state.sequence - seen)
            seen = watched.state.sequence


async def until_begun(watched: Execution) -> None:
    """Wait until every attempt runs."""
    while sum(run.open for run in watched.state.runs.values()) < COUNT:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("source", [INSTANT, OUTSIDE], ids=["instant", "outside"])
async def test_others_have_their_turn_while_many_tasks_begin_and_end(store: MemoryStore, source: str) -> None:
    """
    Hundreds of tasks that begin at once, and hundreds of attempts that end at once, are taken in small portions.
    """
    world = World(store)
    async with world.open() as engine, trio.open_nursery() as nursery:
        await engine.register(source)
        started = await engine.trigger("t", "each")
        nursery.start_soon(world.watch, started)
        if source is OUTSIDE:
            await until_begun(started)
            world.gate.set()
        assert (await started.finished()).status == "SUCCESS"
    assert 0 < world.most <= EVENTS_MAX


async def test_others_have_their_turn_while_interrupted_attempts_are_ended(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A kill over hundreds of attempts that a crash interrupted ends them in small portions.
    """

    async def never(*_: object) -> None:
        await trio.sleep_forever()

    world = World(store)
    with monkeypatch.context() as patch:
        patch.setattr(Attempts, "stop", never)
        async with world.open() as engine:
            await engine.register(OUTSIDE)
            started = await engine.trigger("t", "each")
            await until_begun(started)
            await engine.command(started.id, Kill(by="user:me"))
    async with world.open() as engine, trio.open_nursery() as nursery:
        again = await engine.attach(started.id)
        nursery.start_soon(world.watch, again)
        assert (await again.finished()).status == "KILLED"
    assert 0 < world.most <= EVENTS_MAX


async def test_deciding_and_folding_much_is_done_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    From some hundred runs on `decide` runs in a thread, and recovery folds histories in threads of the journal's.
    """
    decided: list[tuple[int, bool]] = []
    folded: list[bool] = []
    loop = threading.get_ident()

    def deciding(flow: Flow, state: State, now: int) -> Sequence[Command]:
        decided.append((len(state.runs) + len(state.branches), threading.get_ident() == loop))
        return decide(flow, state, now)

    def folding(reader: Reader, of: str) -> History:
        folded.append(threading.get_ident() == loop)
        return read_history(reader, of)

    monkeypatch.setattr(execution, "decide", deciding)
    monkeypatch.setattr(supervisor, "read_history", folding)
    world = World(SqliteStore(tmp_path))
    async with world.open() as engine:
        await engine.register(OUTSIDE)
        started = await engine.trigger("t", "each")
        await until_begun(started)
    world = World(SqliteStore(tmp_path))
    world.gate.set()
    async with world.open() as engine:
        assert (await (await engine.attach(started.id)).finished()).status == "SUCCESS"
    assert {here for weight, here in decided if weight >= execution.LARGE} == {False}
    assert {here for weight, here in decided if weight < execution.LARGE} == {True}
    assert folded
    assert not any(folded)
