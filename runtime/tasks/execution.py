"""`execution.Fail`, `Exit`, `Labels` and `Assert`: what a flow says about its own execution."""

from typing import Any, ClassVar, Final, Literal

import msgspec

from hookledger.runtime.expressions import truthy
from hookledger.runtime.flow.fields import Collector
from hookledger.runtime.flow.labels import read_labels
from hookledger.runtime.tasks.base import Outputs, Result, TaskContext, TaskFailed, TaskKind

SPELLINGS: Final = {"CANCELED": "CANCELLED"}


class Fail(TaskKind, frozen=True, kw_only=True):
    """Fails: always, or when the condition's text means yes."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.execution.Fail",
        "io.kestra.core.tasks.executions.Fail",
    )
    instant: ClassVar[bool] = True

    condition: str | None = None
    error_message: str = "Task failure"

    async def run(self, context: TaskContext) -> Outputs:
        if self.condition is None or truthy(self.condition):
            raise TaskFailed(self.error_message, kind="Fail")
        return None


class Exit(TaskKind, frozen=True, kw_only=True):
    """Ends the execution here, in a state of the author's choice."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.execution.Exit",
        "io.kestra.core.tasks.executions.Exit",
    )
    instant: ClassVar[bool] = True

    state: Literal["SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "CANCELED"] = "SUCCESS"

    async def run(self, context: TaskContext) -> Outputs:
        return Result(exit_state=SPELLINGS.get(self.state, self.state))


class Labels(TaskKind, frozen=True, kw_only=True):
    """Adds labels to the execution, or replaces them."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.execution.Labels",
        "io.kestra.core.tasks.executions.Labels",
    )
    instant: ClassVar[bool] = True

    labels: dict[str, Any] | list[Any] | str
    """A map, a list of `key:` and `value:`, or either of them as JSON text."""

    async def run(self, context: TaskContext) -> Outputs:
        return Result(labels=_labels(self.labels))


class Assert(TaskKind, frozen=True, kw_only=True):
    """Fails unless every condition's text means yes."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.execution.Assert",
        "io.kestra.core.tasks.executions.Assert",
    )
    instant: ClassVar[bool] = True

    conditions: list[str]
    error_message: str | None = None

    async def run(self, context: TaskContext) -> Outputs:
        false = [
            f"condition {number} is `{text}`"
            for number, text in enumerate(self.conditions, 1)
            if not truthy(text)
        ]
        if false:
            raise TaskFailed(_sentence(self.error_message, "; ".join(false)), kind="AssertionFailed")
        return None


def _labels(given: object) -> dict[str, str]:
    found = Collector()
    labels = read_labels(_decoded(given), (), found)
    problems = [problem.message for problem in found.problems]
    problems += [f"`{name}` is set by the engine" for name in labels if name.startswith("system.")]
    if problems:
        raise TaskFailed(f"property `labels`: {'; '.join(problems)}", kind="InvalidProperty")
    return labels


def _decoded(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return msgspec.json.decode(given)
    except msgspec.DecodeError as error:
        raise TaskFailed(f"property `labels`: not JSON: {error}", kind="InvalidProperty") from None


def _sentence(message: str | None, details: str) -> str:
    return details if message is None else f"{message}: {details}"
