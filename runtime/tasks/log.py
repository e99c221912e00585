"""`log.Log`: writes its message to the execution's log."""

from typing import ClassVar, Literal

from hookledger.runtime.tasks.base import Outputs, TaskContext, TaskKind


class Log(TaskKind, frozen=True, kw_only=True):
    """One line per message."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.log.Log",
        "io.kestra.core.tasks.log.Log",
    )
    instant: ClassVar[bool] = True

    message: str | list[str]
    level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] = "INFO"

    async def run(self, context: TaskContext) -> Outputs:
        for line in [self.message] if isinstance(self.message, str) else self.message:
            context.log(line, self.level)
        return None
