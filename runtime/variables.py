"""What an expression sees: `flow`, `execution`, `trigger`, `inputs`, `outputs`, `task`, `taskrun`, `parent`, ...

All of it is a pure function of the flow and the events, so rendering again gives the recorded values.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from hookledger.journal.events import ChildReturned, ChildStarted, ExecutionResumed, TriggerReceived
from hookledger.runtime.expressions import CaseInsensitive
from hookledger.runtime.expressions.values import WithNulls
from hookledger.runtime.flow.input_parsing import groups
from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.plan import Frame, Place
from hookledger.runtime.state import Run, State, loop_values
from hookledger.runtime.taskruns import TaskRun, task_runs
from hookledger.runtime.triggers.received import content_type, known_body, trigger_variables

TENANT = "main"
WITHOUT_OUTPUTS: Final = frozenset({"Labels", "Exit"})
"""Task types that never have outputs, not even an empty map."""
_ENTERED: Final[Mapping[str, str]] = dict.fromkeys(
    ("CREATED", "QUEUED", "RESTARTED", "RETRYING", "PAUSED"), "RUNNING"
)
"""What an execution is as soon as a task of it begins, with the state that it is left in thereby."""
RESUMED_TO: Final = {"warn": "WARNING", "fail": "FAILED", "cancel": "CANCELLED"}


class Late:
    """A variable that is made when a template first asks for it."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def made(self) -> Any:
        """The value."""
        return self._make()


class Variables(dict[str, Any]):
    """What a template sees; values that are `Late` are made when they are looked up."""

    def get(self, key: str, default: Any = None) -> Any:
        """As of any map."""
        value = super().get(key, default)
        if value.__class__ is Late:
            value = self[key] = value.made()
        return value

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if value.__class__ is Late:
            value = self[key] = value.made()
        return value

    def items(self) -> Any:
        """As of any map; makes all of them."""
        return [(key, self[key]) for key in self]

    def values(self) -> Any:
        """As of any map; makes all of them."""
        return [self[key] for key in self]


class Scope:
    """The variables of one execution: what never changes is computed once."""

    def __init__(
        self, flow: Flow, execution: str, received: TriggerReceived, inputs: Mapping[str, Any] | None = None
    ) -> None:
        """With `inputs`, those stand for the recorded ones: the same with secrets revealed."""
        self.flow = flow
        self._large = known_body(received.body, content_type(received.headers), received.charset)
        self._after = {last.id for last in flow.after_execution}
        self._runs: tuple[State, Mapping[str, TaskRun]] = (State(), {})
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
            given = received.inputs if inputs is None else inputs
            self._fixed["inputs"] = _nullable(given, groups(one.id for one in flow.inputs))
        self._execution = {
            "id": execution,
            "originalId": received.original or execution,
            "startDate": iso_time(received.at),
        }

    def at(self, state: State) -> Variables:
        """The variables of the execution as a whole."""
        return Variables(
            {
                **self._fixed,
                "execution": {**self._execution, "state": state.status},
                "outputs": Late(lambda: outputs(state, self._task_runs(state).values())),
                "labels": nested_labels(state.labels),
                "tasks": Late(lambda: _task_states(self._task_runs(state).values())),
            }
        )

    def of(self, state: State, task: Task, place: Place) -> Variables:
        """The variables of a task at a place; one in `afterExecution` sees the state the execution ends in."""
        known = self.at(state)
        known["execution"] = {**self._execution, **self._execution_for(state, task, place)}
        return Variables(
            {
                **known,
                "task": {"id": task.id, "type": task.type},
                "taskrun": _taskrun(self._execution["id"], state, task, place),
                **self._parents(state, place),
            }
        )

    def _task_runs(self, state: State) -> Mapping[str, TaskRun]:
        """Made once for a state: what is rendered at one moment sees the same."""
        if self._runs[0] is not state:
            self._runs = (state, task_runs(self.flow, state))
        return self._runs[1]

    def _execution_for(self, state: State, task: Task, place: Place) -> dict[str, Any]:
        outermost = place.frames[0].task if place.frames else task.id
        if outermost in self._after and state.settled is not None:
            made = {"outputs": state.settled.outputs} if state.settled.outputs else {}
            return {"state": state.settled.state, **made}
        return {"state": state.status if state.pauses else _ENTERED.get(state.status, state.status)}

    def _parents(self, state: State, place: Place) -> dict[str, Any]:
        """`parent` is the nearest flowable around; `parents` are those with a value or outputs, nearest first.

        As for the task itself, `parent.taskrun.value` is that of the loop around: in an `If` inside a ForEach it is
        the ForEach's, in a ForEach inside another it is the outer one's.
        """
        if not place.frames:
            return {"parents": []}
        found: list[dict[str, Any]] = []
        value = around = None
        for frame in place.frames:
            one: dict[str, Any] = {}
            if made := _frame_outputs(state, frame):
                one["outputs"] = made
            if value is not None:
                one["taskrun"] = {"value": value}
            if one:
                found.insert(0, one)
            around = value if value is not None else around
            value = frame.value
        nearest = place.frames[-1]
        parent: dict[str, Any] = {"task": {"id": nearest.task}, "taskrun": {}}
        if made := _frame_outputs(state, nearest):
            parent["outputs"] = made
        if around is not None:
            parent["taskrun"] = {"value": around}
        return {"parent": parent, "parents": found}


def iso_time(at: int) -> str:
    """Microseconds as ISO 8601 in UTC, `2026-06-26T06:34:36.123456Z`."""
    return (
        datetime.fromtimestamp(at / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1_000_000:06d}Z"
    )


def outputs(state: State, runs: Iterable[TaskRun] = ()) -> dict[str, Any]:
    """Task outputs by task id; inside a loop that carries values nested by value: `outputs.task[value].name`.

    Of the task runs, those that have ended and gave nothing have an empty map, and blocks from their beginning.
    """
    found: dict[str, Any] = {}
    for one in runs:
        begun = one.state in _ENDED or (one.state == "RUNNING" and bool(one.task.blocks))
        if begun and one.task.kind.__name__ not in WITHOUT_OUTPUTS:
            _place_outputs(found, one.task.id, one.values, {})
    for path, (task, made) in _made(state).items():
        _place_outputs(found, task, loop_values(state.branches, path), made)
    return found


def outputs_by_path(state: State) -> dict[str, Mapping[str, Any]]:
    """What each task run gave, by its path."""
    return {path: made for path, (_, made) in _made(state).items()}


def _made(state: State) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Task and outputs by path, of everything that gave something."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for path, run in state.runs.items():
        if run.outputs:
            found[path] = run.task, _as_answer(run.outputs)
    for path, taken in state.branches.items():
        if taken.outputs:
            found[path] = taken.task, taken.outputs
    for path, resumed in state.resumed.items():
        if path and path not in state.runs:
            found[path] = path.rpartition("/")[2], _pause_outputs(resumed)
    for path in state.pauses:
        if path and path not in state.runs and state.kill is not None:
            killed = {"on": iso_time(state.kill.at), "to": "KILLING"}
            found[path] = path.rpartition("/")[2], {"resumed": killed}
    for path, started in state.children.items():
        found[path] = started.task, _child_outputs(started, state.returned.get(path))
    return found


_ENDED: Final = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED"})


def _pause_outputs(resumed: ExecutionResumed) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resumed": {"on": iso_time(resumed.at), "to": RESUMED_TO.get(resumed.choice, "SUCCESS")}
    }
    if not resumed.by.startswith("engine:"):
        made["resumed"]["by"] = resumed.by
    given = {name: value for name, value in resumed.inputs.items() if value is not None}
    return {"onResume": given, **made} if resumed.inputs else made


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
    made: dict[str, Any] = {"executionId": started.child}
    if not started.wait:
        return {**made, "state": "CREATED"}
    if returned is None:
        return made
    found = {"outputs": returned.outputs} if returned.outputs else {}
    return {**made, "state": returned.state, **found}


def _task_states(runs: Iterable[TaskRun]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for run in runs:
        _place_outputs(found, run.task.id, run.values, {"state": run.state})
    return found


def _frame_outputs(state: State, frame: Frame) -> Mapping[str, Any]:
    taken = state.branches.get(frame.path)
    return taken.outputs if taken is not None else {}


def _attempts(state: State, path: str) -> int:
    """How many attempts there were."""
    run, child = state.runs.get(path), state.children.get(path)
    if run is not None or child is None:
        return run.attempts if run is not None else state.attempts_before.get(path, 0)
    return child.attempt


def run_id(execution: str, path: str) -> str:
    """What names a task run everywhere: the execution and the place in its plan."""
    return f"{execution}:{path}"


def _taskrun(execution: str, state: State, task: Task, place: Place) -> dict[str, Any]:
    run: Run | None = state.runs.get(place.path(task))
    found: dict[str, Any] = {
        "id": run_id(execution, place.path(task)),
        "startDate": iso_time(run.first_started if run else state.at),
        "attemptsCount": _attempts(state, place.path(task)),
    }
    if place.frames:
        found["parentId"] = run_id(execution, place.frames[-1].path)
    values = [frame.value for frame in place.frames if frame.value is not None]
    if values:
        found |= {"value": values[-1], "values": values}
    counter = next((frame for frame in reversed(place.frames) if frame.iteration is not None), None)
    if counter is not None:
        found["iteration"] = counter.iteration
    return found


def _nullable(inputs: Mapping[str, Any], nested: Container[str], around: str = "") -> WithNulls:
    """An input that got no value is there and null, unlike an entry of a body; values stay as they are."""
    return WithNulls(
        {
            name: _nullable(value, nested, f"{around}{name}.")
            if f"{around}{name}" in nested and isinstance(value, Mapping)
            else value
            for name, value in inputs.items()
        }
    )
