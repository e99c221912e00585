"""What a flow renders while it runs: mistakes in data, and the functions that look at the execution."""

import json
from collections.abc import Mapping

import pytest

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
