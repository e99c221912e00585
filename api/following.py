"""REST: an execution as server-sent events, the way Kestra's `follow` has it.

Each event's data is the execution; its id is `start`, then `progress`, then `end`. Only what is durable is shown: a
reader woken late gets the newest state, not every step on the way to it.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import trio

from hookledger.actors.engine import Engine
from hookledger.api.http import HttpResponse, problem
from hookledger.api.views import execution_view
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.runtime.state import State, fold

HEARTBEAT_SECONDS: Final = 15.0


async def follow(engine: Engine, execution_id: str) -> HttpResponse:
    """`GET executions/{id}/follow`: ends at the execution's terminal event."""
    if execution_id == SYSTEM or not await engine.journal.entries(execution_id):
        return problem(404, f"there is no execution {execution_id}", slug="execution-unknown")
    headers = (
        ("Content-Type", "text/event-stream; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("X-Accel-Buffering", "no"),
    )
    return HttpResponse(status=200, headers=headers, stream=states(engine, execution_id))


async def states(engine: Engine, execution_id: str) -> AsyncGenerator[bytes]:
    """Yield the execution now, then after each change, until it has ended."""
    state = State()
    news = trio.Event()

    def look(entries: Sequence[Entry]) -> None:
        if any(entry.header.exec == execution_id for entry in entries):
            news.set()

    stop = engine.journal.follow(look)
    name = "start"
    try:
        while True:
            news = trio.Event()
            newer = await _folded(engine, execution_id, state)
            if newer.sequence > state.sequence:
                state = newer
                yield message(name, execution_id, state)
                name = "progress"
            if state.terminal is not None:
                yield message("end", execution_id, state)
                return
            with trio.move_on_after(HEARTBEAT_SECONDS):
                await news.wait()
            if not news.is_set():
                yield b": still running\n\n"
    finally:
        stop()


def message(name: str, execution_id: str, state: State) -> bytes:
    """One event."""
    text = json.dumps(execution_view(execution_id, state), ensure_ascii=False, separators=(",", ":"))
    return f"id: {name}\ndata: {text}\n\n".encode("utf-8", "surrogatepass")


async def _folded(engine: Engine, execution_id: str, state: State) -> State:
    """The state after what has become durable since; only that is decoded."""
    for entry in await engine.journal.entries(execution_id):
        if entry.header.seq >= state.sequence:
            events: list[Any] = entry.events()
            for event in events:
                state = fold(state, event)
    return state
