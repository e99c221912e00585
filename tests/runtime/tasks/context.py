"""A task's surroundings for tests: what it logged, and the ports it gets."""

from collections.abc import Mapping
from typing import Any, TypeVar

from hookledger.runtime.flow.fields import convert_lax
from hookledger.runtime.tasks.base import Result, TaskFailed, TaskKind

K = TypeVar("K", bound=TaskKind)


class FakeContext:
    """Implements `TaskContext`."""

    def __init__(
        self, *, task: str = "task", attempt: int = 1, namespace: str = "company.team", **ports: Any
    ) -> None:
        self.idempotency_key = f"exec1:{task}"
        self.attempt_key = f"{self.idempotency_key}:{attempt}"
        self.execution = "exec1"
        self.namespace = namespace
        self.lines: list[tuple[str, str]] = []
        self.measured: list[tuple[str, str, float, dict[str, str]]] = []
        self._ports = ports

    def log(self, message: str, level: str = "INFO") -> None:
        self.lines.append((level, message))

    def measure(self, name: str, kind: str, value: float, tags: Mapping[str, str]) -> None:
        self.measured.append((name, kind, value, dict(tags)))

    def holds_secret(self, value: Any) -> bool:
        return "s3cr3t" in repr(value)

    def port(self, name: str) -> Any:
        try:
            return self._ports[name]
        except KeyError:
            raise TaskFailed(f"this engine offers no `{name}`", kind="NotAvailable") from None


def made(kind: type[K], **properties: Any) -> K:
    """A task from properties as an author names them."""
    task = convert_lax(properties, kind)
    assert isinstance(task, kind)
    return task


async def outputs_of(task: TaskKind, context: FakeContext | None = None) -> Mapping[str, Any]:
    """What a run outputs."""
    returned = await task.run(context or FakeContext())
    assert not isinstance(returned, Result)
    return returned or {}


async def result_of(task: TaskKind, context: FakeContext | None = None) -> Result:
    """What a run returns when it says more than outputs."""
    returned = await task.run(context or FakeContext())
    assert isinstance(returned, Result)
    return returned


async def failure_of(task: TaskKind, context: FakeContext | None = None) -> TaskFailed:
    """How a run fails."""
    try:
        await task.run(context or FakeContext())
    except TaskFailed as error:
        return error
    raise AssertionError("it did not fail")
