"""What flows do, held against Kestra's engines: rows of docs/faults.md that no recorded flow tells."""

from collections.abc import Mapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from hookledger.actors import DeliveryRefused, Engine, Kill, Restart, Resume
from hookledger.api.shapes import TriggerView
from hookledger.api.views import execution_view
from hookledger.journal.events import ResultSettled, TaskReturned
from hookledger.journal.memory import MemoryStore
from hookledger.journal.verify import ReaderSource, verify
from hookledger.runtime.flow.parse import FlowInvalid, parse_flow
from hookledger.runtime.state import State
from hookledger.runtime.taskruns import task_runs
from tests.actors.conftest import OpenEngine

C = "io.kestra.plugin.core"
RETURN = f"type: {C}.debug.Return"
FAIL = f"type: {C}.execution.Fail"


def flow(tasks: str, name: str = "f", more: str = "") -> str:
    """A flow of these tasks, one or more a line in flow style."""
    return f"id: {name}\nnamespace: company.team\ntasks:\n{tasks}\n{more}".replace("C.", f"{C}.")


async def run(engine: Engine, name: str = "f", **given: Any) -> State:
    """Start a flow and wait for its end."""
    execution = await engine.trigger("company.team", name, **given)
    with trio.fail_after(1000):
        return await execution.finished()


def values(state: State) -> dict[str, Any]:
    """What Return tasks gave, by path."""
    return {path: run.outputs["value"] for path, run in state.runs.items() if "value" in run.outputs}


def states(state: State) -> dict[str, str]:
    """States of attempts, by path."""
    return {path: run.state for path, run in state.runs.items()}


@pytest.mark.parametrize("text", ["{{ false }}\\n", " false ", "0 ", "\\t-0\\n", "   ", ""])
async def test_every_condition_trims_before_it_looks(
    autojump_clock: MockClock, open_engine: OpenEngine, text: str
) -> None:
    """
    runIf, If, Fail, LoopUntil and Assert share one truth: white space around `false`, `0`, `-0` or nothing is no yes.
    """
    source = flow(
        f'  - {{id: r, {RETURN}, format: x, runIf: "{text}"}}\n'
        f'  - {{id: i, type: C.flow.If, condition: "{text}", then: [{{id: t, {RETURN}}}], '
        f"else: [{{id: e, {RETURN}}}]}}\n"
        f'  - {{id: n, {FAIL}, condition: "{text}"}}\n'
        f'  - {{id: l, type: C.flow.LoopUntil, condition: "{text}", checkFrequency: {{maxIterations: 2}}, '
        f"tasks: [{{id: c, {RETURN}}}]}}\n"
        f'  - {{id: a, type: C.execution.Assert, conditions: ["{text}"], allowFailure: true}}'
    )
    async with open_engine(source) as engine:
        state = await run(engine)
    found = states(state)
    assert (found["r"], found["n"], found["a"]) == ("SKIPPED", "SUCCESS", "WARNING")
    assert "i/e" in found
    assert "i/t" not in found
    assert {"l[0]/c", "l[1]/c"} <= found.keys()


async def test_a_loop_shows_its_round_everywhere_inside(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    `iterationCount` is there from the first round, in blocks below and in the condition; nested loops begin at 1 again.
    """
    count = "{{ outputs.l.iterationCount }}"
    source = flow(
        f'  - id: l\n    type: C.flow.LoopUntil\n    condition: "{{{{ outputs.l.iterationCount >= 2 }}}}"\n'
        f"    checkFrequency: {{interval: PT1S}}\n    tasks:\n"
        f'      - {{id: q, type: C.flow.Sequential, tasks: [{{id: c, {RETURN}, format: "{count}"}}]}}\n'
        f'      - {{id: m, type: C.flow.LoopUntil, condition: "{{{{ true }}}}", '
        f'tasks: [{{id: d, {RETURN}, format: "{{{{ outputs.m.iterationCount }}}}"}}]}}\n'
        f'  - {{id: z, {RETURN}, format: "{count}"}}'
    )
    async with open_engine(source) as engine:
        state = await run(engine)
    assert values(state) == {
        "l[0]/q/c": "1",
        "l[0]/m[0]/d": "1",
        "l[1]/q/c": "2",
        "l[1]/m[0]/d": "1",
        "z": "2",
    }


async def test_a_loop_keeps_a_warning_of_its_last_round(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    An allowed failure inside a LoopUntil makes the loop and the execution a WARNING, as in any block.
    """
    child = "tasks: [{{id: c, {fail}, allowFailure: true}}]"
    loop = f"  - {{{{id: l, type: C.flow.LoopUntil, condition: 'true', {{more}} {child}}}}}"
    async with open_engine(
        flow(loop.format(more="", fail=FAIL)), flow(loop.format(more="allowWarning: true,", fail=FAIL), "g")
    ) as engine:
        assert (await run(engine)).status == "WARNING"
        assert (await run(engine, "g")).status == "SUCCESS"


async def test_every_task_has_a_state_in_expressions(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    `tasks.x.state` is there for waits, blocks and subflows; RUNNING for what stands around, CREATED for the task.
    """
    names = "s p c q i w e l d g h n"
    around = "{{ tasks.q.state }} {{ tasks.in.state }}"
    each = "{{ tasks.e.state }} {{ tasks.x3.u.state }}"
    shown = " ".join(f"{{{{ tasks.{name}.state }}}}" for name in names.split())
    source = flow(
        f"""
  - {{id: s, type: C.flow.Sleep, duration: PT1S}}
  - {{id: p, type: C.flow.Pause, pauseDuration: PT1S}}
  - {{id: c, type: C.flow.Subflow, namespace: company.team, flowId: child}}
  - {{id: q, type: C.flow.Sequential, tasks: [{{id: in, {RETURN}, format: "{around}"}}]}}
  - {{id: i, type: C.flow.If, condition: "true", then: [{{id: x1, {RETURN}}}]}}
  - {{id: w, type: C.flow.Switch, value: a, cases: {{a: [{{id: x2, {RETURN}}}]}}}}
  - {{id: e, type: C.flow.ForEach, values: [u], tasks: [{{id: x3, {RETURN}, format: "{each}"}}]}}
  - {{id: l, type: C.flow.LoopUntil, condition: "true", tasks: [{{id: x4, {RETURN}}}]}}
  - {{id: d, type: C.flow.Parallel, tasks: [{{id: x5, {FAIL}, allowFailure: true}}]}}
  - {{id: g, type: C.flow.Dag, tasks: [{{task: {{id: x6, {RETURN}}}}}]}}
  - {{id: h, type: C.flow.AllowFailure, tasks: [{{id: x7, {FAIL}}}]}}
  - {{id: n, type: C.flow.Sequential, runIf: "false", tasks: [{{id: x8, {RETURN}}}]}}
  - {{id: z, {RETURN}, format: "{shown}"}}"""
    )
    async with open_engine(flow(f"  - {{id: one, {RETURN}}}", "child"), source) as engine:
        state = await run(engine)
    found = values(state)
    assert found["z"] == " ".join(["SUCCESS"] * 8 + ["WARNING", "SUCCESS", "WARNING", "SKIPPED"])
    assert (found["q/in"], found["e[0]/x3"]) == ("RUNNING CREATED", "RUNNING CREATED")


async def test_what_has_ended_without_outputs_has_an_empty_map(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    Tasks that have ended and blocks that have begun are in `outputs`; skipped ones, Labels and Exit are not.
    """
    own = "{{ outputs.b }} {{ outputs.o ?? 'none' }}"
    inner = f'{{id: o, {RETURN}, format: "{own}"}}'
    shown = "{{ outputs }} {{ outputs.a ?? 'none' }} {{ outputs.k ?? 'none' }} {{ parents }}"
    source = flow(
        f"""
  - {{id: a, type: C.log.Log, message: x}}
  - {{id: b, type: C.flow.Sequential, tasks: [{{id: c, {FAIL}, allowFailure: true}}, {inner}]}}
  - {{id: k, {RETURN}, format: x, runIf: "false"}}
  - {{id: m, type: C.execution.Labels, labels: {{a: b}}}}
  - {{id: z, {RETURN}, format: "{shown}"}}"""
    )
    async with open_engine(source) as engine:
        state = await run(engine)
    assert values(state)["b/o"] == "{} none"
    assert values(state)["z"] == '{"a":{},"b":{},"c":{},"o":{"value":"{} none"}} {} none []'


async def test_the_first_task_sees_a_running_execution(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    `execution.state` is RUNNING in every task before afterExecution, also right behind a restart.
    """
    source = flow(
        f'  - {{id: a, {RETURN}, format: "{{{{ execution.state }}}}"}}\n'
        f'  - {{id: b, {FAIL}, errorMessage: "{{{{ execution.state }}}}"}}',
        more=f'errors: [{{id: e, {RETURN}, format: "{{{{ execution.state }}}}"}}]\n'
        f'afterExecution: [{{id: x, {RETURN}, format: "{{{{ execution.state }}}}"}}]\n',
    )
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", "f")
        first = await execution.finished()
        await engine.command(execution.id, Restart(by="user:me"))
        again = await (await engine.attach(execution.id)).finished()
    for state in (first, again):
        assert values(state) == {"a": "RUNNING", "e": "RUNNING", "x": "FAILED"}
        error = state.runs["b"].error
        assert error is not None
        assert error.message == "RUNNING"


@pytest.mark.parametrize(("required", "outputs"), [("false", {"there": "x"}), ("true", {})])
async def test_an_optional_output_that_does_not_render_is_left_out(
    autojump_clock: MockClock, open_engine: OpenEngine, required: str, outputs: Mapping[str, Any]
) -> None:
    """
    `required: false` loses only that output; otherwise the execution is FAILED, and afterExecution sees it.
    """
    source = flow(
        f"  - {{id: a, {RETURN}, format: x}}",
        more=f'outputs:\n  - {{id: o, type: STRING, required: {required}, value: "{{{{ nothing.there }}}}"}}\n'
        '  - {id: there, type: STRING, value: "{{ outputs.a.value }}"}\n'
        f"afterExecution: [{{id: x, {RETURN}, "
        'format: "{{ execution.state }} {{ execution.outputs ?? 5 }}"}]\n',
    )
    async with open_engine(source) as engine:
        state = await run(engine)
    assert state.outputs == outputs
    assert state.status == ("SUCCESS" if required == "false" else "FAILED")
    assert values(state)["x"] == ('SUCCESS {"there":"x"}' if required == "false" else "FAILED 5")


@pytest.mark.parametrize("broken", ["condition", "values", "switch", "runIf", "timeout"])
async def test_what_could_not_begin_has_nothing_to_clean_up(
    autojump_clock: MockClock, open_engine: OpenEngine, broken: str
) -> None:
    """
    A block whose condition, values, runIf or timeout does not render is FAILED without its own errors and finally;
    those of the flow run.
    """
    lists = f"errors: [{{id: e, {RETURN}}}], finally: [{{id: f, {RETURN}}}]"
    inner = f"[{{id: t, {RETURN}}}]"
    block = {
        "condition": f'type: C.flow.If, condition: "{{{{ nothing }}}}", then: {inner}',
        "values": f'type: C.flow.ForEach, values: "{{{{ nothing }}}}", tasks: {inner}',
        "switch": f"type: C.flow.Switch, value: z, cases: {{a: {inner}}}",
        "runIf": f'type: C.flow.Sequential, runIf: "{{{{ nothing }}}}", tasks: {inner}',
        "timeout": f"type: C.flow.Sequential, timeout: \"{{{{ 'PT0S' }}}}\", tasks: {inner}",
    }[broken]
    more = f"errors: [{{id: fe, {RETURN}}}]\nfinally: [{{id: ff, {RETURN}}}]\n"
    async with open_engine(flow(f"  - {{id: b, {block}, {lists}}}", more=more)) as engine:
        state = await run(engine)
    assert (state.status, list(state.runs)) == ("FAILED", ["fe", "ff"])


async def test_an_if_without_a_branch_has_nothing_to_clean_up(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    An If without `else` whose condition is false runs no finally; a ForEach without values does.
    """
    source = flow(
        f"""
  - {{id: i, type: C.flow.If, condition: "false", then: [{{id: t, {RETURN}}}], finally: [{{id: f, {RETURN}}}]}}
  - {{id: e, type: C.flow.ForEach, values: [], tasks: [{{id: u, {RETURN}}}], finally: [{{id: g, {RETURN}}}]}}"""
    )
    async with open_engine(source) as engine:
        assert list((await run(engine)).runs) == ["e/g"]


async def test_what_did_not_start_is_not_tried_again(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    A runIf that does not render fails at once: no attempt, no retry, no allowFailure.
    """
    source = flow(
        f'  - {{id: a, {RETURN}, runIf: "{{{{ nothing }}}}", allowFailure: true, '
        "retry: {type: constant, interval: PT1S, maxAttempts: 3}}"
    )
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", "f")
        state = await execution.finished()
        events = await engine.events(execution.id)
    returned = [event for event in events if isinstance(event, TaskReturned)]
    assert [(event.outcome, event.next) for event in returned] == [("not_started", "fail")]
    assert [step[0] for step in state.runs["a"].history] == ["CREATED", "FAILED"]
    assert state.status == "FAILED"


async def test_allow_failure_blocks_stay_a_warning(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    `allowWarning` on an AllowFailure takes away a warning of a child, not the failure it tolerates.
    """
    block = "  - {{id: a, type: C.flow.AllowFailure, allowWarning: true, tasks: [{{id: b, {fail}{more}}}]}}"
    async with open_engine(
        flow(block.format(fail=FAIL, more="")),
        flow(block.format(fail=FAIL, more=", allowFailure: true"), "g"),
    ) as engine:
        assert (await run(engine)).status == "WARNING"
        assert (await run(engine, "g")).status == "SUCCESS"


@pytest.mark.parametrize("state", ["SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED"])
async def test_after_an_exit_only_after_execution_follows(
    autojump_clock: MockClock, open_engine: OpenEngine, state: str
) -> None:
    """
    Exit ends the execution in its state at once: no later task, no errors, no finally, no outputs.
    """
    source = flow(
        f"""
  - id: q
    type: C.flow.Sequential
    tasks: [{{id: x, type: C.execution.Exit, state: {state}}}, {{id: n, {RETURN}}}]
    errors: [{{id: qe, {RETURN}}}]
    finally: [{{id: qf, {RETURN}}}]
  - {{id: m, {RETURN}}}""",
        more=f"errors: [{{id: e, {RETURN}}}]\nfinally: [{{id: f, {RETURN}}}]\n"
        'outputs: [{id: o, type: STRING, value: "x"}]\n'
        f'afterExecution: [{{id: a, {RETURN}, format: "{{{{ execution.state }}}} {{{{ tasks.q.state }}}}"}}]\n',
    )
    async with open_engine(source) as engine:
        ended = await run(engine)
    assert (ended.status, states(ended)["q/x"], ended.outputs) == (state, state, {})
    assert values(ended) == {"a": f"{state} {state}"}
    assert list(ended.runs) == ["q/x", "a"]


async def test_after_a_kill_only_after_execution_follows(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    afterExecution runs for a killed execution and sees KILLED; a kill that comes while it runs ends that too.
    """
    lists = f"errors: [{{id: e, {RETURN}}}]\nfinally: [{{id: f, {RETURN}}}]\n"
    nap = "  - {id: nap, type: C.flow.Sleep, duration: PT1H}"
    after = f'afterExecution: [{{id: a, {RETURN}, format: "{{{{ execution.state }}}}"}}'
    slow = ", {id: more, type: C.flow.Sleep, duration: PT1H}]\n".replace("C.", f"{C}.")
    async with open_engine(
        flow(nap, more=lists + after + "]\n"), flow(nap, "g", lists + after + slow)
    ) as engine:
        for name, times in (("f", 1), ("g", 2)):
            execution = await engine.trigger("company.team", name)
            await trio.sleep(1)
            for _ in range(times):
                await engine.command(execution.id, Kill(by="user:me"))
                await trio.sleep(1)
            state = await execution.finished()
            assert (state.status, values(state), list(state.runs)) == ("KILLED", {"a": "KILLED"}, ["a"])
            assert [step[0] for step in state.history] == ["CREATED", "RUNNING", "KILLING", "KILLED"]
    assert verify(ReaderSource(store)).ok


async def test_a_kill_ends_what_waits_for_its_next_attempt(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A task between two attempts is KILLED with its execution, at the top and in a block.
    """
    bad = f"{FAIL}, retry: {{type: constant, interval: PT1H, maxAttempts: 3}}"
    source = flow(f"  - {{id: p, type: C.flow.Parallel, tasks: [{{id: a, {bad}}}, {{id: b, {bad}}}]}}")
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", "f")
        await trio.sleep(1)
        await engine.command(execution.id, Kill(by="user:me"))
        state = await execution.finished()
    assert (state.status, states(state)) == ("KILLED", {"p/a": "KILLED", "p/b": "KILLED"})
    assert verify(ReaderSource(store)).ok


async def test_attempts_count_on_over_a_restart(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    `attemptsCount` and the attempts go on behind a restart, while a retry has all its attempts again.
    """
    retry = "retry: {type: constant, interval: PT1S, maxAttempts: 2}"
    until = 'condition: "{{ taskrun.attemptsCount < 3 }}"'
    source = flow(f"  - {{id: q, type: C.flow.Sequential, tasks: [{{id: a, {FAIL}, {retry}, {until}}}]}}")
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", "f")
        first = await execution.finished()
        assert (first.status, first.runs["q/a"].attempts) == ("FAILED", 2)
        await engine.command(execution.id, Restart(by="user:me"))
        again = await (await engine.attach(execution.id)).finished()
    assert (again.status, again.runs["q/a"].attempts) == ("SUCCESS", 4)
    assert again.labels["system.restarted"] == "true"
    assert verify(ReaderSource(store)).ok


@pytest.mark.parametrize(
    ("behavior", "status", "to"),
    [("RESUME", "SUCCESS", "SUCCESS"), ("WARN", "WARNING", "WARNING"), ("FAIL", "FAILED", "FAILED"),
     ("CANCEL", "CANCELLED", "CANCELLED")],
)  # fmt: skip
async def test_a_pause_ends_as_its_behavior_says(
    autojump_clock: MockClock, open_engine: OpenEngine, behavior: str, status: str, to: str
) -> None:
    """
    When the time is over: RESUME, WARN, FAIL or CANCEL; `resumed.to` says which, `onPause` runs once meanwhile.
    """
    beside = f"onPause: {{id: o, {RETURN}, format: x}}"
    seen = "{{ outputs.p.resumed.to }} {{ tasks.p.state }}"
    source = flow(
        f"  - {{id: p, type: C.flow.Pause, pauseDuration: PT1M, behavior: {behavior}, {beside}}}\n"
        f"  - {{id: n, {RETURN}, format: y}}",
        more=f'afterExecution: [{{id: a, {RETURN}, format: "{seen}"}}]\n',
    )
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", "f")
        await trio.sleep(30)
        during = await engine.replay(execution.id)
        assert (during.status, values(during)) == ("PAUSED", {"p/o": "x"})
        state = await execution.finished()
    assert (state.status, values(state)["a"]) == (status, f"{to} {status}")
    assert ("n" in state.runs) == (status in ("SUCCESS", "WARNING"))


@pytest.mark.parametrize("duration", ["PT0S", "PT-5S", "{{ 'PT0S' }}"])
async def test_a_pause_of_no_time_goes_on_at_once(
    autojump_clock: MockClock, open_engine: OpenEngine, duration: str
) -> None:
    """
    `pauseDuration` of zero or less is no endless pause, and a `timeout` beside it does not count.
    """
    source = flow(f'  - {{id: p, type: C.flow.Pause, pauseDuration: "{duration}", timeout: PT1H}}')
    async with open_engine(source) as engine:
        with trio.fail_after(1):
            assert (await run(engine)).status == "SUCCESS"


async def test_a_resume_that_names_nothing_is_for_the_first(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    Of two pauses side by side each resume ends the one that has waited longest; until then it stays PAUSED.
    """
    source = flow(
        "  - {id: par, type: C.flow.Parallel, tasks: [{id: b, type: C.flow.Pause}, {id: a, type: C.flow.Pause}]}"
    )
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", "f")
        await trio.sleep(1)
        await engine.command(execution.id, Resume(by="user:me"))
        state = await engine.replay(execution.id)
        assert (state.status, list(state.pauses)) == ("PAUSED", ["par/a"])
        await engine.command(execution.id, Resume(by="user:me"))
        assert (await execution.finished()).status == "SUCCESS"


@pytest.mark.parametrize("timeout", ["PT0S", "PT-5S", "-PT5S", "PT-0.001S", "P-1D"])
@pytest.mark.parametrize("task", [f"{RETURN}", f"type: {C}.flow.Sequential, tasks: [{{id: b, {RETURN}}}]"])
async def test_a_timeout_of_no_time_is_a_mistake(
    autojump_clock: MockClock, open_engine: OpenEngine, timeout: str, task: str
) -> None:
    """
    On tasks and blocks: refused by its path when it stands there literally, FAILED when it is rendered.
    """
    with pytest.raises(FlowInvalid) as refused:
        parse_flow(flow(f"  - {{id: a, {task}, timeout: {timeout}}}"))
    assert refused.value.problems[0].path == ("tasks", 0, "timeout")
    source = flow(f"  - {{id: a, {task}, timeout: \"{{{{ '{timeout}' }}}}\"}}")
    async with open_engine(source) as engine:
        assert (await run(engine)).status == "FAILED"


async def test_every_failed_attempt_leaves_a_line(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    One ERROR line with its message for each attempt that failed, timed out or could not start, and for a block that
    could not choose; what was allowed to fail included.
    """
    source = flow(
        f"""
  - {{id: a, {FAIL}, errorMessage: why, allowFailure: true, retry: {{type: constant, interval: PT1S, maxAttempts: 2}}}}
  - id: h
    type: C.flow.AllowFailure
    tasks: [{{id: i, type: C.flow.If, condition: "{{{{ nothing }}}}", then: [{{id: t, {RETURN}}}]}}]
  - {{id: b, {RETURN}, format: "{{{{ nothing }}}}"}}"""
    )
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", "f")
        await execution.finished()
    lines = [(line.path, line.attempt, line.level) for line in store.logs(execution.id)]
    assert lines == [("a", 1, "ERROR"), ("a", 2, "ERROR"), ("h/i", 1, "ERROR"), ("b", 1, "ERROR")]
    assert [line.message for line in store.logs(execution.id)][:2] == ["why", "why"]


async def test_whatever_begins_sees_a_running_execution(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    Also behind the wait between two rounds of a loop, and in the second attempt of a task.
    """
    until = "condition: '{{ outputs.l.iterationCount >= 2 }}', checkFrequency: {interval: PT0.1S}"
    again = "retry: {type: constant, interval: PT0.1S, maxAttempts: 2}"
    seen = "{{ execution.state }}"
    fails = "condition: '{{ execution.state != \"RUNNING\" or taskrun.attemptsCount < 1 }}'"
    source = flow(
        f"  - {{id: l, type: C.flow.LoopUntil, {until}, tasks: [{{id: r, {RETURN}, format: '{seen}'}}]}}\n"
        f"  - {{id: f, {FAIL}, {fails}, {again}}}"
    )
    async with open_engine(source) as engine:
        state = await run(engine)
    assert (state.status, set(values(state).values())) == ("SUCCESS", {"RUNNING"})


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("<{{ inputs.a }}>", "<>"),
        ("{{ inputs.a is null }} {{ inputs.a is defined }} {{ inputs.a ?? 5 }}", "true false 5"),
        ("<{{ inputs.g.x }}> {{ inputs }}", '<> {"c":"cc","g":{}}'),
    ],
)
async def test_an_input_that_got_no_value_is_null(
    autojump_clock: MockClock, open_engine: OpenEngine, template: str, text: str
) -> None:
    """
    It prints nothing, as in the engines, where an entry that a body does not have fails.
    """
    declared = "inputs: [{id: a, type: STRING, required: false}, {id: c, type: STRING, defaults: cc}, "
    declared += "{id: g.x, type: INT, required: false}]\n"
    async with open_engine(flow(f"  - {{id: r, {RETURN}, format: '{template}'}}", more=declared)) as engine:
        assert values(await run(engine))["r"] == text


async def test_the_result_is_settled_before_after_execution(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    `execution.outputs` are there in afterExecution, and the journal says what was settled; a flow without that list
    writes no such event.
    """
    outputs = 'outputs: [{id: n, type: INT, value: "{{ 1 + 1 }}"}]\n'
    after = f'afterExecution: [{{id: x, {RETURN}, format: "{{{{ execution.outputs.n }}}}"}}]\n'
    one = f"  - {{id: a, {RETURN}}}"
    async with open_engine(flow(one, more=outputs + after), flow(one, "g", outputs)) as engine:
        for name, settled in (("f", [("SUCCESS", {"n": 2})]), ("g", [])):
            execution = await engine.trigger("company.team", name)
            state = await execution.finished()
            assert state.outputs == {"n": 2}
            assert values(state) == ({"x": "2"} if settled else {})
            events = [
                event for event in await engine.events(execution.id) if isinstance(event, ResultSettled)
            ]
            assert [(event.state, event.outputs) for event in events] == settled
    assert verify(ReaderSource(store)).ok


async def test_lists_of_a_dag_are_plain(autojump_clock: MockClock, open_engine: OpenEngine) -> None:
    """
    Only `tasks` of a Dag has items of `task:` and `dependsOn:`; its errors and finally are lists of tasks.
    """
    source = flow(
        f"  - {{id: d, type: C.flow.Dag, tasks: [{{task: {{id: a, {FAIL}}}}}], errors: [{{id: e, {RETURN}}}], "
        f"finally: [{{id: f, {RETURN}}}]}}"
    )
    async with open_engine(source) as engine:
        assert list((await run(engine)).runs) == ["d/a", "d/e", "d/f"]


async def test_a_new_execution_takes_the_place_of_a_failed_one(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    CREATE_NEW_EXECUTION: all but the last end RETRIED, with their failed task, without errors and finally, while
    afterExecution sees RETRIED; the next names the one before and the first, and has the label system.replay.
    """
    retry = "retry: {type: constant, interval: PT1S, maxAttempts: 3, behavior: CREATE_NEW_EXECUTION}\n"
    lists = f"errors: [{{id: e, {RETURN}, format: x}}]\n"
    after = f'afterExecution: [{{id: x, {RETURN}, format: "{{{{ execution.state }}}}"}}]\n'
    async with open_engine(flow(f"  - {{id: a, {FAIL}}}", more=retry + lists + after)) as engine:
        first = await engine.trigger("company.team", "f")
        await trio.sleep(60)
        rows = [entry.header.exec for entry in store.scan() if "TriggerReceived" in entry.header.types]
        made = {one: await engine.replay(one) for one in rows}
    assert [state.status for state in made.values()] == ["RETRIED", "RETRIED", "FAILED"]
    assert [states(state)["a"] for state in made.values()] == ["RETRIED", "RETRIED", "FAILED"]
    assert [values(state) for state in made.values()] == [{"x": "RETRIED"}] * 2 + [{"e": "x", "x": "FAILED"}]
    received = [state.received for state in made.values() if state.received]
    assert [one.retry_of for one in received] == ["", rows[0], rows[1]]
    assert [one.original for one in received] == ["", first.id, first.id]
    assert [one.labels.get("system.replay") for one in received] == [None, "true", "true"]
    assert verify(ReaderSource(store)).ok


@pytest.mark.parametrize("text", ['"false"', '"False"', '"FALSE"', '"0"', "false"])
async def test_a_quoted_no_is_a_no(autojump_clock: MockClock, open_engine: OpenEngine, text: str) -> None:
    """
    `disabled`, `allowFailure` and `allowWarning` of tasks, and `disabled` of the flow, are read alike from text.
    """
    source = flow(
        f"  - {{id: q, type: C.flow.Sequential, disabled: {text}, allowFailure: true, allowWarning: {text}, "
        f"tasks: [{{id: a, {FAIL}, allowFailure: {text}}}, {{id: n, {RETURN}}}]}}",
        more=f"disabled: {text}\n",
    )
    async with open_engine(source) as engine:
        state = await run(engine)
    assert (state.status, states(state)) == ("WARNING", {"q/a": "FAILED"})


@pytest.mark.parametrize("text", ['"true"', '"True"', '"1"'])
async def test_a_quoted_yes_is_a_yes(autojump_clock: MockClock, open_engine: OpenEngine, text: str) -> None:
    """
    The same words in quotes as without.
    """
    source = flow(f"  - {{id: a, {FAIL}, allowFailure: {text}}}\n  - {{id: b, {FAIL}, disabled: {text}}}")
    async with open_engine(source) as engine:
        state = await run(engine)
    assert (state.status, states(state)) == ("WARNING", {"a": "WARNING"})


NAP = "type: C.flow.Pause"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (flow(f"  - {{id: a, {RETURN}, disabled: \"{{{{ 1 == 2 }}}}\"}}"), ("tasks", 0, "disabled")),
        (flow(f"  - {{id: a, {RETURN}, allowFailure: \"{{{{ true }}}}\"}}"), ("tasks", 0, "allowFailure")),
        (flow(f"  - {{id: a, {RETURN}, allowWarning: maybe}}"), ("tasks", 0, "allowWarning")),
        (flow(f"  - {{id: a, {RETURN}}}", more='disabled: "{{ true }}"\n'), ("disabled",)),
        (flow(f"  - {{id: a, {NAP}, onResume: [{{id: x, type: NOPE}}]}}"), ("tasks", 0, "onResume", 0, "type")),
        (flow(f"  - {{id: a, {NAP}, onPause: [{{id: b, {RETURN}}}]}}"), ("tasks", 0, "onPause")),
        (
            flow("  - {id: a, type: C.http.Request, uri: x, options: {timeout: {readIdleTimeout: banana}}}"),
            ("tasks", 0, "options", "timeout", "readIdleTimeout"),
        ),
        (
            flow("  - {id: a, type: C.http.Request, uri: x, options: {readIdleTimeout: PT0S, "
                 "auth: {type: BEARER, token: \"{{ secret('T') }}\"}}}"),
            ("tasks", 0, "options", "readIdleTimeout"),
        ),
        (flow("  - {id: a, type: C.http.Request, uri: x, options: {defaultCharset: nope}}"), ("tasks", 0, "options")),
    ],
)  # fmt: skip
def test_what_can_be_known_is_refused_at_load(source: str, path: tuple[str | int, ...]) -> None:
    """
    What cannot be evaluated where it stands, or can never work, is named by its path when the flow is loaded.
    """
    with pytest.raises(FlowInvalid) as refused:
        parse_flow(source)
    assert [problem.path for problem in refused.value.problems] == [path]


def of_flow(store: MemoryStore, name: str) -> list[str]:
    """Executions of a flow, oldest first."""
    firsts = [entry for entry in store.scan() if {"TriggerReceived"} & set(entry.header.types)]
    return [entry.header.exec for entry in firsts if entry.events()[0].flow == name]  # type: ignore[union-attr]


@pytest.mark.parametrize("level", ["task", "block", "flow"])
async def test_a_subflow_is_tried_again(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, level: str
) -> None:
    """
    `retry` on a Subflow, a block around it or the flow starts a new child each time; `attemptsCount` counts.
    """
    retry = "retry: {type: constant, interval: PT1M, maxAttempts: 3}"
    own, around, all_ = ((retry if level == one else "description: x") for one in ("task", "block", "flow"))
    source = flow(
        f"  - {{id: q, type: C.flow.Sequential, {around}, tasks: [{{id: s, type: C.flow.Subflow, {own}, "
        'namespace: company.team, flowId: child, inputs: {n: "{{ taskrun.attemptsCount }}"}}]}',
        more=f"{all_}\n",
    )
    child = flow(
        f'  - {{id: a, {FAIL}, condition: "{{{{ inputs.n < until }}}}"}}'.replace("until", "2"),
        "child",
        "inputs: [{id: n, type: INT}]\n",
    )
    async with open_engine(child, source) as engine:
        execution = await engine.trigger("company.team", "f")
        await trio.sleep(30)
        assert (
            task_runs(engine.flow("company.team", "f"), await engine.replay(execution.id))["q/s"].state
            == "RETRYING"
        )
        state = await execution.finished()
        children = [await engine.replay(one) for one in of_flow(store, "child")]
    assert state.status == "SUCCESS"
    assert [one.status for one in children] == ["FAILED", "FAILED", "SUCCESS"]
    assert verify(ReaderSource(store)).ok


async def test_a_subflow_that_keeps_failing_has_failed(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    When the attempts are used up, errors run once; a kill between two attempts ends it.
    """
    retry = "retry: {type: constant, interval: PT1M, maxAttempts: 2}"
    call = f"  - {{id: s, type: C.flow.Subflow, namespace: company.team, flowId: child, {retry}}}"
    errors = f"errors: [{{id: e, {RETURN}, format: x}}]\n"
    async with open_engine(flow(f"  - {{id: a, {FAIL}}}", "child"), flow(call, more=errors)) as engine:
        assert (await run(engine)).status == "FAILED"
        assert len(of_flow(store, "child")) == 2
        execution = await engine.trigger("company.team", "f")
        await trio.sleep(30)
        await engine.command(execution.id, Kill(by="user:me"))
        state = await execution.finished()
    assert (state.status, task_runs(parse_flow(flow(call)), state)["s"].state) == ("KILLED", "KILLED")
    assert len(of_flow(store, "child")) == 3
    assert verify(ReaderSource(store)).ok


async def test_a_child_knows_where_it_comes_from(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A child and a grandchild have the correlation of the first execution; `trigger` names the parent, its task and, in a
    loop, value and iteration; the API shows it as the trigger. Labels of others go along only if the task wants it.
    """
    inner = "namespace: company.team, flowId: {flow}"
    source = flow(
        "  - {id: e, type: C.flow.ForEach, values: [u, v], tasks: [{id: s, type: C.flow.Subflow, "
        + inner.format(flow="child")
        + "}]}",
        more="labels: {team: blue}\n",
    )
    child = flow(
        "  - {id: g, type: C.flow.Subflow, inheritLabels: true, " + inner.format(flow="grandchild") + "}",
        "child",
    )
    seen = "{{ trigger.flowId }} {{ trigger.taskId }} {{ trigger.flowRevision }} {{ trigger.namespace }}"
    grandchild = flow(f'  - {{id: a, {RETURN}, format: "{seen}"}}', "grandchild")
    async with open_engine(grandchild, child, source) as engine:
        execution = await engine.trigger("company.team", "f")
        await execution.finished()
        children = [await engine.replay(one) for one in of_flow(store, "child")]
        last = [await engine.replay(one) for one in of_flow(store, "grandchild")]
    assert {one.labels["system.correlationId"] for one in (*children, *last)} == {execution.id}
    assert [one.received.variables["taskRunValue"] for one in children if one.received] == ["u", "v"]
    assert [one.received.variables["taskRunIteration"] for one in children if one.received] == [0, 1]
    assert [values(one)["a"] for one in last] == ["child g 1 company.team"] * 2
    assert all("team" not in one.labels for one in (*children, *last))
    shown = execution_view("x", last[0]).trigger
    assert isinstance(shown, TriggerView)
    assert (shown.id, shown.type) == ("g", f"{C}.flow.Subflow")


async def test_inputs_that_a_child_does_not_declare_are_left_out(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    They leave a WARN line that names them, and the rest goes to the child.
    """
    call = "  - {id: s, type: C.flow.Subflow, namespace: company.team, flowId: child, inputs: {a: x, b: y, c: z}}"
    child = flow(
        f'  - {{id: r, {RETURN}, format: "{{{{ inputs }}}}"}}', "child", "inputs: [{id: b, type: STRING}]\n"
    )
    async with open_engine(child, flow(call)) as engine:
        execution = await engine.trigger("company.team", "f")
        assert (await execution.finished()).status == "SUCCESS"
        (made,) = of_flow(store, "child")
        assert values(await engine.replay(made)) == {"r": '{"b":"y"}'}
    lines = [(line.path, line.level, "`a`" in line.message) for line in store.logs(execution.id)]
    assert lines == [("s", "WARN", True), ("s", "WARN", False)]
    assert verify(ReaderSource(store)).ok


async def test_a_flow_trigger_hands_on_what_has_ended(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    The execution it makes has the correlation of the one before and no system.from; `trigger` says what that one was;
    `when` sees its labels, flow, execution and task outputs.
    """
    upstream = flow(
        f"  - {{id: one, {RETURN}, format: hi}}\n  - {{id: two, {FAIL}, allowFailure: true}}",
        "up",
        'labels: {kind: gold}\noutputs: [{id: n, type: INT, value: "7"}]\n',
    )
    trigger = 'triggers: [{{id: t, type: C.trigger.Flow, when: "{when}"}}]\n'
    met = (
        "{{ labels.kind == 'gold' and flow.id == 'up' and execution.state == 'WARNING' and execution.outputs.n == 7"
        " and outputs.one.value == 'hi' and trigger.flowId == 'up' }}"
    )
    task = f"  - {{id: a, {RETURN}, format: x}}"
    async with open_engine(
        flow(task, "met", trigger.format(when=met)),
        flow(task, "unmet", trigger.format(when="{{ labels.kind == 'silver' }}")),
        upstream,
    ) as engine:
        first = await engine.trigger("company.team", "up")
        await trio.sleep(1)
        (made,) = of_flow(store, "met")
        state = await engine.replay(made)
        assert of_flow(store, "unmet") == []
    assert state.received is not None
    assert "system.from" not in state.labels
    assert state.labels["system.correlationId"] == first.id
    known = dict(state.received.variables)
    assert known.pop("startDate") <= known.pop("endDate")
    assert known == {
        "executionId": first.id, "executionLabels": {"system": {"from": "engine"}, "kind": "gold"}, "state": "WARNING",
        "namespace": "company.team", "flowId": "up", "flowRevision": 1, "outputs": {"n": 7}, "lastTaskId": "two",
    }  # fmt: skip


async def test_a_loop_is_paused_between_its_rounds(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    The execution and the loop are PAUSED while it waits for its next round, and RUNNING in it.
    """
    source = flow(
        '  - {id: l, type: C.flow.LoopUntil, condition: "{{ outputs.l.iterationCount == 3 }}", '
        f"checkFrequency: {{interval: PT1M}}, tasks: [{{id: c, {RETURN}}}]}}"
    )
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", "f")
        await trio.sleep(30)
        state = await engine.replay(execution.id)
        runs = task_runs(engine.flow("company.team", "f"), state)
        assert (state.status, runs["l"].state) == ("PAUSED", "PAUSED")
        state = await execution.finished()
    names = [step[0] for step in state.history]
    assert names == ["CREATED", "RUNNING", "PAUSED", "RUNNING", "PAUSED", "RUNNING", "SUCCESS"]


async def test_an_empty_address_given_on_purpose_is_one(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    `""` for an input of type EMAIL is accepted and stays empty; other texts are checked.
    """
    source = flow(
        f'  - {{id: a, {RETURN}, format: "[{{{{ inputs.m }}}}]"}}', more="inputs: [{id: m, type: EMAIL}]\n"
    )
    async with open_engine(source) as engine:
        assert values(await run(engine, inputs={"m": ""})) == {"a": "[]"}
        for wrong in (" ", "nobody"):
            with pytest.raises(DeliveryRefused):
                await engine.trigger("company.team", "f", inputs={"m": wrong})
