"""`debug.Return` and `debug.Echo`: what an expression gives, as an output or as a log line."""

from typing import ClassVar, Literal

from hookledger.runtime.tasks.base import Outputs, TaskContext, TaskKind


class Return(TaskKind, frozen=True, kw_only=True):
    """Outputs `value`: the rendered format."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.debug.Return",
        "io.kestra.core.tasks.debugs.Return",
    )
    instant: ClassVar[bool] = True

    format: str | None = None

    async def run(self, context: TaskContext) -> Outputs:
        return {} if self.format is None else {"value": self.format}


class Echo(TaskKind, frozen=True, kw_only=True):
    """The older form of `log.Log`."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.debug.Echo",
        "io.kestra.core.tasks.debugs.Echo",
    )
    instant: ClassVar[bool] = True

    format: str
    level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] = "INFO"

    async def run(self, context: TaskContext) -> Outputs:
        context.log(self.format, self.level)
        return None
