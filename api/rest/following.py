"""REST: an execution as server-sent events, the way Kestra's `follow` has it.

Each event's data is the execution; its id is `start`, then `progress`, then `end`. Only what is durable is shown: a
reader woken late gets the newest state, not every step on the way to it.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

import trio

from hookledger.actors.engine import Engine, Past
from hookledger.actors.off_loop import off_loop
from hookledger.actors.origins import events_before, prefix_of
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_bytes
from hookledger.api.queries import Nothing
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import ExecutionView
from hookledger.api.views import shown
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.errors import ExecutionUnknown
from hookledger.runtime.state import State, fold_all

HEARTBEAT_SECONDS: Final = 15.0
SILENCE: Final = b": still running\n\n"
EVENT_STREAM: Final = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),
)


async def follow(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """Ends at the execution's terminal event."""
    execution_id = call.path["execution_id"]
    if execution_id == SYSTEM or not await engine.journal.entries(execution_id):
        raise ExecutionUnknown(execution_id)
    return HttpResponse(status=200, headers=EVENT_STREAM, stream=states(engine, execution_id))


async def states(engine: Engine, execution_id: str) -> AsyncGenerator[bytes]:
    """Yield the execution now, then after each change, until it has ended."""
    past = Past(execution=execution_id, events=[], state=State(), flow=None)
    name = "start"
    async with aclosing(changes(engine, execution_id)) as news:
        async for heard in news:
            newer = await _read_on(engine, past)
            if newer.state.sequence > past.state.sequence:
                past = newer
                yield await shown(past, partial(sent, name))
                name = "progress"
            if past.state.terminal is not None:
                yield await shown(past, partial(sent, "end"))
                return
            if not heard:
                yield SILENCE


async def changes(engine: Engine, execution_id: str) -> AsyncGenerator[bool]:
    """Yield True at once and after each durable change, False when nothing has happened for a while. For ever."""
    news = trio.Event()

    def look(entries: Sequence[Entry]) -> None:
        if any(entry.header.exec == execution_id for entry in entries):
            news.set()

    stop = engine.journal.follow(look)
    heard = True
    try:
        while True:
            news = trio.Event()
            yield heard
            with trio.move_on_after(HEARTBEAT_SECONDS):
                await news.wait()
            heard = news.is_set()
    finally:
        stop()


def sent(name: str, value: Any) -> bytes:
    """One server-sent event; JSON has no line break that would end it early."""
    return b"id: " + name.encode() + b"\ndata: " + json_bytes(value) + b"\n\n"


async def _read_on(engine: Engine, past: Past) -> Past:
    """What has become durable since is decoded and folded; the rest is known."""
    entries = await engine.journal.entries(past.execution)
    state, known = past.state, past.events
    if state.sequence == 0 and entries:
        begun = entries[0].events()
        state = await prefix_of(engine.journal, begun)
        known = await engine.journal.ask(lambda reader: events_before(reader.entries, begun))
    new = [entry for entry in entries if entry.header.seq >= state.sequence]
    size = sum(len(entry.payload or b"") for entry in new)
    news, state = await off_loop(partial(_continued, new, state), size=size)
    return Past(execution=past.execution, events=[*known, *news], state=state, flow=engine.flow_of(state))


def _continued(entries: Sequence[Entry], state: State) -> tuple[list[Any], State]:
    news: list[Any] = [event for entry in entries for event in entry.events()]
    return news, fold_all(news, state)


def table(engine: Engine) -> list[Route]:
    """Following."""
    return [
        Route(
            "GET",
            "/executions/<execution_id>/follow",
            partial(follow, engine),
            summary="Follow an execution",
            answers=Reply(ExecutionView, "text/event-stream"),
            errors=(404,),
            query=Nothing,
        )
    ]
