"""`output.OutputValues`: names for values, to be used by later tasks and by the flow's outputs."""

from typing import Any, ClassVar

from hookledger.runtime.tasks.base import Outputs, TaskContext, TaskKind


class OutputValues(TaskKind, frozen=True, kw_only=True):
    """Outputs `values`: the map as rendered; what is no text keeps its type."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.output.OutputValues",
        "io.kestra.core.tasks.outputs.OutputValues",
    )
    instant: ClassVar[bool] = True

    values: dict[str, Any]

    async def run(self, context: TaskContext) -> Outputs:
        return {"values": self.values}
