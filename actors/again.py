"""Makes again what a journal records and the world had no part in: renderings with the recorded draws, pure tasks.

What needs a secret or the server's environment cannot be made again: it is counted and left out.
"""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from hookledger.actors.attempt import AttemptContext, Ended, instance_of, tried
from hookledger.actors.endings import flow_outputs
from hookledger.actors.ports import Ports
from hookledger.actors.rendering import Rendered, Renderer, make_renderer
from hookledger.journal.events import AnyEvent, Failure, TaskReturned, TriggerReceived
from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.flow.templates import Tree
from hookledger.runtime.masking import Masker
from hookledger.runtime.plan import Flowable, Moment, Place
from hookledger.runtime.secret_inputs import secret_ids
from hookledger.runtime.state import State
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.flow.subflow import Subflow

SECRET: Final = "renderings that need a secret"
ENVIRONMENT: Final = "renderings that need the server's environment"
ALWAYS_DRAWN: Final = ("now", "uuid", "id", "ksuid", "nanoId", "randomInt", "randomPort")
"""What expressions draw from outside without ever failing."""


class Watched(dict[str, str]):
    """An environment that is not the server's: it notices that somebody asked."""

    asked = False

    def __getitem__(self, name: str) -> str:
        self.asked = True
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked = True
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self.asked = True
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked = True
        return super().get(name, default)


class Surroundings(Protocol):
    """What a course needs of the journal's flows and of the world."""

    skipped: Counter[str]
    environment: Watched
    ports: Ports

    def flow(self, namespace: str, flow: str, revision: int, sha256: str) -> Flow | None:
        """The flow an execution is pinned to; None when it cannot be read here."""
        ...


class _NotAgain(Exception):
    """A part cannot be made again, so the whole cannot."""


class Again:
    """What one execution's templates and pure tasks give."""

    def __init__(self, surroundings: Surroundings, execution: str) -> None:
        self._surroundings = surroundings
        self._execution = execution
        self._flow: Flow
        self._received: TriggerReceived
        self._renderer: Renderer | None = None
        self.secret = False
        """A secret was used: what is recorded from there on may be masked."""

    def pin(self, flow: Flow, received: TriggerReceived) -> None:
        """The flow it runs from here on."""
        self._flow, self._received, self._renderer = flow, received, None
        self.secret = self.secret or bool(secret_ids(flow))

    def see(self, event: AnyEvent) -> None:
        """Remember that a secret was used."""
        ambient: Sequence[Mapping[str, Any]] = getattr(event, "ambient", ())
        self.secret = self.secret or bool(getattr(event, "secrets", ())) or _draws_secret(ambient)

    def task(
        self, state: State, task: Task, place: Place, tree: Tree, drawn: Sequence[Mapping[str, Any]]
    ) -> Rendered | None:
        """Render something of a task; None where that cannot be done without the server's secrets."""
        records = [dict(draw) for draw in drawn]
        return self._unless_secret(drawn, lambda renderer: renderer.again(state, task, place, tree, records))

    def choice(
        self, state: State, task: Task, place: Place, drawn: Sequence[Mapping[str, Any]]
    ) -> tuple[Any, ...] | None:
        """What a flowable chooses first: its branch, values and outputs; None as for `task`.

        Raises:
            TaskFailed: Its properties allow no choice.
        """
        if not issubclass(task.kind, Flowable) or task.kind.first is not None:
            return None
        rendered = self.task(state, task, place, task.properties, drawn)
        if rendered is None:
            return None
        kind = instance_of(task, rendered.value or {})
        assert isinstance(kind, Flowable)
        choice = kind.choose(Moment())
        return choice.chosen, choice.values, plain(dict(choice.outputs))

    def subflow(self, state: State, task: Task, place: Place) -> tuple[Any, ...] | None:
        """Namespace, flow and inputs of the child; None where it draws from outside, which is not recorded."""
        rendered = self.task(state, task, place, task.properties, ())
        if rendered is None or rendered.failure is not None:
            return None
        kind = instance_of(task, rendered.value)
        assert isinstance(kind, Subflow)
        return kind.namespace, kind.flow_id, plain(dict(kind.inputs))

    def outputs(
        self, state: State, drawn: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, Any], Failure | None] | None:
        """The flow's outputs, or why there are none; None as for `task`."""
        records = [dict(draw) for draw in drawn]

        def one(tree: Tree) -> Rendered:
            rendered = self._unless_secret(drawn, lambda renderer: renderer.whole_again(state, tree, records))
            if rendered is None:
                raise _NotAgain
            del records[: len(rendered.drawn)]
            return rendered

        try:
            outputs, failure, _ = flow_outputs(self._flow, one, Masker())
        except _NotAgain:
            return None
        return plain(outputs), failure

    def outcome(self, state: State, event: TaskReturned, task: Task, rendered: Rendered) -> Ended | None:
        """How an attempt ends; None where only the world knows."""
        failed = Ended(path=event.path, attempt=event.attempt, outcome="error")
        if rendered.failure is not None:
            return failed
        try:
            kind = instance_of(task, rendered.value)
        except TaskFailed:
            return failed
        if not kind.instant or kind.effect_of() != "pure":
            return None
        context = AttemptContext(
            execution=self._execution,
            namespace=self._flow.namespace,
            path=event.path,
            attempt=event.attempt,
            generation=state.generation,
            level=task.log_level,
            ports=self._surroundings.ports,
            mask=Masker().text,
        )
        return _at_once(tried(kind, context))

    def _unless_secret(
        self, drawn: Sequence[Mapping[str, Any]], render: Callable[[Renderer], Rendered]
    ) -> Rendered | None:
        around = self._surroundings
        if self.secret or _draws_secret(drawn):
            around.skipped[SECRET] += 1
            return None
        around.environment.asked = False
        if self._renderer is None:
            self._renderer = make_renderer(
                self._flow, self._execution, self._received, around.ports, Masker()
            )
        rendered = render(self._renderer)
        if around.environment.asked:
            around.skipped[ENVIRONMENT] += 1
            return None
        return rendered


def plain(value: Any) -> Any:
    """As the journal gives it back."""
    return msgspec.json.decode(msgspec.json.encode(value))


def undrawn(failure: Failure | None) -> bool:
    """Rendering asked for a value that is always there, and the record does not have it."""
    message = failure.message if failure is not None else ""
    return "was not called when" in message and any(f"`{name}` was" in message for name in ALWAYS_DRAWN)


def _draws_secret(drawn: Sequence[Mapping[str, Any]]) -> bool:
    return any(draw.get("name") == "secret" for draw in drawn)


def _at_once(running: Coroutine[Any, Any, Ended]) -> Ended | None:
    """Run what never waits; None when it does after all."""
    try:
        running.send(None)
    except StopIteration as stop:
        ended: Ended = stop.value
        return ended
    running.close()
    return None
