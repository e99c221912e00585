"""Renders what a flow says at one moment of an execution, and keeps account of what was drawn from outside."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hookledger.actors.ports import Ports
from hookledger.journal.events import Failure, TriggerReceived
from hookledger.runtime.expressions import Ambient, ExpressionError
from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.flow.places import place_of
from hookledger.runtime.flow.templates import Tree, render_tree
from hookledger.runtime.masking import Masker
from hookledger.runtime.plan import Place
from hookledger.runtime.secret_inputs import changed, context_of, looked_up, secret_ids
from hookledger.runtime.state import State
from hookledger.runtime.variables import Scope, Variables


class Rendered(NamedTuple):
    """A rendered value, or why there is none, and what was drawn."""

    value: Any
    failure: Failure | None
    drawn: tuple[dict[str, Any], ...]
    secrets: tuple[str, ...]


class Renderer:
    """One execution's rendering."""

    def __init__(self, scope: Scope, ports: Ports, masker: Masker) -> None:
        self._scope = scope
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

    def _ambient(self, drawn: Sequence[dict[str, Any]] | None = None) -> Ambient:
        return self._ports.ambient(drawn, namespace=self._scope.flow.namespace)

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


def make_renderer(
    flow: Flow, execution: str, received: TriggerReceived, ports: Ports, masker: Masker
) -> Renderer:
    """A renderer for an execution: SECRET inputs are revealed to expressions, and masked in all that is written."""
    inputs: Mapping[str, Any] = received.inputs
    for name in secret_ids(flow):
        sealed = looked_up(inputs, name)
        if isinstance(sealed, str) and ports.cipher is not None:
            value = ports.cipher.decrypt(sealed, context_of(execution, name))
            inputs = changed(inputs, name, value)
            masker.learn([value] if value else [])
    return Renderer(Scope(flow, execution, received, inputs), ports, masker)
