"""Functions that look at the execution's own state, as far as it is in the variables."""

from collections.abc import Iterator, Mapping
from typing import Final

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.library.arguments import integer_of, map_of, text_of
from hookledger.runtime.expressions.library.registry import FUNCTIONS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Value, is_integer, is_list, is_map

Variables = Mapping[str, Value]
NOTHING: Final[Mapping[Value, Value]] = {}


def map_in(variables: Mapping[Value, Value], name: str) -> Mapping[Value, Value]:
    """A map among the variables; an empty one when there is none."""
    found = variables.get(name)
    return found if is_map(found) else NOTHING


def parents_outside_in(variables: Variables) -> list[Value]:
    """The enclosing iterations, the outermost first."""
    found = variables.get("parents")
    return list(found)[::-1] if is_list(found) else []


def iteration_value(holder: Value) -> Value:
    """The loop value of a parent, null when it is in no loop."""
    return map_in(holder, "taskrun").get("value") if is_map(holder) else None


def outer_values(variables: Variables) -> list[Value]:
    """The values of the loops around the innermost one, the outermost first."""
    values = map_in(variables, "taskrun").get("values")
    if is_list(values):
        return list(values)[:-1]
    found = map(iteration_value, parents_outside_in(variables))
    return [value for value in found if value is not None]


def within_parents(outputs: Mapping[Value, Value], variables: Variables) -> Mapping[Value, Value]:
    """Go down by the value of each enclosing iteration."""
    for value in outer_values(variables):
        outputs = map_in(outputs, str(value))
    return outputs


@FUNCTIONS("currentEachOutput", "outputs", scoped=True)
def current_each_output(_run: Run, variables: Variables, outputs: Value) -> Value:
    """The outputs of a task for the present iteration."""
    found = within_parents(map_of(outputs, "`currentEachOutput`"), variables)
    taskrun = map_in(variables, "taskrun")
    if "value" not in taskrun:
        raise WrongValue("`currentEachOutput` works within an iteration only")
    return found.get(taskrun["value"])


@FUNCTIONS("iterationOutput", "taskId?", "iteration?", scoped=True)
def iteration_output(_run: Run, variables: Variables, task: Value = None, iteration: Value = None) -> Value:
    """The value a task gave in an earlier iteration; by default this task in the one before."""
    taskrun = map_in(variables, "taskrun")
    current = taskrun.get("iteration")
    if not is_integer(current):
        raise WrongValue("`iterationOutput` works within an iteration only")
    name = map_in(variables, "task").get("id") if task is None else text_of(task, "`iterationOutput`")
    number = current - 1 if iteration is None else number_of(iteration)
    if number < 0:
        raise WrongValue("there is no iteration before the first")
    found = within_parents(map_in(map_in(variables, "outputs"), str(name)), variables)
    if not found:
        return None
    if number >= len(found):
        raise WrongValue(f"iteration {number} has no outputs yet")
    one = list(found.values())[number]
    return one.get("value") if is_map(one) else None


def number_of(value: Value) -> int:
    """A whole number, also written as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    return integer_of(value, "the iteration")


@FUNCTIONS("parentOutput", "index?", scoped=True)
def parent_output(_run: Run, variables: Variables, index: Value = None) -> Value:
    """The outputs of the enclosing task, or of one further out by its number from outside."""
    if index is None:
        return outputs_of(variables, variables.get("parent"))
    parents, number = parents_outside_in(variables), integer_of(index, "the index of `parentOutput`")
    if not 0 <= number < len(parents):
        raise WrongValue(f"there is no parent {number}, only {len(parents)} in all")
    return outputs_of(variables, parents[number])


def outputs_of(variables: Variables, parent: Value) -> Value:
    """The outputs of a parent, of its present iteration if it has one."""
    if not is_map(parent):
        raise WrongValue("this task has no parent")
    found = map_in(variables, "outputs").get(map_in(parent, "task").get("id"))
    value = iteration_value(parent)
    return found.get(value) if is_map(found) and value is not None else found


@FUNCTIONS("tasksWithState", "state", scoped=True)
def tasks_with_state(_run: Run, variables: Variables, state: Value) -> list[Value]:
    """The task runs in a state, each with its task and its iteration value if it has one."""
    wanted = text_of(state, "`tasksWithState`").upper()
    return [
        one
        for task, details in map_in(variables, "tasks").items()
        for one in runs_of(task, details)
        if one["state"] == wanted
    ]


def runs_of(task: Value, details: Value) -> Iterator[dict[str, Value]]:
    """The runs of one task."""
    for key, one in map_of(details, "`tasks`").items() if is_map(details) else ():
        if key == "state" and isinstance(one, str):
            yield {"taskId": task, "state": one.upper()}
        elif isinstance(inner := map_in(details, key).get("state"), str):
            yield {"taskId": task, "state": inner.upper(), "value": key}
