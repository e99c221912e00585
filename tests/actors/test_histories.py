"""States, attempts, parents and values of task runs, as Kestra's engines show them."""

from typing import Any

import trio
from trio.testing import MockClock

from hookledger.actors import Engine, Kill, Resume
from hookledger.runtime.histories import ShownRun, shown_runs
from tests.actors.conftest import OpenEngine

C = "io.kestra.plugin.core"
RUN = ["CREATED", "SUBMITTED", "RUNNING"]


def returns(task: str) -> str:
    """A task that returns a text."""
    return f"{{id: {task}, type: {C}.debug.Return, format: x}}"


def flow(tasks: str, after: str = "") -> str:
    """A flow of these tasks, each a YAML flow mapping on a line; `after` is one for afterExecution."""
    lines = "\n".join(f"  - {line}" for line in tasks.strip().splitlines())
    return f"id: f\nnamespace: a.b\ntasks:\n{lines}\nafterExecution: [{after}]\n"


class Shown:
    """An execution that has ended, or waits, and its task runs by task."""

    def __init__(self, runs: list[ShownRun], states: list[str]) -> None:
        self.runs = runs
        self.states = states

    def __getitem__(self, task: str) -> ShownRun:
        return next(run for run in self.runs if run.task == task)

    def history(self, task: str) -> list[str]:
        """States of a task's run, in order."""
        return [state for state, _ in self[task].history]

    def attempts(self, task: str) -> list[str]:
        """How each attempt ended."""
        return [attempt.state for attempt in self[task].attempts]


async def shown(engine: Engine, execution: str) -> Shown:
    """Read it as the API does."""
    past = await engine.past(execution)
    runs = shown_runs(past.flow, past.state, past.events)
    return Shown(runs, [state for state, _ in past.state.history])


async def played(engine: Engine, tasks: str, *commands: Any, after: str = "") -> Shown:
    """Run a flow to its end, giving a command each time it has come to rest."""
    made = await engine.register(flow(tasks, after))
    execution = await engine.trigger(made.namespace, made.id)
    for command in commands:
        await trio.sleep(0.5)
        await engine.command(execution.id, command)
    await execution.finished()
    return await shown(engine, execution.id)


async def test_every_task_reached_is_listed(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    Blocks, Sleep and Pause are listed beside tasks, in the order of their beginning; what was not reached is not.
    """
    async with open_engine() as engine:
        made = await played(
            engine,
            f"""
{{id: box, type: {C}.flow.Sequential, tasks: [{returns("in")}]}}
{{id: if, type: {C}.flow.If, condition: "no", then: [{returns("t")}], else: [{returns("e")}]}}
{{id: nap, type: {C}.flow.Sleep, duration: PT0.1S}}
{{id: hold, type: {C}.flow.Pause, pauseDuration: PT0.1S}}
{{id: sw, type: {C}.flow.Switch, value: b, cases: {{a: [{returns("sa")}], b: [{returns("sb")}]}}}}
{{id: boom, type: {C}.execution.Fail}}
{{id: never, type: {C}.debug.Return, format: x}}
""",
        )
    assert [run.task for run in made.runs] == [
        "box", "in", "if", "t", "nap", "hold", "sw", "sb", "boom",
    ]  # fmt: skip
    assert (made["in"].parent, made["sb"].parent, made["box"].parent) == ("box", "sw", "")
    assert made["if"].outputs == {"evaluationResult": True}
    assert made["hold"].outputs["resumed"]["to"] == "SUCCESS"


async def test_only_what_runs_itself_is_submitted(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    Tasks and Sleep are; blocks, Pause and tasks that change the execution itself are not.
    """
    async with open_engine() as engine:
        made = await played(
            engine,
            f"""
{{id: box, type: {C}.flow.Parallel, tasks: [{returns("in")}]}}
{{id: nap, type: {C}.flow.Sleep, duration: PT0.1S}}
{{id: mark, type: {C}.execution.Labels, labels: {{a: b}}}}
{{id: out, type: {C}.execution.Exit, state: WARNING}}
""",
        )
    assert made.history("in") == made.history("nap") == [*RUN, "SUCCESS"]
    assert made.history("box") == made.history("mark") == ["CREATED", "RUNNING", "SUCCESS"]
    assert made.history("out") == ["CREATED", "RUNNING", "WARNING"]


async def test_attempts_keep_their_own_end(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    Between two attempts a run is FAILED, RETRYING and CREATED; attempts stay FAILED where the run is not.
    """
    retry = "retry: {type: constant, interval: PT0.1S, maxAttempts: 2}"
    fails = f'type: {C}.execution.Fail, condition: "{{{{ taskrun.attemptsCount < 1 }}}}"'
    async with open_engine() as engine:
        made = await played(
            engine,
            f"""
{{id: a, {fails}, {retry}}}
{{id: box, type: {C}.flow.Sequential, tasks: [{{id: b, {fails}, {retry}}}]}}
{{id: soft, type: {C}.execution.Fail, allowFailure: true}}
""",
        )
    assert made.history("a") == [*RUN, "FAILED", "RETRYING", *RUN, "SUCCESS"]
    assert made.attempts("a") == made.attempts("b") == ["FAILED", "SUCCESS"]
    assert (made.history("soft")[-1], made.attempts("soft")) == ("WARNING", ["FAILED"])
    assert made.states == [
        "CREATED", "RUNNING", "FAILED", "RETRYING", "RUNNING", "RETRYING", "RUNNING", "WARNING",
    ]  # fmt: skip


async def test_retries_of_a_subflow_are_attempts(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    Each child that failed and is followed by another is an attempt; run and execution show it as for any task.
    """
    child = f"id: child\nnamespace: a.b\ntasks: [{{id: f, type: {C}.execution.Fail}}]\n"
    sub = f"type: {C}.flow.Subflow, namespace: a.b, flowId: child"
    retry = "retry: {type: constant, interval: PT0.1S, maxAttempts: 2}"
    async with open_engine(child) as engine:
        made = await played(engine, f"{{id: s, {sub}, {retry}}}")
        inner = await played(
            engine, f"{{id: box, type: {C}.flow.Sequential, tasks: [{{id: s, {sub}, {retry}}}]}}"
        )
    again = ["CREATED", "RUNNING", "FAILED", "RETRYING", "CREATED", "RUNNING", "FAILED"]
    assert (made.history("s"), made.attempts("s")) == (again, ["FAILED", "FAILED"])
    assert made.states == ["CREATED", "RUNNING", "FAILED", "RETRYING", "RUNNING", "FAILED"]
    assert (inner.history("s"), inner.attempts("s")) == (again, ["FAILED", "FAILED"])
    assert inner.states == ["CREATED", "RUNNING", "RETRYING", "RUNNING", "FAILED"]


async def test_a_retry_after_the_end_is_not_the_executions(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    A task of afterExecution that is tried again leaves the history of the execution alone.
    """
    retry = "retry: {type: constant, interval: PT0.1S, maxAttempts: 2}"
    fails = f'type: {C}.execution.Fail, condition: "{{{{ taskrun.attemptsCount < 1 }}}}"'
    async with open_engine() as engine:
        made = await played(
            engine, f"{{id: a, type: {C}.log.Log, message: m}}", after=f"{{id: z, {fails}, {retry}}}"
        )
    assert made.attempts("z") == ["FAILED", "SUCCESS"]
    assert made.states == ["CREATED", "RUNNING", "SUCCESS"]


async def test_a_pause_is_shown_with_its_states(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    RUNNING before PAUSED, RESTARTED after it, also when it is killed meanwhile.
    """
    hold = f"{{id: hold, type: {C}.flow.Pause}}"
    async with open_engine() as engine:
        resumed = await played(engine, hold, Resume(by="user:a"))
        killed = await played(engine, hold, Kill(by="user:a"))
    assert resumed.history("hold") == ["CREATED", "RUNNING", "PAUSED", "SUCCESS"]
    assert resumed.states == ["CREATED", "RUNNING", "PAUSED", "RESTARTED", "RUNNING", "SUCCESS"]
    assert killed.history("hold") == ["CREATED", "RUNNING", "PAUSED", "KILLED"]
    assert killed.states == ["CREATED", "RUNNING", "PAUSED", "RESTARTED", "KILLING", "KILLED"]


async def test_what_never_ran_was_never_running(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    A `runIf` that says no leaves CREATED, SKIPPED and one attempt; one that does not render FAILED and none.
    """
    async with open_engine() as engine:
        made = await played(
            engine,
            f"""
{{id: s, type: {C}.debug.Return, format: x, runIf: "false"}}
{{id: b, type: {C}.flow.Sequential, runIf: "false", tasks: [{returns("in")}]}}
{{id: w, type: {C}.debug.Return, format: x, runIf: "{{{{ nothing.here }}}}"}}
""",
        )
    assert made.history("s") == made.history("b") == ["CREATED", "SKIPPED"]
    assert made.attempts("s") == made.attempts("b") == ["SKIPPED"]
    assert (made.history("w"), made.attempts("w")) == (["CREATED", "FAILED"], [])


async def test_values_belong_to_direct_children_of_a_loop(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    They have `value` and `iteration`; what is in a further block has the block as its parent, and neither.
    """
    async with open_engine() as engine:
        made = await played(
            engine,
            f"{{id: each, type: {C}.flow.ForEach, values: [u, v], tasks: [{{id: seq, type: {C}.flow.Sequential, "
            f"tasks: [{returns('in')}]}}]}}",
        )
    loops = [(run.value, run.iteration, run.parent) for run in made.runs if run.task == "seq"]
    inside = [(run.value, run.iteration, run.parent) for run in made.runs if run.task == "in"]
    assert loops == [("u", 0, "each"), ("v", 1, "each")]
    assert inside == [(None, None, "each[0]/seq"), (None, None, "each[1]/seq")]


async def test_a_loop_lists_its_newest_round(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    Of a LoopUntil only the runs of the newest round are listed; between rounds it and the execution are PAUSED.
    """
    async with open_engine() as engine:
        made = await played(
            engine,
            f'{{id: loop, type: {C}.flow.LoopUntil, condition: "{{{{ outputs.loop.iterationCount == 3 }}}}", '
            f"checkFrequency: {{interval: PT1S}}, tasks: [{returns('in')}]}}",
        )
    between = ["RUNNING", "PAUSED", "RUNNING", "PAUSED", "RUNNING"]
    assert [(run.task, run.iteration) for run in made.runs] == [("loop", None), ("in", 2)]
    assert made.history("loop") == made.states == ["CREATED", *between, "SUCCESS"]
