"""A task type of your own, in a program that embeds the engine: it writes a line to a file, once."""

import sys
from pathlib import Path
from typing import ClassVar

import trio

from hookledger.actors import Engine
from hookledger.runtime.tasks.base import Effect, Outputs, TaskContext, TaskFailed, TaskKind
from hookledger.runtime.tasks.registry import installed

FLOW = """
id: note
namespace: company.team
tasks:
  - {id: write, type: com.example.Note, file: "{{ trigger.file }}", text: "{{ trigger.name | upper }} was here"}
outputs:
  - {id: lines, type: INT, value: "{{ outputs.write.lines }}"}
"""


class Note(TaskKind, frozen=True, kw_only=True):
    """Appends a line. A retry, or a run after a crash, has the same idempotency key and finds its line there."""

    types: ClassVar[tuple[str, ...]] = ("com.example.Note",)
    effect: ClassVar[Effect] = "idempotent"

    file: str
    text: str

    async def run(self, context: TaskContext) -> Outputs:
        file = trio.Path(self.file)
        if not await file.parent.is_dir():
            raise TaskFailed(f"property `file`: there is no directory {file.parent}", kind="NoDirectory")
        known = await file.read_text() if await file.exists() else ""
        if context.idempotency_key not in known:
            known += f"{context.idempotency_key} {self.text}\n"
            await file.write_text(known)
        context.log(f"{self.file} has {known.count(chr(10))} lines")
        return {"lines": known.count("\n")}


async def main(data: str) -> None:
    registry = installed()
    registry.register(Note)
    async with Engine.open(data, registry=registry) as engine:
        await engine.register(FLOW)
        variables = {"file": str(Path(data) / "notes.txt"), "name": "Alice"}
        execution = await engine.trigger("company.team", "note", variables=variables)
        print(await execution.outputs())


if __name__ == "__main__":
    trio.run(main, sys.argv[1] if len(sys.argv) > 1 else "data")
