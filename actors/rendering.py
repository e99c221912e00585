"""Renders what a flow says at one moment of an execution, and keeps account of what was drawn from outside."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hookledger.actors.ports import Ports
from hookledger.journal.events import Failure, TriggerReceived
from hookledger.journal.store import LogLine
from hookledger.runtime.expressions import Ambient, ExpressionError
from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.flow.places import place_of
from hookledger.runtime.flow.templates import Tree, render_tree
from hookledger.runtime.masking import Masker
from hookledger.runtime.plan import Place
from hookledger.runtime.secret_inputs import changed, context_of, looked_up, secret_ids
from hookledger.runtime.state import State
from hookledger.runtime.variables import Scope, Variables, iso_time


class Rendered(NamedTuple):
    """A rendered value, or why there is none, and what was drawn."""

    value: Any
    failure: Failure | None
    drawn: tuple[dict[str, Any], ...]
    secrets: tuple[str, ...]


class Renderer:
    """One execution's rendering."""

    def __init__(
        self, scope: Scope, ports: Ports, masker: Masker, errors: Callable[[], Any] | None = None
    ) -> None:
        """`errors` answers `errorLogs()`."""
        self._scope = scope
        self._errors = errors
        self._ports = ports
        self._masker = masker

    def task(self, state: State, task: Task, place: Place, tree: Tree) -> Rendered:
        """Render something that belongs to a task."""
        return self._render(tree, self._scope.of(state, task, place), self._ambient(), task.id)

    def whole(self, state: State, tree: Tree, more: Mapping[str, Any] | None = None) -> Rendered:
        """Render something that belongs to the execution as a whole."""
        return self.render(tree, Variables({**self._scope.at(state), **(more or {})}))

    def render(self, tree: Tree, variables: Mapping[str, object]) -> Rendered:
        """Render any value; an expression that fails becomes a Failure."""
        return self._render(tree, variables, self._ambient())

    def again(
        self, state: State, task: Task, place: Place, tree: Tree, drawn: Sequence[dict[str, Any]]
    ) -> Rendered:
        """Render something of a task once more with the values that were drawn the first time."""
        return self._render(tree, self._scope.of(state, task, place), self._ambient(drawn), task.id)

    def whole_again(self, state: State, tree: Tree, drawn: Sequence[dict[str, Any]]) -> Rendered:
        """Render something of the execution once more with the values that were drawn the first time."""
        return self._render(tree, self._scope.at(state), self._ambient(drawn))

    def _ambient(self, drawn: Sequence[dict[str, Any]] | None = None) -> Ambient:
        return self._ports.ambient(drawn, namespace=self._scope.flow.namespace, errors=self._errors)

    def _render(
        self, tree: Tree, variables: Mapping[str, object], ambient: Ambient, task: str = ""
    ) -> Rendered:
        try:
            value = render_tree(tree, Variables({**variables, "envs": self._ports.environment}), ambient)
            failure = None
        except ExpressionError as error:
            self._masker.learn(ambient.secrets)
            located = error.at(place_of(self._scope.flow, error.template or "", task))
            value, failure = None, Failure(message=self._masker.text(str(located)), kind="ExpressionError")
        self._masker.learn(ambient.secrets)
        return Rendered(
            value, failure, tuple(ambient.drawn), tuple(dict.fromkeys(_secret_names(ambient.drawn)))
        )


def _secret_names(drawn: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    return (str(draw["args"][0]) for draw in drawn if draw["name"] == "secret" and draw["args"])


def error_log(flow: Flow, state: State, lines: Iterable[LogLine]) -> list[dict[str, Any]]:
    """What `errorLogs()` gives: the lines of level ERROR, oldest first."""
    return [
        {
            "namespace": flow.namespace,
            "flowId": flow.id,
            "executionId": line.execution,
            "taskId": state.runs[line.path].task if line.path in state.runs else line.path.rpartition("/")[2],
            "taskRunId": line.path,
            "attemptNumber": line.attempt,
            "timestamp": iso_time(line.at),
            "level": line.level,
            "message": line.message,
        }
        for line in lines
    ]


def make_renderer(
    flow: Flow,
    execution: str,
    received: TriggerReceived,
    ports: Ports,
    masker: Masker,
    errors: Callable[[], Any] | None = None,
) -> Renderer:
    """A renderer for an execution: SECRET inputs are revealed to expressions, and masked in all that is written.

    `errors` answers `errorLogs()`.
    """
    inputs: Mapping[str, Any] = received.inputs
    for name in secret_ids(flow):
        sealed = looked_up(inputs, name)
        if isinstance(sealed, str) and ports.cipher is not None:
            value = ports.cipher.decrypt(sealed, context_of(execution, name))
            inputs = changed(inputs, name, value)
            masker.learn([value] if value else [])
    return Renderer(Scope(flow, execution, received, inputs), ports, masker, errors)
