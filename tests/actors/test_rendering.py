"""What a flow renders while it runs: mistakes in data, and the functions that look at the execution."""

import json
from collections.abc import Mapping

import pytest
import trio.testing

from hookledger.actors import Engine

from .conftest import OpenEngine

CORE = "io.kestra.plugin.core"
RENDERED = "{{ render(trigger.name) }}"
OK = {"id": "ok", "type": f"{CORE}.debug.Return", "format": "ok"}


def flow(task: Mapping[str, object], **more: object) -> str:
    """A flow of one task, as JSON, which YAML reads too."""
    return json.dumps({"id": "f", "namespace": "t", "tasks": [{"id": "a", **task}], **more})


POSITIONS = {
    "a property": flow({"type": f"{CORE}.debug.Return", "format": RENDERED}),
    "runIf": flow({"type": f"{CORE}.debug.Return", "runIf": RENDERED}),
    "timeout": flow({"type": f"{CORE}.debug.Return", "timeout": RENDERED}),
    "a message": flow({"type": f"{CORE}.log.Log", "message": RENDERED}),
    "If": flow({"type": f"{CORE}.flow.If", "condition": RENDERED, "then": [OK]}),
    "Switch": flow({"type": f"{CORE}.flow.Switch", "value": RENDERED, "defaults": [OK]}),
    "ForEach": flow({"type": f"{CORE}.flow.ForEach", "values": RENDERED, "tasks": [OK]}),
    "LoopUntil": flow({"type": f"{CORE}.flow.LoopUntil", "condition": RENDERED, "tasks": [OK]}),
    "Fail": flow({"type": f"{CORE}.execution.Fail", "condition": RENDERED}),
    "labels": flow({"type": f"{CORE}.execution.Labels", "labels": {"x": RENDERED}}),
    "Subflow": flow(
        {"type": f"{CORE}.flow.Subflow", "namespace": "t", "flowId": "child", "inputs": {"x": RENDERED}}
    ),
    "Pause": flow({"type": f"{CORE}.flow.Pause", "pauseDuration": RENDERED}),
    "outputs": flow(OK, outputs=[{"id": "o", "type": "STRING", "value": RENDERED}]),
}

CHILD = json.dumps({"id": "child", "namespace": "t", "tasks": [OK]})


@pytest.mark.parametrize("mistake", ["{{ oops() }}", "{% if %}", "{{ 1 | nosuch }}", "{{ user", "{{ 'a"])
@pytest.mark.parametrize("position", POSITIONS)
async def test_a_mistake_in_rendered_data_fails_the_execution(
    open_engine: OpenEngine, autojump_clock: object, position: str, mistake: str
) -> None:
    """
    A text of the caller's with a syntax mistake in it, rendered by the flow: FAILED with E001, wherever that is.
    """
    engine: Engine
    async with open_engine(CHILD, POSITIONS[position]) as engine:
        execution = await engine.trigger("t", "f", variables={"name": mistake})
        assert (await execution.finished()).status == "FAILED"
        assert "E001" in str(await engine.events(execution.id))


ALERT = """
id: f
namespace: t
tasks:
  - {id: hold, type: io.kestra.plugin.core.flow.Pause, pauseDuration: PT10S}
  - id: gate
    type: io.kestra.plugin.core.execution.Fail
    errorMessage: no stock
    retry: {type: constant, interval: PT1S, maxAttempts: 2}
errors:
  - id: alert
    type: io.kestra.plugin.core.debug.Return
    format: >-
      {{ errorLogs() | length }} {{ errorLogs()[0].taskId }} {{ errorLogs()[0].level }} {{ errorLogs()[0].message }}
  - id: again
    type: io.kestra.plugin.core.debug.Return
    format: "{% for one in errorLogs() %}{{ one.attemptNumber }}:{{ one.flowId }};{% endfor %}"
"""


async def test_error_logs_are_what_failed(open_engine: OpenEngine, autojump_clock: object) -> None:
    """
    `errorLogs()` has a line for each failed attempt, with task, level and message; what it gave is journaled.
    """
    async with open_engine(ALERT) as engine:
        execution = await engine.trigger("t", "f")
        state = await execution.finished()
    values = {run.task: run.outputs for run in state.runs.values() if run.outputs}
    assert values["alert"]["value"].startswith("2 gate ERROR ")
    assert "no stock" in values["alert"]["value"]
    assert len(values["again"]["value"].split("f;")) == 3


async def test_error_logs_outlive_a_restart_of_the_server(
    open_engine: OpenEngine, autojump_clock: object
) -> None:
    """
    Lines written before a new process took the execution over are there too.
    """
    source = ALERT.replace(
        "  - {id: hold",
        "  - {id: early, type: io.kestra.plugin.core.execution.Fail,"
        " errorMessage: first, allowFailure: true}\n  - {id: hold",
    )
    async with open_engine(source) as engine:
        execution = await engine.trigger("t", "f")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert execution.id
    async with open_engine() as engine:
        again = await engine.attach(execution.id)
        state = await again.finished()
    values = {run.task: run.outputs for run in state.runs.values() if run.outputs}
    assert values["alert"]["value"].startswith("3 early ERROR ")
