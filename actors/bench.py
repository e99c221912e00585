"""What the hands of one execution's actor share: who it is, what it may use, and how it writes things down."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from hookledger.actors.attempt import cut
from hookledger.actors.ports import Ports
from hookledger.actors.recorder import Recorder
from hookledger.actors.rendering import Renderer
from hookledger.journal.events import ExecutionEvent, Failure, LogReference
from hookledger.journal.store import LogLine, log_reference
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.masking import Masker
from hookledger.runtime.state import State

if TYPE_CHECKING:
    from hookledger.journal.events import ChildStarted


Causes: TypeAlias = tuple[str, ...]
"""Flows whose executions led to one, the first one first."""


class ChildRefused(Exception):
    """A subflow cannot be started, in words for the flow's author."""


class Child(NamedTuple):
    """A child that could start."""

    execution: str
    """A fresh id."""
    revision: int
    inputs: Mapping[str, Any]
    """Those it declares."""
    strays: tuple[str, ...]
    """Names of those it does not."""
    labels: Mapping[str, str]
    """Its flow's own."""


class Children(Protocol):
    """What an actor may ask of other executions; the supervisor's part."""

    async def prepare(
        self,
        namespace: str,
        flow_id: str,
        revision: int | None,
        inputs: Mapping[str, Any],
        causes: Causes,
    ) -> Child:
        """Check that a child could start; `causes` are the flows whose executions led to it.

        Raises:
            ChildRefused: There is no such flow, or the inputs are invalid.
        """
        ...

    async def ensure(
        self, parent: str, started: "ChildStarted", about: Mapping[str, Any], causes: Causes
    ) -> None:
        """Start the child unless it is there already; `about` is what it sees as `trigger`.

        Raises:
            ChildRefused: It cannot be started any more.
        """
        ...

    async def result(self, child: str) -> tuple[str, Mapping[str, Any]] | None:
        """State and outputs of a child that has ended."""
        ...

    async def kill(self, child: str, by: str, reason: str) -> None:
        """Ask a child to stop; one that has ended is left alone."""
        ...


class Bench:
    """One execution's work place."""

    def __init__(
        self,
        execution: str,
        flow: Flow,
        recorder: Recorder,
        renderer: Renderer,
        masker: Masker,
        ports: Ports,
        children: Children,
    ) -> None:
        self.id = execution
        self.flow = flow
        self.recorder = recorder
        self.renderer = renderer
        self.masker = masker
        self.ports = ports
        self.children = children

    @property
    def causes(self) -> tuple[str, ...]:
        """Flows whose executions lead to what this one starts, its own last."""
        received = self.state.received
        assert received is not None
        return (*received.causes, self.flow.name)

    @property
    def state(self) -> State:
        """As of the newest recorded event."""
        return self.recorder.state

    def record(self, make: Callable[[int, int], ExecutionEvent]) -> None:
        """Decide and remember."""
        self.recorder.record(make)

    def line(
        self, path: str, message: str, level: str = "ERROR", attempt: int = 1, number: int = 0
    ) -> LogLine:
        """A line of the engine's own about a task."""
        return LogLine(
            execution=self.id,
            path=path,
            attempt=attempt,
            number=number,
            at=self.recorder.now(),
            level=level,
            message=cut(self.masker.text(message)),
        )

    def log(self, *lines: LogLine) -> LogReference | None:
        """Write lines beside the journal; returns what the event they belong to says of them."""
        for line in lines:
            self.recorder.log(line)
        return log_reference(lines)

    def masked(self, failure: Failure | None) -> Failure | None:
        """A failure without secrets."""
        if failure is None:
            return None
        return Failure(message=self.masker.text(failure.message), kind=failure.kind, code=failure.code)
