"""Errors an embedding program meets. Pages: docs/errors/."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from hookledger.runtime.flow.problems import Problem


class EngineError(Exception):
    """Base of everything the engine raises."""

    code: ClassVar[str] = "R000"

    def __init__(self, message: str) -> None:
        super().__init__(f"{self.code}: {message}")


class ExecutionUnsuccessful(EngineError):
    """An execution ended without success, so it has no outputs to give; `Execution.state` says all of it.

    Args:
        execution: Its id.
        state: FAILED, KILLED, CANCELLED or RETRIED.
        task: Path of the task that failed; empty when it was none.
        message: Why.
    """

    code = "R007"

    def __init__(self, execution: str, state: str, *, task: str = "", message: str = "") -> None:
        self.execution, self.state, self.task, self.message = execution, state, task, message
        where = f" at task {task}" if task else ""
        why = f": {message}" if message else ""
        super().__init__(
            f"the execution {execution} ended as {state}{where}{why}; "
            f"`hookledger journal show {execution}` says what happened"
        )


class FlowUnknown(EngineError):
    """There is no such flow."""

    code = "R001"

    def __init__(self, namespace: str, flow: str) -> None:
        super().__init__(f"no flow {namespace}/{flow} is registered; `Engine.register` takes its YAML source")


class FlowUnusable(EngineError):
    """The flow is there but cannot run: it is disabled, or its source no longer parses."""

    code = "R002"


class DeliveryRefused(EngineError):
    """The trigger's own rules say that this delivery starts nothing."""

    code = "R003"

    def __init__(
        self,
        message: str,
        *,
        unmet: bool = False,
        condition: bool = False,
        problems: Sequence["Problem"] = (),
    ) -> None:
        self.problems = tuple(problems)
        """Of inputs that do not fit, each with the input's path."""
        self.condition = condition
        """True when `when` or a condition could not be evaluated."""
        self.unmet = unmet
        """True when `when` or a condition was false; otherwise something could not be rendered or validated."""
        super().__init__(message)


class ExecutionFaulted(EngineError):
    """The engine itself failed on this execution; the journal keeps what had happened."""

    code = "R004"

    def __init__(self, execution: str, reason: str) -> None:
        self.execution = execution
        super().__init__(
            f"execution {execution} stopped because of an error in the engine ({reason}); "
            "`hookledger journal show` tells how far it came, and a restart of the server tries again"
        )


class CommandRefused(EngineError):
    """What an operator asked for is not possible in the execution's state."""

    code = "R005"


class AnswerInvalid(CommandRefused):
    """What somebody answered to a Pause does not fit its `onResume`; it waits on."""

    def __init__(self, problems: Sequence["Problem"]) -> None:
        self.problems = tuple(problems)
        """Each with the input's path."""
        super().__init__("; ".join(map(str, problems)))


class StillRunning(EngineError):
    """The time one was willing to wait passed first; the execution goes on."""

    code = "R006"

    def __init__(self, execution: str) -> None:
        self.execution = execution
        super().__init__(f"execution {execution} has not ended yet; it goes on, ask again later")


@asynccontextmanager
async def plain_errors() -> AsyncGenerator[None]:
    """A host that raised one error inside the block gets that error back, not the groups of our nurseries."""
    try:
        yield
    except BaseExceptionGroup as group:
        leaf: BaseException = group
        while isinstance(leaf, BaseExceptionGroup) and len(leaf.exceptions) == 1:
            leaf = leaf.exceptions[0]
        if isinstance(leaf, BaseExceptionGroup):
            raise
        raise leaf from leaf.__cause__
