"""One owner per execution at any moment, whoever starts, wakes, commands, restarts or recovers it."""

import gc
import weakref
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hookledger.actors import CommandRefused, Engine, Kill, Note, Ports, Restart, Resume, SetLabels
from hookledger.actors.handle import Execution
from hookledger.actors.operators import Wake, apply
from hookledger.actors.reception import Delivery
from hookledger.actors.recorder import Recorder
from hookledger.journal.entry import Chain
from hookledger.journal.errors import ChainConflict, JournalPoisoned
from hookledger.journal.events import ExecutionRestarted, OperatorNote
from hookledger.journal.journal import open_journal
from hookledger.journal.memory import MemoryStore
from hookledger.journal.store import Query
from hookledger.journal.verify import ReaderSource, verify
from hookledger.runtime.decide import decide
from tests.journal.builders import received

from .conftest import EPOCH_US, OpenEngine, TrioClock

FAILS = """
id: fails
namespace: company.team
tasks: [{id: a, type: io.kestra.plugin.core.execution.Fail}]
"""
NAP = """
id: nap
namespace: company.team
tasks: [{id: sleep, type: io.kestra.plugin.core.flow.Sleep, duration: PT1M}]
"""
PARENT = """
id: parent
namespace: company.team
tasks: [{id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: company.team, flowId: nap, wait: true}]
"""
AFTER = """
id: after
namespace: company.team
tasks: [{id: say, type: io.kestra.plugin.core.debug.Return, format: x}]
triggers:
  - id: upstream
    type: io.kestra.plugin.core.trigger.Flow
    preconditions: {flows: [{namespace: company.team, flowId: nap}]}
"""


class SlowReads(MemoryStore):
    """Every question takes a while, so that others come in between."""

    async def ask(self, question: Any) -> Any:
        answer = question(self)
        await trio.sleep(0.005)
        return answer


@pytest.fixture
def store() -> MemoryStore:
    return SlowReads(commit_seconds=0.002)


def sound(store: MemoryStore) -> bool:
    """True when every rule of the verifier holds."""
    return verify(ReaderSource(store)).ok


def numbers(store: MemoryStore, execution: str) -> list[int]:
    """Entry numbers of an execution, as stored."""
    return [entry.header.n for entry in store.entries(execution)]


async def give(engine: Engine, execution: str, command: Any) -> None:
    """A command that may be refused."""
    try:
        await engine.command(execution, command)
    except CommandRefused:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("source", [FAILS, NAP], ids=["ended", "asleep"])
async def test_commands_at_once_are_written_one_behind_the_other(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, source: str
) -> None:
    """
    Labels, notes and restarts that arrive together make entries 0, 1, 2, ... and the engine goes on.
    """
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", source.split()[1])
        await trio.sleep(5)
        async with trio.open_nursery() as nursery:
            for number in range(5):
                for command in (
                    SetLabels(by="user:a", labels={"n": str(number)}),
                    Note(by="user:b", text="x"),
                    Restart(by="user:c"),
                ):
                    nursery.start_soon(give, engine, execution.id, command)
        await engine.trigger("company.team", source.split()[1])
    found = numbers(store, execution.id)
    assert found == list(range(len(found)))
    assert sound(store)


async def test_a_restart_beside_an_end_is_whole_or_refused(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A restart that arrives while an execution ends names revision and source, or is refused; none is half.
    """
    async with open_engine(FAILS) as engine:
        for wait in range(12):
            execution = await engine.trigger("company.team", "fails")
            with trio.move_on_after(wait * 0.001):
                await trio.sleep_forever()
            await give(engine, execution.id, Restart(by="user:me"))
            await (await engine.attach(execution.id)).finished()
            restarts = [e for e in await engine.events(execution.id) if isinstance(e, ExecutionRestarted)]
            assert all(event.revision == 1 and event.source_sha256 for event in restarts)
    assert sound(store)


async def test_a_command_during_the_final_commit_is_not_lost(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A note given at any moment around the end of an execution is in the journal once the command has returned.
    """
    async with open_engine(FAILS) as engine:
        for wait in range(12):
            execution = await engine.trigger("company.team", "fails")
            await trio.sleep(wait * 0.0005)
            await engine.command(execution.id, Note(by="user:me", text="here"))
            notes = [e for e in await engine.events(execution.id) if isinstance(e, OperatorNote)]
            assert len(notes) == 1


async def test_follow_ups_begin_once_however_often_they_are_looked_for(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    An execution's end and recovery that look for the same follow-up at the same time start it once.
    """
    async with open_engine(NAP, AFTER) as engine:
        execution = await engine.trigger("company.team", "nap")
        await execution.finished()
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(engine.supervisor.follow_up, execution.id, EPOCH_US + 10**9)
        await trio.sleep(1)
    rows, _ = store.rows(Query(flow="after"))
    assert [row.state for row in rows] == ["SUCCESS"]
    assert sound(store)


async def test_a_child_begins_when_its_promise_is_durable(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    The parent's ChildStarted is in a commit before the one with the child's first event: a crash in between leaves a
    promise without a child, which recovery keeps, and never a child that nobody promised.
    """
    async with open_engine(NAP, PARENT) as engine:
        commits: list[set[str]] = []
        engine.journal.follow(
            lambda entries: commits.append(
                {f"{entry.header.exec} {kind}" for entry in entries for kind in entry.header.types}
            )
        )
        parent = await engine.trigger("company.team", "parent")
        assert (await parent.finished()).status == "SUCCESS"
        (child,) = (one.child for one in (await engine.replay(parent.id)).children.values())

    def commit(what: str) -> int:
        return next(number for number, told in enumerate(commits) if what in told)

    assert commit(f"{parent.id} ChildStarted") < commit(f"{child} TriggerReceived")


async def test_a_killed_execution_stays_killed(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    A restart of a killed execution is refused and changes nothing.
    """
    async with open_engine(NAP) as engine:
        execution = await engine.trigger("company.team", "nap")
        await engine.command(execution.id, Kill(by="user:me"))
        await execution.finished()
        with pytest.raises(CommandRefused, match="killed"):
            await engine.command(execution.id, Restart(by="user:me"))
        assert (await engine.replay(execution.id)).status == "KILLED"


async def test_a_command_is_not_lost_when_who_gave_it_leaves(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    A restart whose sender no longer waits is carried out all the same: nothing stays open without an actor.
    """
    async with open_engine(FAILS) as engine:
        execution = await engine.trigger("company.team", "fails")
        await execution.finished()
        with trio.move_on_after(0.006):
            await engine.command(execution.id, Restart(by="user:me"))
        await trio.sleep(1)
        state = await engine.replay(execution.id)
    assert (state.generation, state.status) == (1, "FAILED")


async def test_an_append_that_does_not_continue_is_refused_alone(autojump_clock: MockClock) -> None:
    """
    A second writer's append is refused before it reaches the store; the journal goes on.
    """
    note = OperatorNote(sequence=0, at=1, by="a", text="x")
    store = MemoryStore()
    async with open_journal(store, clock=TrioClock()) as journal:
        first, second = Chain(execution="e"), Chain(execution="e")
        await journal.append(first, (note,), actor="engine:self").durable()
        with pytest.raises(ChainConflict):
            journal.append(second, (note,), actor="engine:self")
        again = OperatorNote(sequence=1, at=2, by="a", text="y")
        await journal.append(first, (again,), actor="engine:self").durable()
    assert numbers(store, "e") == [0, 1]


async def test_a_fault_of_one_execution_gives_its_command_back(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A kill sent to an execution on which the engine fails is carried out, and what it held is free.
    """
    broken = [True]

    def failing(flow: Any, state: Any, now: int) -> Any:
        if broken[0] and state.kill is None:
            raise ZeroDivisionError("planted")
        return decide(flow, state, now)

    monkeypatch.setattr("hookledger.actors.execution.decide", failing)
    limited = NAP + "concurrency: {limit: 1}\n"
    async with Engine.open(MemoryStore(), ports=Ports(clock=TrioClock())) as engine:
        await engine.register(limited)
        bad = await engine.trigger("company.team", "nap")
        await wait_all_tasks_blocked()
        assert list(engine.quarantined) == [bad.id]
        broken[0] = False
        good = await engine.trigger("company.team", "nap")
        await engine.command(bad.id, Kill(by="user:me"))
        assert (await (await engine.attach(bad.id)).finished()).status == "KILLED"
        assert (await good.finished()).status == "SUCCESS"
        assert not engine.quarantined


WORKS = """
id: works
namespace: company.team
tasks:
  - {id: child, type: io.kestra.plugin.core.flow.Subflow, namespace: company.team, flowId: nap}
  - {id: wait, type: io.kestra.plugin.core.flow.Pause}
  - {id: say, type: io.kestra.plugin.core.debug.Return, format: x}
"""


def doings(store: MemoryStore, execution: str) -> dict[str, set[str]]:
    """Kinds of principals, each with the types of the events in its entries."""
    found: dict[str, set[str]] = {}
    for entry in store.entries(execution):
        found.setdefault(entry.header.actor.partition(":")[0], set()).update(entry.header.types)
    return found


@pytest.mark.parametrize("wait", [False, True], ids=["at once", "waiting"])
async def test_every_entry_names_who_decided_it(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, wait: bool
) -> None:
    """
    A person's name stands on what the person asked for and on nothing that the engine did later, be it about a live,
    resting or queued execution; a child is its parent's doing, what follows from an end that of what ended.
    """
    async with open_engine(NAP, WORKS, AFTER) as engine:
        delivery = Delivery(source="api")
        flow = engine.flow("company.team", "works")
        execution = await engine.deliver(flow, None, delivery, actor="user:ann", wait=wait)
        await execution.accepted()
        await engine.command(execution.id, Note(by="user:ann", text="live, in front of the child"))
        await trio.sleep(70)
        await engine.command(execution.id, SetLabels(by="user:ann", labels={"at": "rest"}))
        with pytest.raises(CommandRefused):
            await engine.command(execution.id, Resume(by="user:ann", path="nowhere"))
        await engine.command(execution.id, Resume(by="user:ann"))
        assert (await execution.finished()).status == "SUCCESS"
        await trio.sleep(70)
        rows, _ = store.rows(Query(ascending=True))
    assert [row.flow for row in rows] == ["works", "nap", "after"]
    own = doings(store, execution.id)
    assert own.pop("user") == {"TriggerReceived", "OperatorNote", "LabelsSet", "ExecutionResumed"}
    assert own.keys() == {"engine"}
    assert {"ChildStarted", "ChildReturned", "ExecutionPaused", "TaskReturned"} <= own["engine"]
    for row in rows[1:]:
        assert doings(store, row.execution)["execution"] == {"TriggerReceived"}
        assert doings(store, row.execution).keys() == {"execution", "engine"}
    assert sound(store)


async def test_who_registers_a_flow_stands_on_its_entry(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    Registrations and removals name their principal in the header, as commands do.
    """
    async with open_engine() as engine:
        await engine.register(NAP, by="user:ann")
        await engine.remove("company.team", "nap", by="user:ann")
    assert {"FlowRegistered", "FlowRemoved"} == doings(store, "system")["user"]


async def test_what_a_refused_command_leaves_is_the_engines(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A command that is refused, or that changes nothing, leaves no name on what the engine does next.
    """
    limited = NAP + "concurrency: {limit: 1}\n"
    async with open_engine(limited) as engine:
        first, queued = [await engine.trigger("company.team", "nap", by="user:ann") for _ in range(2)]
        for execution in (first, queued):
            with pytest.raises(CommandRefused):
                await engine.command(execution.id, Resume(by="user:bob"))
            await engine.command(execution.id, Wake(by="user:bob"))
        await queued.finished()
    for execution in (first, queued):
        found = doings(store, execution.id)
        assert found["user"] <= {"TriggerReceived", "ExecutionQueued"}
        assert "TimerFired" in found["engine"]


async def test_a_resting_execution_that_nobody_waits_for_is_let_go(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    While an execution sleeps, nothing of it stays in memory but its timer; whoever waits for it keeps what is needed.
    """
    async with open_engine(NAP) as engine:
        held, dropped = [await engine.trigger("company.team", "nap") for _ in range(2)]
        await trio.sleep(1)
        ids, gone = (held.id, dropped.id), weakref.ref(dropped._recorder)
        del dropped
        gc.collect()
        assert gone() is None
        assert engine.supervisor.resting == len(ids)
        assert await engine.attach(held.id) is held
        assert (await (await engine.attach(ids[1])).finished()).status == "SUCCESS"
        assert (await held.finished()).status == "SUCCESS"


async def test_a_command_behind_a_fault_is_given_back_and_carried_out(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The engine fails on one of two notes that came together: the other one, still unread, is answered once it is there.
    """

    def failing(command: Any, recorder: Any) -> None:
        if getattr(command, "text", "") == "bad":
            raise ZeroDivisionError("planted")
        apply(command, recorder)

    monkeypatch.setattr("hookledger.actors.execution.apply", failing)
    async with open_engine(NAP) as engine:
        execution = await engine.trigger("company.team", "nap")
        async with trio.open_nursery() as nursery:
            for text in ("bad", "good"):
                nursery.start_soon(engine.command, execution.id, Note(by="user:me", text=text))
        events = await engine.events(execution.id)
        assert sorted(event.text for event in events if isinstance(event, OperatorNote)) == ["bad", "good"]
    assert sound(store)


async def test_who_comes_to_a_sleeper_that_nobody_waited_for_is_accepted(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    Whoever started it left before it was durable, it slept and was woken: who attaches then gets its first entry.
    """
    two_naps = NAP.replace(
        "tasks: [", "tasks: [{id: first, type: io.kestra.plugin.core.flow.Sleep, duration: PT1M}, "
    )
    async with open_engine(two_naps) as engine:
        flow = engine.flow("company.team", "nap")
        execution = await engine.deliver(flow, None, Delivery(source="api"), actor="user:ann")
        await trio.sleep(70)
        entry = await (await engine.attach(execution.id)).accepted()
    assert (entry.header.exec, entry.header.n) == (execution.id, 0)


async def test_what_a_stopped_journal_refuses_is_refused_again(autojump_clock: MockClock) -> None:
    """
    Two callers ask for an execution whose first event the journal no longer takes: both learn why.
    """
    async with open_journal(MemoryStore()) as journal:
        recorder = Recorder(journal, "0" * 22, "user:ann")
        recorder.record(lambda sequence, at: received(sequence=sequence, at=at))
        journal.poison = "the disk is full"
        execution = Execution("0" * 22, recorder)
        for _ in range(2):
            with pytest.raises(JournalPoisoned):
                await execution.accepted()
        journal.poison = ""
