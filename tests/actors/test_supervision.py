"""Executions among others: limits, restarts, schedules, and what one starts when it ends."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio.testing
from trio.testing import MockClock

from hookledger.actors import CommandRefused, Engine, Execution, Restart, Resume
from hookledger.journal.index import ExecutionRow
from hookledger.journal.memory import MemoryStore
from hookledger.journal.store import Query

from .conftest import EPOCH_US, OpenEngine

NAP = """
id: nap
namespace: company.team
{more}
tasks:
  - id: sleep
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT1M
"""
LIMITED = "concurrency:\n  limit: 1\n  behavior: {behavior}\n"

FLAKY = """
id: flaky
namespace: company.team
tasks:
  - id: before
    type: io.kestra.plugin.core.debug.Return
    format: kept
  - id: check
    type: io.kestra.plugin.core.flow.If
    condition: "{{ labels.fixed ?? false }}"
    else:
      - id: broken
        type: io.kestra.plugin.core.debug.Return
        format: "{{ nothing }}"
"""

AFTER = """
id: after
namespace: company.team
tasks:
  - id: say
    type: io.kestra.plugin.core.debug.Return
    format: "{{ trigger.executionId }} {{ trigger.state }}"
triggers:
  - id: upstream
    type: io.kestra.plugin.core.trigger.Flow
    preconditions:
      flows:
        - namespace: company.team
          flowId: nap
          states: [SUCCESS]
"""


def rows(store: MemoryStore, flow: str) -> list[ExecutionRow]:
    """The executions of a flow, oldest first."""
    return store.rows(Query(flow=flow, ascending=True, limit=1000))[0]


async def start(engine: Engine, flow: str, count: int = 1) -> list[Execution]:
    """Start executions one after another."""
    return [await engine.trigger("company.team", flow) for _ in range(count)]


async def test_a_queued_execution_begins_when_its_predecessor_ends(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    With QUEUE at most `limit` executions run; the others wait in the order of their arrival.
    """
    async with open_engine(NAP.format(more=LIMITED.format(behavior="QUEUE"))) as engine:
        executions = await start(engine, "nap", 3)
        ends = [(await execution.finished()).at for execution in executions]
    assert [round((end - EPOCH_US) / 60_000_000) for end in ends] == [1, 2, 3]


async def test_the_queue_survives_a_restart(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    Who waits and who runs is the same after the engine was opened again.
    """
    source = NAP.format(more=LIMITED.format(behavior="QUEUE"))
    async with open_engine(source) as engine:
        executions = await start(engine, "nap", 3)
    async with open_engine() as engine:
        states = [await (await engine.attach(execution.id)).finished() for execution in executions]
    assert [state.status for state in states] == ["SUCCESS"] * 3
    assert [state.at for state in states] == sorted(state.at for state in states)


@pytest.mark.parametrize(("behavior", "state"), [("CANCEL", "CANCELLED"), ("FAIL", "FAILED")])
async def test_one_execution_too_many_ends_at_once(
    autojump_clock: MockClock, open_engine: OpenEngine, behavior: str, state: str
) -> None:
    """
    With CANCEL and FAIL an execution beyond the limit ends without tasks, and its journal says why.
    """
    async with open_engine(NAP.format(more=LIMITED.format(behavior=behavior))) as engine:
        first, second = await start(engine, "nap", 2)
        assert (await second.finished()).status == state
        assert not (await second.finished()).runs
        assert (await first.finished()).status == "SUCCESS"


async def test_a_restart_runs_again_what_failed_and_keeps_the_rest(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    Restart opens a failed execution: failed runs happen once more, succeeded ones are not repeated.
    """
    async with open_engine(FLAKY) as engine:
        (execution,) = await start(engine, "flaky")
        assert (await execution.finished()).status == "FAILED"
        await engine.register(FLAKY.replace("{{ nothing }}", "mended"))
        await engine.command(execution.id, Restart(by="user:me", revision=2))
        state = await (await engine.attach(execution.id)).finished()
        events = await engine.events(execution.id)
    assert state.status == "SUCCESS"
    assert state.generation == 1
    started = [event.path for event in events if type(event).__name__ == "TaskStarted"]  # type: ignore[union-attr]
    assert started == ["before", "check/broken", "check/broken"]


NESTED = """
id: nested
namespace: company.team
tasks:
  - id: block
    type: io.kestra.plugin.core.flow.Sequential
    tasks:
      - {id: done, type: io.kestra.plugin.core.debug.Return, format: kept}
      - {id: broken, type: io.kestra.plugin.core.debug.Return, format: "{{ nothing }}"}
"""


async def test_a_restarted_execution_is_found_by_its_label(autojump_clock: MockClock, tmp_path: Path) -> None:
    """
    `system.restarted` is in the list of labels of the journal as soon as it is in the state.
    """
    source = (
        "{id: fails, namespace: company.team, tasks: [{id: a, type: io.kestra.plugin.core.execution.Fail}]}"
    )
    async with Engine.open(tmp_path) as engine:
        await engine.register(source)
        execution = await engine.trigger("company.team", "fails")
        await execution.finished()
        await engine.command(execution.id, Restart(by="user:me"))
        await (await engine.attach(execution.id)).finished()
        query = Query(labels={"system.restarted": "true"})
        rows, _ = await engine.journal.ask(lambda reader: reader.rows(query))
    assert [row.execution for row in rows] == [execution.id]


async def test_a_newer_revision_may_replace_what_failed(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    A restart with a revision in which the failed task has another name, or is gone, goes on behind what is kept.
    """
    async with open_engine(NESTED) as engine:
        (execution,) = await start(engine, "nested")
        assert (await execution.finished()).status == "FAILED"
        await engine.register(
            NESTED.replace("broken", "mended").replace("{{ nothing }}", "{{ outputs.done.value }}")
        )
        await engine.command(execution.id, Restart(by="user:me", revision=2))
        state = await (await engine.attach(execution.id)).finished()
    assert state.status == "SUCCESS"
    assert {path: run.outputs["value"] for path, run in state.runs.items()} == {
        "block/done": "kept",
        "block/mended": "kept",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("id: done", "id: renamed"),
        ("id: block", "id: other"),
        ("flow.Sequential", "flow.AllowFailure\n    disabled: true"),
    ],
)
async def test_a_revision_without_what_is_kept_is_refused(
    autojump_clock: MockClock, open_engine: OpenEngine, old: str, new: str
) -> None:
    """
    Results that are kept need their place in the plan: a revision that moved or dropped it is named, nothing changes.
    """
    async with open_engine(NESTED) as engine:
        (execution,) = await start(engine, "nested")
        await execution.finished()
        await engine.register(NESTED.replace(old, new))
        with pytest.raises(CommandRefused, match="revision 2 has no block/done any more"):
            await engine.command(execution.id, Restart(by="user:me", revision=2))
        assert (await engine.replay(execution.id)).status == "FAILED"


async def test_only_what_did_not_succeed_can_be_restarted(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    Restarting an open or a succeeded execution is refused with the reason, and changes nothing.
    """
    async with open_engine(NAP.format(more="")) as engine:
        (execution,) = await start(engine, "nap")
        with pytest.raises(CommandRefused, match="only a finished"):
            await engine.command(execution.id, Restart(by="user:me"))
        await execution.finished()
        with pytest.raises(CommandRefused, match="succeeded"):
            await engine.command(execution.id, Restart(by="user:me"))


async def test_a_finished_execution_starts_the_flows_that_wait_for_it(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A Flow trigger starts its flow once for each matching execution that ends.
    """
    async with open_engine(NAP.format(more=""), AFTER) as engine:
        (execution,) = await start(engine, "nap")
        await execution.finished()
        await trio.sleep(1)
        (row,) = rows(store, "after")
        state = await engine.replay(row.execution)
    assert state.runs["say"].outputs == {"value": f"{execution.id} SUCCESS"}


def cut_behind(store: MemoryStore, execution: str) -> None:
    """Make the disk what it was when the execution's last entry had been written."""
    kept = store.entries(execution)[-1].header.pos + 1
    del store._entries[kept:]
    known = {entry.header.exec for entry in store._entries}
    store._by_execution = {
        name: [entry for entry in entries if entry.header.pos < kept]
        for name, entries in store._by_execution.items()
        if name in known
    }
    store._rows = {name: row for name, row in store._rows.items() if name in known}


async def test_a_follow_up_lost_in_a_crash_is_made_up_for(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    After a crash between an end and what it starts, the next start makes up for it, and the one after adds nothing.
    """
    async with open_engine(NAP.format(more=""), AFTER) as engine:
        (execution,) = await start(engine, "nap")
        await execution.finished()
    cut_behind(store, execution.id)
    assert not rows(store, "after")
    for _ in range(2):
        async with open_engine():
            await trio.sleep(1)
    assert [row.state for row in rows(store, "after")] == ["SUCCESS"]


async def test_a_flow_trigger_does_not_reach_back(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    What ended before a flow was registered does not start it, however often the engine is opened.
    """
    async with open_engine(NAP.format(more="")) as engine:
        (execution,) = await start(engine, "nap")
        await execution.finished()
    await trio.sleep(1)
    async with open_engine(AFTER):
        await trio.sleep(1)
    async with open_engine():
        await trio.sleep(1)
    assert not rows(store, "after")


async def test_a_flow_level_retry_makes_new_executions(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    With CREATE_NEW_EXECUTION a failed execution is followed by a fresh one after the delay, up to the limit.
    """
    retry = (
        "retry:\n  type: constant\n  interval: PT10S\n  maxAttempts: 3\n  behavior: CREATE_NEW_EXECUTION\n"
    )
    async with open_engine(FLAKY + retry) as engine:
        await start(engine, "flaky")
        await trio.sleep(60)
    made = sorted(rows(store, "flaky"), key=lambda row: row.ended)
    assert [row.state for row in made] == ["RETRIED", "RETRIED", "FAILED"]
    assert [round((row.ended - EPOCH_US) / 10_000_000) for row in made] == [0, 1, 2]


@pytest.mark.parametrize("outside", [True, False])
async def test_the_retry_of_a_task_may_make_new_executions(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, outside: bool
) -> None:
    """
    A task whose own retry (or that of the block around it) says CREATE_NEW_EXECUTION is not tried again in place: its
    failure ends the execution, and a fresh one follows.
    """
    retry = "retry: {type: constant, interval: PT10S, maxAttempts: 2, behavior: CREATE_NEW_EXECUTION}"
    around, own = (retry, "description: plain") if outside else ("description: plain", retry)
    source = f"""
id: again
namespace: company.team
tasks:
  - id: block
    type: io.kestra.plugin.core.flow.Sequential
    {around}
    tasks:
      - id: bad
        type: io.kestra.plugin.core.execution.Fail
        {own}
"""
    async with open_engine(source) as engine:
        await start(engine, "again")
        await trio.sleep(60)
        states = [await engine.replay(row.execution) for row in rows(store, "again")]
    ends = sorted((state.status, state.runs["block/bad"].attempts) for state in states)
    assert ends == [("FAILED", 1), ("RETRIED", 1)]


async def test_a_schedule_fires_on_time_in_its_zone(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A cron expression is read in the trigger's time zone; each time starts one execution.
    """
    trigger = """triggers:
  - id: mornings
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "30 8 * * *"
    timezone: Europe/Paris
"""
    async with open_engine(NAP.format(more=trigger)):
        await trio.sleep(2 * 24 * 3600)
    times = [datetime.fromtimestamp(row.started / 1_000_000, UTC) for row in rows(store, "nap")]
    assert [time.strftime("%d %H:%M") for time in times] == ["01 07:30", "02 07:30"]


@pytest.mark.parametrize(("recover", "count"), [("ALL", 5), ("LAST", 1), ("NONE", 0)])
async def test_missed_times_are_caught_up_as_configured(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, recover: str, count: int
) -> None:
    """
    Times that passed while nothing ran start executions afterwards: all, the last, or none.
    """
    trigger = f"""triggers:
  - id: hourly
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "@hourly"
    recoverMissedSchedules: {recover}
"""
    async with open_engine(NAP.format(more=trigger)):
        pass
    await trio.sleep(5 * 3600 + 60)
    for _ in range(2):
        async with open_engine():
            await trio.sleep(120)
    assert len(rows(store, "nap")) == count


ASKING = """
id: asking
namespace: company.team
tasks:
  - id: ask
    type: io.kestra.plugin.core.flow.Pause
    onResume:
      - id: approved
        type: BOOLEAN
"""


async def test_answers_to_a_pause_are_typed(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    What a person answers is checked against `onResume`: a wrong or missing answer is refused and nothing resumes.
    """
    async with open_engine(ASKING) as engine:
        (execution,) = await start(engine, "asking")
        await trio.testing.wait_all_tasks_blocked()
        for wrong in ({"approved": "no"}, {}, {"aproved": True}):
            with pytest.raises(CommandRefused, match="approved"):
                await engine.command(execution.id, Resume(by="user:me", inputs=wrong))
        await engine.command(execution.id, Resume(by="user:me", inputs={"approved": "true"}))
        state = await execution.finished()
    assert state.resumed["ask"].inputs == {"approved": True}
