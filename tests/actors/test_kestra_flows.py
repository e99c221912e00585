"""Flows with recorded outcomes of Kestra's engines (tests/data/kestra-flows.yaml), played here on a clock that jumps.

The head of that file explains a case.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, Final

import pytest
import trio
import yaml
from trio.testing import MockClock

from hookledger.actors import (
    CommandRefused,
    Delivery,
    DeliveryRefused,
    Engine,
    Execution,
    Kill,
    Restart,
    Resume,
)
from hookledger.api.views import execution_view
from hookledger.journal.events import TaskStarted
from hookledger.journal.memory import MemoryStore
from hookledger.journal.store import LogLine
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.histories import ShownRun, shown_runs
from hookledger.runtime.state import State, fold_all
from hookledger.runtime.taskruns import TaskRun, task_runs
from hookledger.runtime.variables import outputs
from tests.actors.conftest import OpenEngine

DATA: Final = Path(__file__).parent.parent / "data" / "kestra-flows.yaml"
PATIENCE_SECONDS: Final = 120
"""Virtual."""
DIALECTS: Final = ("both", "1.3")
ENDED: Final = ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED")
OTHER_DIALECT: Final[Mapping[str, str]] = {
    "kf-workdir": "task type WorkingDirectory",
    "kf-foreachitem": "task types ForEachItem and storage.Write",
    "kf-sla-assertion-error": "flow property sla",
    "kf-sla-several": "flow property sla",
    "kf-sla-then-nothing": "flow property sla",
    "kf-outputs-typed": "output type BOOL",
}
"""Cases whose task type, property or type of input belongs to the issue on dialects."""


def _cases() -> Iterator[Any]:
    for case in yaml.safe_load(DATA.read_text(encoding="utf-8")):
        if case["dialect"] in DIALECTS:
            name, marks = case["id"], []
            if name in OTHER_DIALECT:
                reason = f"left to the dialects: {OTHER_DIALECT[name]}"
                marks = [pytest.mark.xfail(reason=reason, strict=True)]
            yield pytest.param(case, id=name, marks=marks)


class Stage:
    """One case's engine, its flows and what came of them."""

    def __init__(self, case: Mapping[str, Any], engine: Engine, store: MemoryStore) -> None:
        self.case = case
        self.engine = engine
        self.store = store
        self.flows: list[Flow] = []
        self.started: list[str] = []

    async def register(self) -> None:
        """The others first: the flow under test may name them."""
        sources = [self.case["flow"]] if "flow" in self.case else self.case["flows"]
        for source in reversed(sources):
            self.flows.insert(0, await self.engine.register(source))

    async def start(self) -> None:
        """Call the webhook, as `start` says."""
        start = self.case.get("start") or {}
        for name in start.get("sequence", ()):
            flow = next(flow for flow in self.flows if flow.id == name)
            await self._ended(await self.call(flow, {}))
        for number, body in enumerate(start.get("burst", () if "sequence" in start else [start.get("json")])):
            await trio.sleep(start.get("gap", 0) if number else 0)
            self.started.append((await self.call(self.flows[0], body)).id)
        await trio.sleep(0.01)
        if "sequence" in start:
            await trio.sleep(1)
            self.started = self.of_flow(self.flows[0].id)[-1:]

    async def call(self, flow: Flow, body: Any) -> Execution:
        """One delivery to the flow's webhook."""
        trigger = next(one for one in flow.triggers if one.type.endswith(".Webhook"))
        delivery = Delivery(
            method="POST",
            headers=(("Content-Type", "application/json"),),
            body=b"" if body is None else json.dumps(body).encode(),
        )
        return await self.engine.deliver(flow, trigger, delivery, actor="caller:test")

    async def step(self, step: Mapping[str, Any]) -> None:
        """What somebody does meanwhile."""
        execution = self.started[step.get("of", 0)]
        match step:
            case {"await_state": wanted}:
                await self.until(lambda: wanted in self.shown(execution))
            case {"await_running": seconds}:
                await trio.sleep(seconds)
                assert self.states()[execution].terminal is None
            case {"sleep": seconds}:
                await trio.sleep(seconds)
            case {"kill": _}:
                await self.engine.command(execution, Kill(by="user:test"))
            case {"resume": given}:
                await self.engine.command(execution, Resume(by="user:test", inputs=given.get("inputs", {})))
            case {"restart": _, "status": _}:
                with pytest.raises(CommandRefused):
                    await self.engine.command(execution, Restart(by="user:test"))
            case {"restart": _}:
                await self.engine.command(execution, Restart(by="user:test"))
            case _:
                raise AssertionError(f"a step nobody knows: {step}")

    async def rest(self) -> None:
        """Wait until all has ended that begins by itself."""
        await self.until(lambda: all(state.terminal is not None for state in self.states().values()))

    async def until(self, holds: Callable[[], bool]) -> None:
        """By looking again: an outsider is told nothing."""
        with trio.fail_after(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110
                await trio.sleep(0.05)

    async def _ended(self, execution: Execution) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            await execution.finished()

    def states(self) -> dict[str, State]:
        """Every execution in the journal, in the order of their starts."""
        found: dict[str, list[Any]] = {}
        for entry in self.store.scan():
            found.setdefault(entry.header.exec, []).extend(entry.events())
        found.pop("system", None)
        return {execution: fold_all(events) for execution, events in found.items()}

    def shown(self, execution: str) -> set[str]:
        """The state of an execution and, since the API shows it that way, RETRYING while a task is."""
        state = self.states()[execution]
        return {state.status, *(run.state for run in state.runs.values() if run.state == "RETRYING")}

    def of_flow(self, name: str) -> list[str]:
        """Executions of a flow, oldest first."""
        return [
            execution
            for execution, state in self.states().items()
            if state.received is not None and state.received.flow == name
        ]

    def runs(self, state: State) -> dict[str, TaskRun]:
        """Task runs by task and the values of the loops around it: `cell[a][1]`."""
        assert state.received is not None
        flow = next(flow for flow in self.flows if flow.id == state.received.flow)
        return {
            run.task.id + "".join(f"[{value}]" for value in run.values): run
            for run in task_runs(flow, state).values()
        }

    def shown_runs(self, execution: str) -> list[ShownRun]:
        """Task runs as the API lists them."""
        state = self.states()[execution]
        assert state.received is not None
        flow = next(flow for flow in self.flows if flow.id == state.received.flow)
        events: list[Any] = [event for entry in self.store.entries(execution) for event in entry.events()]
        return shown_runs(flow, state, events)

    def run(self, execution: str, name: str) -> ShownRun:
        """A task run by task and the values of the loops around it, `cell[a][1]`, the newest of several."""
        listed = {run.path: run for run in self.shown_runs(execution)}

        def key(run: ShownRun) -> str:
            values: list[str] = []
            around: ShownRun | None = run
            while around is not None:
                if around.value is not None:
                    values.insert(0, around.value)
                around = listed.get(around.parent)
            return run.task + "".join(f"[{value}]" for value in values)

        found = [run for run in listed.values() if name in (run.task, key(run))]
        assert found, f"{name} is not among {list(listed)}"
        return found[-1]

    def moment(self, execution: str, side: str) -> int:
        """When a run began or ended, from `task:end`."""
        name, _, which = side.partition(":")
        history = self.run(execution, name).history
        return history[-1 if which == "end" else 0][1]

    def logs(self, execution: str) -> list[LogLine]:
        """All log lines of an execution."""
        return self.store.logs(execution)


@pytest.mark.parametrize("case", list(_cases()))
async def test_a_flow_does_what_the_engines_do(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, case: Mapping[str, Any]
) -> None:
    """
    States, values, logs and children of a recorded flow are those of the engines, but where they differ on purpose.
    """
    async with open_engine() as engine:
        stage = Stage(case, engine, store)
        await stage.register()
        if case["expect"].get("valid"):
            return
        try:
            await stage.start()
        except DeliveryRefused:
            assert case["expect"].get("no_execution"), "nothing was started"
            return
        for step in case.get("steps") or ():
            await stage.step(step)
        await stage.rest()
        expected = case["expect"].get("each") or [case["expect"]]
        for execution, expect in zip(stage.started, expected, strict=False):
            compare(stage, execution, expect)


def compare(stage: Stage, execution: str, expect: Mapping[str, Any]) -> None:
    """Hold one execution against what is expected of it."""
    state = stage.states()[execution]
    for name, wanted in expect.items():
        _COMPARISONS[name](stage, execution, state, wanted)


def _state(stage: Stage, execution: str, state: State, wanted: str) -> None:
    assert state.status == wanted


def _outputs(stage: Stage, execution: str, state: State, wanted: Mapping[str, Any]) -> None:
    assert dict(state.outputs) == wanted


def _no_outputs(stage: Stage, execution: str, state: State, wanted: bool) -> None:
    assert not state.outputs


def _inputs(stage: Stage, execution: str, state: State, wanted: Mapping[str, Any]) -> None:
    assert state.received is not None
    assert differing(wanted, state.received.inputs) == []


def _labels(stage: Stage, execution: str, state: State, wanted: Mapping[str, Any]) -> None:
    assert differing(wanted, state.labels) == []


def _tasks(stage: Stage, execution: str, state: State, wanted: Mapping[str, Any]) -> None:
    runs = stage.runs(state)
    for key, expected in wanted.items():
        run = runs.get(key)
        reached = expected["state"] if isinstance(expected, Mapping) else expected
        if reached == "ABSENT":
            assert run is None, f"{key} ran"
        else:
            assert run is not None, f"{key} never ran"
            assert run.state == reached, key


def _task_outputs(stage: Stage, execution: str, state: State, wanted: Mapping[str, Any]) -> None:
    found = outputs(state, stage.runs(state).values())
    for key, expected in wanted.items():
        task, *values = key.replace("]", "").split("[")
        assert differing(expected, reduce(lambda inner, name: inner[name], values, found[task]), key) == []


def _histories(stage: Stage, execution: str, state: State, wanted: Mapping[str, Any]) -> None:
    for name, expected in wanted.items():
        found = (
            [reached for reached, _ in state.history]
            if name == "execution"
            else [reached for reached, _ in stage.run(execution, name).history]
        )
        if "equals" in expected:
            assert found == expected["equals"], name
        else:
            told = iter(found)
            assert all(one in told for one in expected["contains"]), (name, found)


def _attempts(stage: Stage, execution: str, state: State, wanted: Mapping[str, list[str]]) -> None:
    found = {name: [one.state for one in stage.run(execution, name).attempts] for name in wanted}
    assert found == wanted


def _main_runs(stage: Stage, execution: str, state: State, wanted: list[str]) -> None:
    assert [run.task for run in stage.shown_runs(execution)] == wanted


def _parents(stage: Stage, execution: str, state: State, wanted: Mapping[str, str | None]) -> None:
    for name, parent in wanted.items():
        assert stage.run(execution, name).parent == (
            stage.run(execution, parent).path if parent is not None else ""
        ), name


def _iterations(stage: Stage, execution: str, state: State, wanted: Mapping[str, int]) -> None:
    assert {name: stage.run(execution, name).iteration for name in wanted} == wanted


def _count(stage: Stage, execution: str, state: State, wanted: Mapping[str, int]) -> None:
    listed = [run.task for run in stage.shown_runs(execution)]
    assert {name: listed.count(name) for name in wanted} == wanted


def _order(stage: Stage, execution: str, state: State, wanted: list[str]) -> None:
    for one in wanted:
        (left, right) = (stage.moment(execution, side) for side in one.split(" < "))
        assert left <= right, one


def _started(stage: Stage, execution: str, state: State, wanted: Mapping[str, int]) -> None:
    begun = [
        event.task
        for entry in stage.store.entries(execution)
        for event in entry.events()
        if isinstance(event, TaskStarted)
    ]
    assert {name: begun.count(name) for name in wanted} == wanted


def _logs(stage: Stage, execution: str, state: State, wanted: list[Mapping[str, Any]]) -> None:
    lines = stage.logs(execution)
    for one in wanted:
        found = [
            line
            for line in lines
            if line.path.rpartition("/")[2] == one["task"]
            and one.get("has", "") in line.message
            and line.level == one.get("level", line.level)
        ]
        assert found, f"no line {one} among {[line.message for line in lines]}"


def _executions(stage: Stage, execution: str, state: State, wanted: Mapping[str, Any]) -> None:
    states = stage.states()
    for name, expect in wanted.items():
        found = stage.of_flow(name)
        assert len(found) == expect.get("count", len(found)), name
        for one in found if "main_runs" in expect else ():
            _main_runs(stage, one, states[one], expect["main_runs"])
        for one in found if "history" in expect else ():
            assert [reached for reached, _ in states[one].history] == expect["history"]
        if "states" in expect:
            assert sorted(states[one].status for one in found) == sorted(expect["states"])
        for one in found[1:] if "label_on_retries" in expect else ():
            assert differing(expect["label_on_retries"], states[one].labels) == []
        views = [execution_view(one, states[one]) for one in found]
        if expect.get("same_original_id"):
            assert {view.original_id for view in views} == {found[0]}
        if expect.get("last_has_parent"):
            assert views[-1].parent_id == found[-2]


_COMPARISONS: Final[Mapping[str, Callable[[Stage, str, State, Any], None]]] = {
    "state": _state,
    "outputs": _outputs,
    "outputs_absent": _no_outputs,
    "inputs": _inputs,
    "labels": _labels,
    "tasks": _tasks,
    "task_outputs": _task_outputs,
    "started": _started,
    "logs": _logs,
    "executions": _executions,
    "histories": _histories,
    "attempts": _attempts,
    "main_runs": _main_runs,
    "parents": _parents,
    "iterations": _iterations,
    "count": _count,
    "order": _order,
}


def differing(wanted: Any, found: Any, where: str = "") -> list[str]:
    """Where `found` is not what is wanted; a map is a subset, and matchers are as in the head of the file."""
    match wanted:
        case {"$absent": True}:
            return [f"{where}: {found!r} is there"]
        case {"$any": choices}:
            return [] if any(not differing(one, found) for one in choices) else [f"{where}: {found!r}"]
        case {"$re": pattern}:
            return [] if re.search(pattern, str(found)) else [f"{where}: {found!r}"]
        case {"$between": [low, high]}:
            return [] if low <= found <= high else [f"{where}: {found!r}"]
        case {"$execution_id": True}:
            return [] if isinstance(found, str) and found else [f"{where}: {found!r}"]
        case Mapping():
            return [problem for name, one in wanted.items() for problem in _member(name, one, found, where)]
        case _:
            return [] if wanted == found else [f"{where}: {found!r} is not {wanted!r}"]


def _member(name: str, wanted: Any, found: Any, where: str) -> list[str]:
    inside = f"{where}.{name}"
    if not isinstance(found, Mapping) or name not in found:
        return [] if wanted == {"$absent": True} else [f"{inside} is missing in {found!r}"]
    return differing(wanted, found[name], inside)
