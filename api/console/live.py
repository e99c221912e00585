"""Telling open pages that something changed: which executions, as server-sent events, never more than a few a second.

The events carry no data beyond ids; a page fetches itself again and shows what its reader may see.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Final

import trio

from hookledger.actors.engine import Engine
from hookledger.api.http import HttpResponse
from hookledger.journal.entry import SYSTEM, Entry

HEARTBEAT_SECONDS: Final = 15.0
PAUSE_SECONDS: Final = 0.25
IDS_MAX: Final = 100
"""Executions named in one event; a page that hears of more looks at everything anyway."""

_HEADERS: Final = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),
    ("X-Content-Type-Options", "nosniff"),
)


async def live(engine: Engine, execution: str = "") -> HttpResponse:
    """An endless stream of `change` events: of one execution, or of all."""
    return HttpResponse(status=200, headers=_HEADERS, stream=changes(engine, execution))


async def changes(engine: Engine, execution: str = "") -> AsyncGenerator[bytes]:
    """Yield an event after each commit that touches what the page shows, several commits in one."""
    touched: set[str] = set()
    news = trio.Event()

    def look(entries: Sequence[Entry]) -> None:
        found = {entry.header.exec for entry in entries} - {SYSTEM}
        if execution:
            found &= {execution}
        if found:
            if len(touched) < IDS_MAX:
                touched.update(found)
            news.set()

    stop = engine.journal.follow(look)
    try:
        yield b": open\n\n"
        while True:
            with trio.move_on_after(HEARTBEAT_SECONDS):
                await news.wait()
            if not news.is_set():
                yield b": still here\n\n"
                continue
            news = trio.Event()
            data = json.dumps(sorted(touched)[:IDS_MAX])
            touched.clear()
            yield f"event: change\ndata: {data}\n\n".encode()
            await trio.sleep(PAUSE_SECONDS)
    finally:
        stop()
