"""Hookledger inside your own program: open an engine, trigger a flow, print its outputs, replay it."""

import sys

import trio

from hookledger.actors import Engine
from hookledger.journal.errors import JournalLocked

FLOW = """
id: greet
namespace: company.team
tasks:
  - {id: hello, type: io.kestra.plugin.core.debug.Return, format: "Hello {{ trigger.name }}!"}
outputs:
  - {id: greeting, type: STRING, value: "{{ outputs.hello.value }}"}
"""


async def main(data: str) -> None:
    async with Engine.open(data) as engine:
        await engine.register(FLOW)
        execution = await engine.trigger("company.team", "greet", variables={"name": "Alice"})
        print(await execution.outputs())
        for event in await engine.events(execution.id):
            state = await engine.replay(execution.id, at=event.sequence)
            print(event.sequence, type(event).__name__, state.status)


try:
    trio.run(main, sys.argv[1] if len(sys.argv) > 1 else "data")
except JournalLocked as error:  # `make run` has ./data; name another directory on the command line
    sys.exit(str(error))
