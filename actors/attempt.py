"""One attempt of one task: rendered properties in, an outcome out."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from hookledger.journal.events import Failure, Metric, Outcome, Response
from hookledger.journal.store import LogLine
from hookledger.runtime.flow.fields import convert_lax, explain
from hookledger.runtime.flow.model import Task
from hookledger.runtime.flow.problems import path_text
from hookledger.runtime.tasks.base import MetricKind, Result, TaskFailed, TaskKind
from hookledger.runtime.weights import weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from hookledger.actors.ports import Ports

OUTPUTS_MAX: Final = 32 * 1024 * 1024
"""Characters of the outputs of one attempt, every element and entry counted as eight."""
LOG_LINES_MAX: Final = 1000
LOG_CHARS_MAX: Final = 8192
METRICS_MAX: Final = 200
"""Of one attempt; by name and tags."""
METRIC_CHARS_MAX: Final = 1000
"""Of a name with its tags."""
LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended; the actor makes a TaskReturned of it."""

    path: str
    attempt: int
    outcome: Outcome
    outputs: Mapping[str, Any] = {}
    error: Failure | None = None
    labels: Mapping[str, str] = {}
    exit_state: str = ""
    response: Response | None = None
    duration: int = 0
    logs: tuple[LogLine, ...] = ()
    metrics: tuple[Metric, ...] = ()


class AttemptContext:
    """The surroundings of one attempt; implements `TaskContext`."""

    def __init__(
        self,
        *,
        execution: str,
        namespace: str,
        path: str,
        attempt: int,
        generation: int,
        level: str,
        ports: "Ports",
        mask: "Callable[[str], str]",
    ) -> None:
        self._execution = execution
        self._namespace = namespace
        self.path = path
        self.attempt = attempt
        self._generation = generation
        self._level = LEVELS.index(level)
        self._ports = ports
        self._mask = mask
        self.lines: list[LogLine] = []
        self._measures: dict[str, Metric] = {}

    @property
    def attempt_key(self) -> str:
        return f"{self.idempotency_key}:{self.attempt}"

    @property
    def idempotency_key(self) -> str:
        restarted = f":restart-{self._generation}" if self._generation else ""
        return f"{self._execution}{restarted}:{self.path}"

    @property
    def execution(self) -> str:
        return self._execution

    @property
    def namespace(self) -> str:
        return self._namespace

    def log(self, message: str, level: str = "INFO") -> None:
        if LEVELS.index(level) < self._level or len(self.lines) > LOG_LINES_MAX:
            return
        if len(self.lines) == LOG_LINES_MAX:
            level, message = "WARN", f"more than {LOG_LINES_MAX} lines: the rest is not kept"
        self.lines.append(
            LogLine(
                execution=self._execution,
                path=self.path,
                attempt=self.attempt,
                number=len(self.lines),
                at=self._ports.clock.now(),
                level=level,
                message=cut(self._mask(message)),
            )
        )

    def measure(self, name: str, kind: MetricKind, value: float, tags: Mapping[str, str]) -> None:
        shown = {self._mask(key): self._mask(text) for key, text in tags.items()}
        metric = Metric(name=self._mask(name), kind=kind, value=value, tags=shown, at=self._ports.clock.now())
        key = msgspec.json.encode([kind, metric.name, sorted(shown.items())]).decode()
        known = self._measures.get(key)
        if known is not None and kind != "gauge":
            metric = msgspec.structs.replace(metric, value=known.value + value)
        full = known is None and len(self._measures) >= METRICS_MAX
        if full or len(key) > METRIC_CHARS_MAX or not math.isfinite(metric.value):
            self.log(
                f"the metric {metric.name[:100]} is not kept: an attempt has {METRICS_MAX} at most, a name and"
                f" its tags {METRIC_CHARS_MAX} characters, and a value is a finite number",
                "WARN",
            )
        else:
            self._measures[key] = metric

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What was measured so far."""
        return tuple(self._measures.values())

    def holds_secret(self, value: Any) -> bool:
        text = msgspec.json.encode(value).decode()
        return self._mask(text) != text

    def port(self, name: str) -> Any:
        try:
            return self._ports.services[name]
        except KeyError:
            raise TaskFailed(f"this engine offers no `{name}`", kind="NotAvailable") from None


def instance_of(task: Task, rendered: Mapping[str, Any]) -> TaskKind:
    """Convert rendered properties to the task type's Struct.

    Raises:
        TaskFailed: A property does not have the type it needs.
    """
    try:
        made = convert_lax(rendered, task.kind)
    except msgspec.ValidationError as error:
        message, path = explain(error)
        raise TaskFailed(f"property `{path_text(path)}`: {message}", kind="InvalidProperty") from None
    assert isinstance(made, TaskKind)
    return made


async def run_attempt(kind: TaskKind, context: AttemptContext, *, timeout: int = 0) -> Ended:
    """Run it once and say how it ended. Cancellation passes through.

    Args:
        timeout: Microseconds; 0 for none.
    """
    ended: Ended | None = None
    with trio.move_on_after(timeout / 1_000_000 if timeout else math.inf):
        ended = await tried(kind, context)
    if ended is None:
        failure = Failure(message=f"no result within {timeout / 1_000_000:g} s", kind="Timeout")
        ended = Ended(path=context.path, attempt=context.attempt, outcome="timeout", error=failure)
    return msgspec.structs.replace(ended, logs=tuple(context.lines), metrics=context.metrics)


async def tried(kind: TaskKind, context: AttemptContext) -> Ended:
    """Run it once without a bound on its time; whatever it raises is how it ended."""
    path, attempt = context.path, context.attempt
    try:
        result = _result(await kind.run(context))
    except TaskFailed as error:
        failure = Failure(message=str(error), kind=error.kind)
        outputs = _plain_or_nothing(error.outputs)
        return Ended(path=path, attempt=attempt, outcome="error", error=failure, outputs=outputs)
    except Exception as error:  # a task's bug is that task's failure, not the engine's
        failure = Failure(message=f"{type(error).__name__}: {error}", kind="TaskCrashed")
        return Ended(path=path, attempt=attempt, outcome="error", error=failure)
    return Ended(
        path=path,
        attempt=attempt,
        outcome="ok",
        outputs=result.outputs,
        labels=result.labels,
        exit_state=result.exit_state,
        response=result.response,
    )


def _result(returned: object) -> Result:
    match returned:
        case Result():
            return msgspec.structs.replace(returned, outputs=_plain(returned.outputs))
        case None:
            return Result()
        case Mapping():
            return Result(outputs=_plain(returned))
        case _:
            raise TaskFailed(
                f"a task returns a mapping, not {type(returned).__name__}", kind="InvalidOutputs"
            )


def _plain(outputs: Mapping[Any, Any]) -> dict[str, Any]:
    """Outputs are journaled: they must be plain JSON data, and not more than a journal can take."""
    if weight(dict(outputs), OUTPUTS_MAX + 1) > OUTPUTS_MAX:
        message = f"the outputs are larger than {OUTPUTS_MAX} characters (32 MiB); store them as a file"
        raise TaskFailed(message, kind="OutputsTooLarge")
    try:
        return msgspec.to_builtins(dict(outputs), str_keys=True)  # type: ignore[no-any-return]
    except (TypeError, ValueError) as error:
        raise TaskFailed(f"outputs must be plain data: {error}", kind="InvalidOutputs") from error


def _plain_or_nothing(outputs: Mapping[Any, Any]) -> dict[str, Any]:
    """A failed attempt keeps its failure whatever it tried to hand out."""
    try:
        return _plain(outputs)
    except TaskFailed:
        return {}


def cut(message: str) -> str:
    """A message as the log keeps it."""
    if len(message) <= LOG_CHARS_MAX:
        return message
    return f"{message[:LOG_CHARS_MAX]}… ({len(message)} characters)"
