"""What a task type is: a Struct of its properties, an effect class, and `run`.

A type of your own subclasses `TaskKind`, names itself in `types`, declares its effect and implements `run`:

    class Shout(TaskKind, frozen=True, kw_only=True):
        types = ("com.example.Shout",)
        text: str

        async def run(self, context: TaskContext) -> Outputs:
            return {"value": self.text.upper()}

Properties arrive rendered and converted to the Struct's types; the author may write an expression for any of them.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

import msgspec

from hookledger.journal.events import Response

if TYPE_CHECKING:
    from hookledger.runtime.flow.problems import Problem

Effect = Literal["pure", "read", "idempotent", "write"]
"""What an attempt does to the world, hence what happens to one that a crash interrupted.

pure: nothing; read: asks; idempotent: changes, but twice is once under the same idempotency key: these run again.
write: may not happen twice: the execution waits for an operator.
"""

MetricKind = Literal["counter", "timer", "gauge"]
"""counter: how many; timer: how long, in seconds; gauge: how much at this moment."""

Outputs: TypeAlias = "Mapping[str, Any] | Result | None"


class TaskFailed(Exception):
    """The attempt failed, in words for the flow's author."""

    def __init__(
        self, message: str, *, kind: str = "TaskFailed", outputs: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.outputs = dict(outputs or {})


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """More than outputs: labels for the execution, or an early end."""

    outputs: Mapping[str, Any] = {}
    labels: Mapping[str, str] = {}
    exit_state: str = ""
    response: Response | None = None
    """What the webhook's caller is told now."""


class TaskContext(Protocol):
    """What an attempt may ask of its surroundings; a simulation replaces all of it."""

    @property
    def attempt_key(self) -> str:
        """Equal for every run of this attempt, also after a crash; another for the next attempt."""
        ...

    @property
    def idempotency_key(self) -> str:
        """Equal for every attempt at this task in this place, retries and crashes included: send it along.

        Another iteration of a loop has another one, and so has everything that runs again after a restart.
        """
        ...

    @property
    def execution(self) -> str:
        """The execution's id."""
        ...

    @property
    def namespace(self) -> str:
        """The flow's namespace."""
        ...

    def log(self, message: str, level: str = "INFO") -> None:
        """Write a line beside the journal; secrets are masked, the number of lines is bounded."""
        ...

    def measure(self, name: str, kind: MetricKind, value: float, tags: Mapping[str, str]) -> None:
        """Keep a number with the execution, secrets masked, their count and size bounded.

        Of one name and tags there is one: counters and timers add up, a gauge keeps the last.
        """
        ...

    def holds_secret(self, value: Any) -> bool:
        """True when a secret this execution used stands somewhere in plain data."""
        ...

    def port(self, name: str) -> Any:
        """An outside thing by name: `http`, `processes`, `kv`; raises TaskFailed when it is switched off."""
        ...


class TaskKind(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of every task type."""

    types: ClassVar[tuple[str, ...]] = ()
    """Canonical name first, then the aliases under which old flows know it."""
    effect: ClassVar[Effect] = "pure"
    instant: ClassVar[bool] = False
    """True when `run` never waits for anything: such a task needs no task of its own."""
    blocks: ClassVar[tuple[str, ...]] = ()
    """Names of properties that hold child tasks."""

    single: ClassVar[tuple[str, ...]] = ()
    """Blocks that are one task, not a list."""

    durations: ClassVar[tuple[str, ...]] = ()
    """Properties that are durations, `outer.inner` where they are nested: checked when the flow is loaded."""

    limits: ClassVar[tuple[str, ...]] = ()
    """Properties that are durations and bound something, so that they have to be longer than zero."""

    wrapped: ClassVar[tuple[str, ...]] = ()
    """Blocks whose items are `task:` with `dependsOn:`."""

    @classmethod
    def derived(cls, blocks: Mapping[str, Any]) -> dict[str, Any]:
        """Properties that follow from the blocks an author gave."""
        return {}

    @classmethod
    def problems(cls, data: Mapping[str, Any]) -> Iterable["Problem"]:
        """What can be said of a task's properties, as its author wrote them, before anything is rendered."""
        return ()

    def effect_of(self) -> Effect:
        """The effect class of this very task; a type whose properties decide overrides it."""
        return self.effect

    async def run(self, context: TaskContext) -> Outputs:
        """Do it once.

        Raises:
            TaskFailed: It did not work; the flow's retry rules apply.
        """
        raise NotImplementedError
