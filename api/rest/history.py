"""REST: what the journal holds of an execution, its state at any event, and its receipts."""

import base64
from functools import partial
from typing import Annotated

from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.actors.origins import events_before, prefix_of
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.queries import Nothing, Query
from hookledger.api.replay import replayed
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import HistoryView, ReceiptView, StateAt
from hookledger.api.views import receipt
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.errors import ExecutionUnknown
from hookledger.journal.plain import history_fields


class At(Query, frozen=True, kw_only=True):
    """Up to which event."""

    at: Annotated[int, Meta(ge=0)] | None = None
    """Sequence number; the newest by default."""


class OfEntry(Query, frozen=True, kw_only=True):
    """Of which entry."""

    entry: Annotated[int, Meta(ge=0)] | None = None
    """The newest by default."""


async def get_events(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """As `hookledger journal show --json`."""
    return json_response(history_fields(call.path["execution_id"], await _entries(engine, call)))


async def get_state(engine: Engine, call: Call, query: At) -> HttpResponse:
    """As `hookledger journal replay`; `at=N` stops after that event."""
    entries = await _entries(engine, call)
    end = entries[-1].header.seq + len(entries[-1].header.types) - 1
    at = end if query.at is None else query.at
    if at > end:
        return problem(400, f"`at` is the sequence number of an event, 0 to {end}", slug="bad-sequence")
    begun = entries[0].events()
    prefix = await prefix_of(engine.journal, begun)
    kept = await engine.journal.ask(lambda reader: events_before(reader.entries, begun))
    return json_response(
        replayed(call.path["execution_id"], entries, at, flow_of=engine.flow_of, prefix=prefix, kept=kept)
    )


async def get_receipt(engine: Engine, call: Call, query: OfEntry) -> HttpResponse:
    """Of the newest entry, or of `entry=N`."""
    entries = await _entries(engine, call)
    wanted = len(entries) - 1 if query.entry is None else query.entry
    if wanted >= len(entries):
        return problem(400, f"`entry` is a number from 0 to {len(entries) - 1}", slug="bad-entry")
    entry = entries[wanted]
    view = ReceiptView(
        execution=call.path["execution_id"],
        entry=entry.header.n,
        position=entry.header.pos,
        leaf=base64.b64encode(entry.leaf).decode(),
        types=entry.header.types,
        receipt=receipt(entry),
    )
    return json_response(view, headers={"Hookledger-Receipt": receipt(entry)})


async def _entries(engine: Engine, call: Call) -> list[Entry]:
    """All of an execution's entries.

    Raises:
        ExecutionUnknown: There is none.
    """
    execution_id = call.path["execution_id"]
    entries = [] if execution_id == SYSTEM else await engine.journal.entries(execution_id)
    if not entries:
        raise ExecutionUnknown(execution_id)
    return entries


def table(engine: Engine) -> list[Route]:
    """Ours alone: the journal of an execution."""
    one = "/executions/<execution_id>"
    return [
        Route(
            "GET",
            f"{one}/events",
            partial(get_events, engine),
            summary="Read what the journal holds of an execution",
            answers=Reply(HistoryView),
            errors=(404,),
            query=Nothing,
        ),
        Route(
            "GET",
            f"{one}/state",
            partial(get_state, engine),
            summary="Read an execution's state after an event",
            query=At,
            answers=Reply(StateAt),
            errors=(404,),
        ),
        Route(
            "GET",
            f"{one}/receipt",
            partial(get_receipt, engine),
            summary="Read which entry proves what was told",
            query=OfEntry,
            answers=Reply(ReceiptView),
            errors=(404,),
        ),
    ]
