"""Limits hold and queues move, first come first served, whatever happens to those who wait."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hookledger.actors import CommandRefused, Engine, Execution, Kill, Note, Pause, Restart, Resume, SetLabels
from hookledger.actors.operators import Repeated
from hookledger.journal.memory import MemoryStore
from hookledger.journal.verify import ReaderSource, verify
from hookledger.runtime.state import State

from .conftest import OpenEngine

NAP = """
id: nap
namespace: company.team
concurrency: {{limit: {limit}{more}}}
tasks:
  - {{id: sleep, type: io.kestra.plugin.core.flow.Sleep, duration: PT1M}}
"""
BEGINNINGS = ("TaskStarted", "TimerSet")


async def start(engine: Engine, count: int) -> list[Execution]:
    """Executions of the flow, in the order of arrival."""
    return [await engine.trigger("company.team", "nap") for _ in range(count)]


async def states(engine: Engine, executions: list[Execution]) -> list[State]:
    """The state each is in now."""
    await wait_all_tasks_blocked()
    return [await engine.replay(execution.id) for execution in executions]


def names(state: State) -> list[str]:
    """The states an execution went through."""
    return [name for name, _ in state.history]


def order(store: MemoryStore, executions: list[Execution]) -> list[int]:
    """In which order work began, by place in the order of arrival."""
    ids = [execution.id for execution in executions]
    found: list[int] = []
    for entry in store.scan():
        number = ids.index(entry.header.exec) if entry.header.exec in ids else -1
        if number >= 0 and number not in found and set(BEGINNINGS).intersection(entry.header.types):
            found.append(number)
    return found


async def test_who_waits_is_queued_in_state_and_history(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    One that waits for its place is QUEUED, in its state, its row and its history: CREATED, QUEUED, RUNNING.
    """
    async with open_engine(NAP.format(limit=1, more="")) as engine:
        first, second = await start(engine, 2)
        assert [state.status for state in await states(engine, [first, second])] == ["RUNNING", "QUEUED"]
        row = store.row(second.id)
        assert row is not None
        assert (row.state, row.waits) == ("QUEUED", "QUEUED")
        assert names(await first.finished()) == ["CREATED", "RUNNING", "SUCCESS"]
        assert names(await second.finished()) == ["CREATED", "QUEUED", "RUNNING", "SUCCESS"]
    assert verify(ReaderSource(store)).ok


@pytest.mark.parametrize(
    "command",
    [
        SetLabels(by="user:a", labels={"a": "b"}),
        Note(by="user:a", text="x"),
        Repeated(by="webhook:x", delivery="d", body_same=True, answered="joined"),
        Pause(by="user:a"),
    ],
    ids=["label", "note", "duplicate", "pause"],
)
async def test_nothing_said_of_a_queued_one_gives_it_a_place(
    autojump_clock: MockClock, open_engine: OpenEngine, command: Any
) -> None:
    """
    Labels, notes, repeated deliveries and pauses leave an execution in its queue, also behind a restart.
    """
    async with open_engine(NAP.format(limit=1, more="")) as engine:
        executions = await start(engine, 4)
        for execution in executions[1:]:
            await engine.command(execution.id, command)
        assert [len(state.timers) for state in await states(engine, executions)] == [1, 0, 0, 0]
    async with open_engine() as engine:
        assert [len(state.timers) for state in await states(engine, executions)] == [1, 0, 0, 0]


async def test_a_queued_one_that_was_paused_waits_again_once_resumed(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    Pause and resume of a queued execution: QUEUED, PAUSED, RESTARTED, QUEUED, and it begins when its turn comes.
    """
    async with open_engine(NAP.format(limit=1, more="")) as engine:
        _, second = await start(engine, 2)
        await engine.command(second.id, Pause(by="user:a"))
        await engine.command(second.id, Resume(by="user:a"))
        state = await second.finished()
    assert names(state) == ["CREATED", "QUEUED", "PAUSED", "RESTARTED", "QUEUED", "RUNNING", "SUCCESS"]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_places_are_given_in_the_order_of_arrival(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, limit: int
) -> None:
    """
    Work begins in the order of arrival, also when executions arrive while places come free, and all of them end.
    """
    async with open_engine(NAP.format(limit=limit, more="").replace("PT1M", "PT0.01S")) as engine:
        executions = []
        for number in range(60):
            executions += await start(engine, 1)
            await trio.sleep(0.003 * (number % 3))
        for execution in executions:
            assert (await execution.finished()).status == "SUCCESS"
    assert order(store, executions) == list(range(60))


async def test_the_order_survives_restarts_of_the_engine(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    With a full queue the engine is opened again and again: limit and order of arrival stay.
    """
    async with open_engine(NAP.format(limit=1, more="")) as engine:
        executions = await start(engine, 6)
    for _ in range(7):
        async with open_engine() as engine:
            await trio.sleep(40)
            running = [state for state in await states(engine, executions) if state.status == "RUNNING"]
            assert len(running) <= 1
    async with open_engine() as engine:
        assert (await (await engine.attach(executions[-1].id)).finished()).status == "SUCCESS"
    assert order(store, executions) == list(range(6))


async def test_a_kill_of_the_running_one_moves_the_queue(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    A killed execution gives its place to the next; a killed one that waited is passed over.
    """
    async with open_engine(NAP.format(limit=1, more="")) as engine:
        executions = await start(engine, 4)
        await engine.command(executions[1].id, Kill(by="user:me"))
        await engine.command(executions[0].id, Kill(by="user:me"))
        found = await states(engine, executions)
        assert [state.status for state in found] == ["KILLED", "KILLED", "RUNNING", "QUEUED"]
        assert names(found[1]) == ["CREATED", "QUEUED", "KILLING", "KILLED"]
        assert (await executions[3].finished()).status == "SUCCESS"


async def test_restarts_stand_in_the_queue(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A restart takes its place at the end of the queue; the limit holds among restarts too.
    """
    failing = NAP.format(limit=1, more="") + "  - {id: bad, type: io.kestra.plugin.core.execution.Fail}\n"
    async with open_engine(failing) as engine:
        executions = await start(engine, 3)
        for execution in executions:
            await execution.finished()
        await engine.register(failing.replace("execution.Fail", "flow.Sleep, duration: PT5S"))
        for execution in executions:
            await engine.command(execution.id, Restart(by="user:me", revision=2))
        found = await states(engine, executions)
        assert [state.status for state in found] == ["RUNNING", "QUEUED", "QUEUED"]
        ends = [(await (await engine.attach(execution.id)).finished()) for execution in executions]
    assert [state.status for state in ends] == ["SUCCESS"] * 3
    assert [state.at for state in ends] == sorted(state.at for state in ends)
    assert names(ends[2])[-4:] == ["RESTARTED", "QUEUED", "RUNNING", "SUCCESS"]
    assert verify(ReaderSource(store)).ok


@pytest.mark.parametrize("behavior", ["CANCEL", "FAIL"])
async def test_a_restart_beyond_the_limit_is_refused_where_nobody_queues(
    autojump_clock: MockClock, open_engine: OpenEngine, behavior: str
) -> None:
    """
    With CANCEL and FAIL a restart that finds no place is refused, and nothing is changed.
    """
    source = NAP.format(limit=1, more=f", behavior: {behavior}").replace("PT1M", '"{{ labels.t }}"')
    async with open_engine(source) as engine:
        (failed,) = await start(engine, 1)
        await failed.finished()
        await engine.trigger("company.team", "nap", labels={"t": "PT1M"})
        with pytest.raises(CommandRefused, match="which is its limit"):
            await engine.command(failed.id, Restart(by="user:me"))
        assert (await engine.replay(failed.id)).generation == 0


async def test_a_newer_limit_holds_for_those_who_wait(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    The newest revision says how many places there are: a higher limit lets the queue move at once.
    """
    async with open_engine(NAP.format(limit=1, more="")) as engine:
        executions = await start(engine, 4)
        await engine.register(NAP.format(limit=3, more=""))
        found = await states(engine, executions)
    assert [state.status for state in found] == ["RUNNING"] * 3 + ["QUEUED"]


async def test_starts_one_after_another_never_stall(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    Of 100 quick executions of a flow with two places none stays behind.
    """
    async with open_engine(NAP.format(limit=2, more="").replace("PT1M", "PT0.001S")) as engine:
        executions = await start(engine, 100)
        await trio.sleep(5)
        found = await states(engine, executions)
    assert {state.status for state in found} == {"SUCCESS"}


async def test_a_place_is_free_when_the_end_is_known(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    Who has heard of an execution's end finds its place free: one start after another is never cancelled.
    """
    source = NAP.format(limit=1, more=", behavior: CANCEL").replace("PT1M", "PT0.001S")
    async with open_engine(source) as engine:
        for _ in range(20):
            (execution,) = await start(engine, 1)
            assert (await execution.finished()).status == "SUCCESS"


async def test_after_execution_runs_for_one_that_is_killed_while_it_waits(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    A kill of a queued execution: CREATED, QUEUED, KILLING, KILLED, and its afterExecution runs and sees KILLED.
    """
    after = (
        "afterExecution:\n  - {id: last, type: io.kestra.plugin.core.debug.Return, "
        'format: "{{ execution.state }}"}\n'
    )
    async with open_engine(NAP.format(limit=1, more="") + after) as engine:
        _, second = await start(engine, 2)
        await engine.command(second.id, Kill(by="user:me"))
        state = await second.finished()
    assert names(state) == ["CREATED", "QUEUED", "KILLING", "KILLED"]
    assert state.runs["last"].outputs == {"value": "KILLED"}
