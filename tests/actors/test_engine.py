"""The engine as an embedding program uses it."""

from pathlib import Path

import pytest
import trio.testing

from hookledger.actors import Engine, FlowUnknown
from hookledger.actors.errors import ExecutionUnsuccessful
from hookledger.actors.operators import Kill
from hookledger.journal.events import type_name
from hookledger.journal.memory import MemoryStore
from hookledger.runtime.state import fold_all

GREET = """
id: greet
namespace: company.team
tasks:
  - id: hello
    type: io.kestra.plugin.core.debug.Return
    format: "Hello {{ trigger.name ?? 'world' }}!"
  - id: shout
    type: io.kestra.plugin.core.debug.Return
    format: "{{ outputs.hello.value | upper }}"
outputs:
  - id: greeting
    type: STRING
    value: "{{ outputs.shout.value }}"
"""


async def test_a_flow_of_two_tasks_writes_six_events(tmp_path: Path) -> None:
    """
    The spine of a flow of two tasks that succeeds is six events and nothing else (architecture, section 3).
    """
    async with Engine.open(tmp_path) as engine:
        await engine.register(GREET)
        execution = await engine.trigger("company.team", "greet", variables={"name": "Alice"})
        assert await execution.outputs() == {"greeting": "HELLO ALICE!"}
        events = await engine.events(execution.id)
    assert [type_name(event) for event in events] == [
        "TriggerReceived",
        "TaskStarted",
        "TaskReturned",
        "TaskStarted",
        "TaskReturned",
        "OutputsResolved",
    ]


async def test_replay_up_to_an_event_is_a_fold_of_the_prefix(tmp_path: Path) -> None:
    """
    State at N is the fold of the events up to and including N, for every N.
    """
    async with Engine.open(tmp_path) as engine:
        await engine.register(GREET)
        execution = await engine.trigger("company.team", "greet")
        await execution.finished()
        events = await engine.events(execution.id)
        for event in events:
            state = await engine.replay(execution.id, at=event.sequence)
            assert state == fold_all(events[: event.sequence + 1])


async def test_what_was_registered_is_known_after_reopening(tmp_path: Path) -> None:
    """
    Flows and executions come back from the journal alone; an equal source makes no new revision.
    """
    async with Engine.open(tmp_path) as engine:
        await engine.register(GREET)
        first = await engine.trigger("company.team", "greet")
        await first.finished()
    async with Engine.open(tmp_path) as engine:
        assert (await engine.register(GREET)).revision == 1
        assert (await engine.register(GREET.replace("Hello", "Hi"))).revision == 2
        again = await engine.attach(first.id)
        assert await again.outputs() == {"greeting": "HELLO WORLD!"}


async def test_an_unknown_flow_is_refused(tmp_path: Path) -> None:
    """
    Triggering what is not registered raises at once and writes nothing.
    """
    async with Engine.open(tmp_path) as engine:
        with pytest.raises(FlowUnknown):
            await engine.trigger("company.team", "nothing")


async def test_an_error_of_the_host_comes_out_as_it_is(tmp_path: Path) -> None:
    """
    An exception raised inside `async with Engine.open` is not wrapped in an exception group.
    """
    with pytest.raises(LookupError, match="mine"):
        async with Engine.open(tmp_path):
            raise LookupError("mine")


async def test_leaving_while_executions_are_open_loses_none(tmp_path: Path) -> None:
    """
    An execution that was under way when the engine closed goes on when it is opened again.
    """
    source = GREET.replace("tasks:", "tasks:\n  - id: nap\n    type: io.kestra.plugin.core.flow.Pause", 1)
    async with Engine.open(tmp_path) as engine:
        await engine.register(source)
        execution = await engine.trigger("company.team", "greet")
        await trio.testing.wait_all_tasks_blocked(0.01)
    async with Engine.open(tmp_path) as engine:
        from hookledger.actors import Resume

        await engine.command(execution.id, Resume(by="test:me"))
        again = await engine.attach(execution.id)
        assert await again.outputs() == {"greeting": "HELLO WORLD!"}


@pytest.mark.parametrize("state", ["FAILED", "KILLED"])
async def test_outputs_of_a_run_without_success_are_an_error(
    autojump_clock: trio.testing.MockClock, state: str
) -> None:
    """
    U3: `outputs()` of an execution that failed or was killed raises with its id, state, failed task and message;
    `state` and `finished()` say the same without an exception.
    """
    task = (
        "{id: bad, type: io.kestra.plugin.core.execution.Fail, errorMessage: no stock}"
        if state == "FAILED"
        else "{id: wait, type: io.kestra.plugin.core.flow.Pause}"
    )
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(
            f"id: f\nnamespace: n\ntasks:\n  - {task}\noutputs: [{{id: x, type: STRING, value: y}}]\n"
        )
        execution = await engine.trigger("n", "f")
        if state == "KILLED":
            await execution.accepted()
            await engine.command(execution.id, Kill(by="user:ann"))
        with pytest.raises(ExecutionUnsuccessful) as raised:
            await execution.outputs()
        assert (raised.value.execution, raised.value.state) == (execution.id, state)
        assert execution.state.status == (await execution.finished()).status == state
        assert execution.id in str(raised.value)
        if state == "FAILED":
            assert (raised.value.task, "no stock" in raised.value.message) == ("bad", True)
