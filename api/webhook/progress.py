"""An execution's progress as server-sent events: what happened, without what it was about.

Callers of a webhook are anonymous, so an event shows its type, time, task and outcome and no data of the flow; the
last one carries the outputs when the trigger returns them. Only durable events are shown. Ids are sequence numbers:
a caller that comes back with `Last-Event-ID` gets what follows.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, Final

import trio

from hookledger.journal.entry import Entry
from hookledger.journal.events import AnyEvent, Event, type_name

if TYPE_CHECKING:
    from hookledger.actors.engine import Engine
    from hookledger.actors.handle import Execution

HEARTBEAT_SECONDS: Final = 15.0
_SHOWN: Final = ("task", "path", "attempt", "outcome", "state")


async def progress(
    engine: "Engine", execution: "Execution", after: int, seconds_max: float
) -> AsyncGenerator[bytes]:
    """Yield the events behind sequence number `after` until the execution has ended."""
    news = trio.Event()
    deadline = trio.current_time() + seconds_max

    def look(entries: Sequence[Entry]) -> None:
        if any(entry.header.exec == execution.id for entry in entries):
            news.set()

    stop = engine.journal.follow(look)
    try:
        while trio.current_time() < deadline:
            news = trio.Event()
            for event in await engine.journal.read(execution.id):
                if event.sequence > after:
                    after = event.sequence
                    yield _message(event)
                if (
                    event.terminal
                ):  # also for a caller who knows this event and missed what says that it was the end
                    yield _end(execution, event)
                    return
            if not await _heard(news):
                yield b": still running\n\n"
    finally:
        stop()


async def _heard(news: trio.Event) -> bool:
    with trio.move_on_after(HEARTBEAT_SECONDS):
        await news.wait()
    return news.is_set()


def _message(event: AnyEvent) -> bytes:
    data: dict[str, Any] = {"sequence": event.sequence, "at": event.at}
    data |= {name: value for name in _SHOWN if (value := getattr(event, name, None)) not in (None, "")}
    return _sse(type_name(event), data, event.sequence)


def _end(execution: "Execution", event: Event) -> bytes:
    data: dict[str, Any] = {"execution": execution.id}
    if execution.received.return_outputs:
        data["outputs"] = getattr(event, "outputs", {})
    return _sse("end", data, event.sequence)


def _sse(name: str, data: dict[str, Any], number: int) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {number}\nevent: {name}\ndata: {text}\n\n".encode("utf-8", "surrogatepass")
