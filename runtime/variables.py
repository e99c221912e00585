"""What an expression sees: `flow`, `execution`, `trigger`, `inputs`, `outputs`, `task`, `taskrun`, `parent`, ...

All of it is a pure function of the flow and the events, so rendering again gives the recorded values.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hookledger.journal.events import ChildReturned, ChildStarted, TriggerReceived
from hookledger.runtime.decide import outcome
from hookledger.runtime.expressions import CaseInsensitive
from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.plan import Place
from hookledger.runtime.state import Run, State, loop_values
from hookledger.runtime.triggers.received import content_type, known_body, trigger_variables

TENANT = "main"


class Scope:
    """The variables of one execution: what never changes is computed once."""

    def __init__(
        self, flow: Flow, execution: str, received: TriggerReceived, inputs: Mapping[str, Any] | None = None
    ) -> None:
        """With `inputs`, those stand for the recorded ones: the same with secrets revealed."""
        self.flow = flow
        self._large = known_body(received.body, content_type(received.headers), received.charset)
        self._after = {last.id for last in flow.after_execution}
        self._fixed: dict[str, Any] = {
            "flow": {
                "id": flow.id,
                "namespace": flow.namespace,
                "revision": flow.revision,
                "tenantId": TENANT,
            },
            "trigger": trigger_variables(received),
            "vars": dict(flow.variables),
        }
        if flow.inputs or received.inputs:
            self._fixed["inputs"] = received.inputs if inputs is None else inputs
        self._execution = {
            "id": execution,
            "originalId": execution,
            "startDate": iso_time(received.at),
        }

    def at(self, state: State) -> dict[str, Any]:
        """The variables of the execution as a whole."""
        return {
            **self._fixed,
            "execution": {**self._execution, "state": state.status},
            "outputs": outputs(state),
            "labels": nested_labels(state.labels),
            "tasks": _task_states(state),
        }

    def of(self, state: State, task: Task, place: Place) -> dict[str, Any]:
        """The variables of a task at a place; one in `afterExecution` sees the state the execution ends in."""
        known = self.at(state)
        outermost = place.frames[0].task if place.frames else task.id
        if outermost in self._after:
            known["execution"] = {**self._execution, "state": outcome(self.flow, state) or state.status}
        return {
            **known,
            "task": {"id": task.id, "type": task.type},
            "taskrun": _taskrun(state, task, place),
            **_parents(place),
        }


def iso_time(at: int) -> str:
    """Microseconds as ISO 8601 in UTC, `2026-06-26T06:34:36.123456Z`."""
    return (
        datetime.fromtimestamp(at / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1_000_000:06d}Z"
    )


def outputs(state: State) -> dict[str, Any]:
    """Task outputs by task id; inside a loop that carries values nested by value: `outputs.task[value].name`."""
    found: dict[str, Any] = {}
    for run in state.runs.values():
        if run.outputs:
            _place_outputs(found, run.task, run.values, _as_answer(run.outputs))
    for path, taken in state.branches.items():
        if taken.outputs:
            _place_outputs(found, taken.task, loop_values(state.branches, path), taken.outputs)
    for path, resumed in state.resumed.items():
        if resumed.inputs:
            task = path.rpartition("/")[2]
            _place_outputs(found, task, loop_values(state.branches, path), {"onResume": resumed.inputs})
    for path, started in state.children.items():
        made = _child_outputs(started, state.returned.get(path))
        _place_outputs(found, started.task, loop_values(state.branches, path), made)
    return found


def nested_labels(labels: Mapping[str, str]) -> dict[str, Any]:
    """Labels as a map; dotted names nest: `labels.system.correlationId`."""
    found: dict[str, Any] = {}
    for name, value in labels.items():
        *parents, last = name.split(".")
        target = found
        for parent in parents:
            inner = target.setdefault(parent, {})
            target = inner if isinstance(inner, dict) else {}
        target.setdefault(last, value)
    return found


def _place_outputs(
    found: dict[str, Any], task: str, values: tuple[str, ...], made: Mapping[str, Any]
) -> None:
    target = found.setdefault(task, {})
    for value in values:
        target = target.setdefault(value, {})
    target.update(made)


def _as_answer(made: Mapping[str, Any]) -> Mapping[str, Any]:
    """Outputs of a request: names of headers are found without regard to case, as those of a delivery."""
    headers = made.get("headers")
    if isinstance(headers, dict) and "code" in made and "uri" in made:
        return {**made, "headers": CaseInsensitive(headers)}
    return made


def _child_outputs(started: ChildStarted, returned: ChildReturned | None) -> dict[str, Any]:
    made = {"executionId": started.child}
    return made if returned is None else {**made, "state": returned.state, "outputs": returned.outputs}


def _task_states(state: State) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for run in state.runs.values():
        _place_outputs(found, run.task, run.values, {"state": run.state})
    return found


def _taskrun(state: State, task: Task, place: Place) -> dict[str, Any]:
    run: Run | None = state.runs.get(place.path(task))
    found: dict[str, Any] = {
        "id": place.path(task),
        "startDate": iso_time(run.first_started if run else state.at),
        "attemptsCount": run.attempts if run else 0,
    }
    if place.frames:
        found["parentId"] = place.frames[-1].path
    values = [frame.value for frame in place.frames if frame.value is not None]
    if values:
        found |= {"value": values[-1], "values": values}
    counter = next((frame for frame in reversed(place.frames) if frame.iteration is not None), None)
    if counter is not None:
        found["iteration"] = counter.iteration
    return found


def _parents(place: Place) -> dict[str, Any]:
    """`parent` is the nearest flowable around, `parents` all of them, nearest first.

    As for the task itself, the value is that of the loop around: in an `If` inside a ForEach `parent.taskrun.value` is
    the ForEach's, in a ForEach inside another it is the outer one's.
    """
    found: list[dict[str, Any]] = []
    value: str | None = None
    for frame in place.frames:
        found.insert(0, {"task": {"id": frame.task}, "taskrun": {} if value is None else {"value": value}})
        value = frame.value if frame.value is not None else value
    return {"parent": found[0], "parents": found} if found else {}
