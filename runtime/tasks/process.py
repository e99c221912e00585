"""Commands on this machine: only where the configuration allows them, in a directory and environment of their own.

A line `::{...}::`, as Kestra's libraries print them, adds its `outputs` to the task's, its `metrics` to the
execution's and its `logs` to the log with their own levels; every other line is logged as it is.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, ClassVar, Final, Literal, Protocol

import msgspec

from hookledger.runtime.flow.fields import scalar_texts
from hookledger.runtime.tasks.base import Effect, MetricKind, Outputs, TaskContext, TaskFailed, TaskKind

LINE_BYTES_MAX: Final = 256 * 1024
OUTPUT_BYTES_MAX: Final = 1024 * 1024
LAST_LINES: Final = 5
LAST_CHARS_MAX: Final = 500
SHELLS: Final = frozenset({"sh", "bash", "dash", "ksh", "zsh", "ash"})
LEVELS: Final = {"stdout": "INFO", "stderr": "WARN"}
NAMED: Final[Mapping[str, str]] = {level: level for level in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")} | {
    "NOTSET": "TRACE",
    "VERBOSE": "TRACE",
    "WARNING": "WARN",
    "SEVERE": "ERROR",
    "CRITICAL": "ERROR",
    "FATAL": "ERROR",
}
"""Levels as programs name them; any other counts as INFO."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MARKED: Final = re.compile(r"::(\{.*\})::\s*")

Stream = Literal["stdout", "stderr"]
Tell = Callable[[Stream, str], None]


class ProcessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = {}
    line_bytes_max: int = LINE_BYTES_MAX
    """The rest of a longer line is dropped."""


class Processes(Protocol):
    """Runs commands."""

    async def run(self, request: ProcessRequest, tell: Tell) -> int:
        """Run it to its end in a fresh directory; returns the exit code, negative for a signal.

        Cancelling ends the whole process group: asked first, forced after two seconds.

        Args:
            tell: Called with each line as it comes.

        Raises:
            TaskFailed: It cannot be started.
        """
        ...


class TaskRunner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Kestra's flows say how commands run; here they run as processes."""

    type: Literal["io.kestra.plugin.core.runner.Process"]


class PrintedLog(msgspec.Struct):
    """A line of the log with its level."""

    message: Any = ""
    level: str = "INFO"


class PrintedMetric(msgspec.Struct):
    """A number."""

    name: str
    value: float
    type: MetricKind = "counter"
    tags: dict[str, Any] | None = None


class Printed(msgspec.Struct):
    """What a marked line may hold; other members are left alone."""

    outputs: dict[str, Any] = {}
    logs: list[PrintedLog] = []
    metrics: list[PrintedMetric] = []


class _Shell(TaskKind, frozen=True, kw_only=True):
    """What `Commands` and `Script` share."""

    effect: ClassVar[Effect] = "write"

    env: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    interpreter: tuple[str, ...] = ("/bin/sh", "-c")
    before_commands: tuple[str, ...] = ()
    fail_fast: bool = True
    """Stop at the first command that fails; only shells know how."""
    task_runner: TaskRunner | None = None

    def lines(self) -> list[str]:
        """What the interpreter gets."""
        raise NotImplementedError

    async def run(self, context: TaskContext) -> Outputs:
        heard = Heard(context)
        code = await _processes(context).run(self._request(), heard.line)
        outputs = heard.outputs(code)
        if code != 0:
            message = f"{_ending(code)}{heard.last_words()}"
            raise TaskFailed(message, kind="ExitCode", outputs=outputs)
        return outputs

    def _request(self) -> ProcessRequest:
        if not self.interpreter or not self.interpreter[0]:
            raise TaskFailed("property `interpreter`: name a program", kind="InvalidProperty")
        shell = PurePosixPath(self.interpreter[0]).name in SHELLS
        first = ["set -e"] if self.fail_fast and shell else []
        text = "\n".join((*first, *self.before_commands, *self.lines()))
        request = ProcessRequest(arguments=(*self.interpreter, text), environment=_environment(self.env))
        if any("\0" in part for part in (*request.arguments, *request.environment.values())):
            raise TaskFailed("a command or variable holds a NUL character", kind="InvalidProperty")
        return request


class Commands(_Shell, frozen=True, kw_only=True):
    """Runs shell commands, one after the other in one shell."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.scripts.shell.Commands",
        "io.kestra.plugin.core.runner.Process",
        "io.kestra.core.tasks.scripts.Bash",
    )

    commands: list[str]

    def lines(self) -> list[str]:
        return self.commands


class Script(_Shell, frozen=True, kw_only=True):
    """Runs one shell script."""

    types: ClassVar[tuple[str, ...]] = ("io.kestra.plugin.scripts.shell.Script",)

    script: str

    def lines(self) -> list[str]:
        return [self.script]


class Heard:
    """Listens to a process: logs its lines, gathers its outputs, remembers its last words."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._vars: dict[str, Any] = {}
        self._bytes = 0
        self._counts = {"stdout": 0, "stderr": 0}
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    def line(self, stream: Stream, line: str) -> None:
        """Take in one line."""
        self._counts[stream] += 1
        printed = _printed(line)
        if printed is not None:
            self._take(printed, len(line.encode()))
            return
        if stream == "stderr" and line.strip():
            self._last.append(line[:LAST_CHARS_MAX])
        self._context.log(line, LEVELS[stream])

    def _take(self, printed: Printed, size: int) -> None:
        self._bytes += size if printed.outputs else 0
        if self._bytes <= OUTPUT_BYTES_MAX:
            self._vars |= printed.outputs
        for said in printed.logs:
            self._context.log(_text(said.message), NAMED.get(said.level.upper(), "INFO"))
        for metric in printed.metrics:
            tags = {name: _text(value) for name, value in (metric.tags or {}).items()}
            self._context.measure(metric.name, metric.type, metric.value, tags)

    def outputs(self, code: int) -> dict[str, Any]:
        """`vars`, `exitCode` and how many lines there were.

        Raises:
            TaskFailed: More outputs were printed than are kept.
        """
        if self._bytes > OUTPUT_BYTES_MAX:
            raise TaskFailed(f"printed more than {OUTPUT_BYTES_MAX} bytes of outputs", kind="TooLarge")
        return {
            "vars": self._vars,
            "exitCode": code,
            "stdOutLineCount": self._counts["stdout"],
            "stdErrLineCount": self._counts["stderr"],
        }

    def last_words(self) -> str:
        """The end of standard error, for the failure's text."""
        return "".join(f"\n{line}" for line in self._last)


def _printed(line: str) -> Printed | None:
    """What a marked line says; None for an ordinary line and for one that is no JSON."""
    match = _MARKED.fullmatch(line)
    if match is None:
        return None
    try:
        return msgspec.json.decode(match[1], type=Printed)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        return None


def _text(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _ending(code: int) -> str:
    return f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"


def _environment(given: Mapping[str, Any]) -> dict[str, str]:
    for name in given:
        if not _NAME.fullmatch(name):
            raise TaskFailed(f"property `env`: {name[:100]!r} is no variable name", kind="InvalidProperty")
    return {name: str(scalar_texts(value)) for name, value in given.items() if value is not None}


def _processes(context: TaskContext) -> Processes:
    try:
        port: Processes = context.port("processes")
    except TaskFailed:
        raise TaskFailed(
            "this server runs no commands; whoever runs it allows them with `tasks.processes: true`",
            kind="NotAvailable",
        ) from None
    return port
