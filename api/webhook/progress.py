"""An execution's progress as server-sent events: what happened, without what it was about.

Callers of a webhook are anonymous, so an event shows its type, time, task and outcome and no data of the flow; the
last one carries the outputs when the trigger returns them. Only durable events are shown. Ids are sequence numbers:
a caller that comes back with `Last-Event-ID` gets what follows.
"""

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

import trio

from hookledger.journal.entry import Entry
from hookledger.journal.events import AnyEvent, Event, ExecutionRestarted, type_name

if TYPE_CHECKING:
    from hookledger.actors.engine import Engine
    from hookledger.actors.handle import Execution

HEARTBEAT_SECONDS: Final = 15.0
_TURNS: Final = frozenset(
    kind.__name__ for kind in get_args(AnyEvent) if kind.terminal or kind is ExecutionRestarted
)
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
            entries = await engine.journal.entries(execution.id)
            last = _ending(entries)
            for event in _newer(entries, after):
                if last is not None and event.sequence > last.sequence:
                    break  # what was only observed behind the end
                after = event.sequence
                yield _message(event)
            if last is not None:
                yield _end(execution, last, after)
                return
            if not await _heard(news):
                yield b": still running\n\n"
    finally:
        stop()


def _newer(entries: Sequence[Entry], after: int) -> Iterator[AnyEvent]:
    """The events behind a sequence number; only entries that have such are decoded."""
    for entry in entries:
        if entry.header.seq + len(entry.header.types) > after + 1:
            yield from (event for event in entry.events() if event.sequence > after)


def _ending(entries: Sequence[Entry]) -> Event | None:
    """The event that ended the execution, unless something opened it again."""
    for entry in reversed(entries):
        for event in reversed(entry.events()) if _TURNS.intersection(entry.header.types) else ():
            if event.terminal or isinstance(event, ExecutionRestarted):
                return event if event.terminal else None
    return None


async def _heard(news: trio.Event) -> bool:
    with trio.move_on_after(HEARTBEAT_SECONDS):
        await news.wait()
    return news.is_set()


def _message(event: AnyEvent) -> bytes:
    data: dict[str, Any] = {"sequence": event.sequence, "at": event.at}
    data |= {name: value for name in _SHOWN if (value := getattr(event, name, None)) not in (None, "")}
    return _sse(type_name(event), data, event.sequence)


def _end(execution: "Execution", event: Event, number: int) -> bytes:
    data: dict[str, Any] = {"execution": execution.id}
    if execution.received.return_outputs:
        data["outputs"] = getattr(event, "outputs", {})
    return _sse("end", data, number)


def _sse(name: str, data: dict[str, Any], number: int) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {number}\nevent: {name}\ndata: {text}\n\n".encode("utf-8", "surrogatepass")
