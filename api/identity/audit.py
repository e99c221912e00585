"""Who did what, newest first: logins and refusals, flows and tokens; of one person everything they did."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.permissions import Permission
from hookledger.api.queries import PAGE_SIZE_MAX, Query
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Shape
from hookledger.journal.entry import PEOPLE, Entry
from hookledger.journal.events import (
    AccessRecorded,
    AnyEvent,
    FlowRegistered,
    FlowRemoved,
    TokenIssued,
    TokenRevoked,
    type_name,
)
from hookledger.journal.store import Reader
from hookledger.runtime.variables import iso_time

AUDITED: Final = tuple(
    kind.__name__ for kind in (AccessRecorded, FlowRegistered, FlowRemoved, TokenIssued, TokenRevoked)
)
_LEFT_OUT: Final = frozenset({"type", "sequence", "at", "by", "source", "sha256"})
"""Told by the list itself, or too much for it."""


class AuditQuery(Query, frozen=True, kw_only=True):
    """Which part of the list is wanted."""

    by: Annotated[str, Meta(max_length=200, description="a user's name, or `token:ID`")] = ""
    before: Annotated[int, Meta(ge=0, le=2**53 - 1, description="`next` of the page before")] = 0
    size: Annotated[int, Meta(ge=1, le=PAGE_SIZE_MAX)] = 25


class Act(Shape, frozen=True, kw_only=True):
    """One thing somebody did."""

    position: int
    """Of its entry in the journal."""
    execution: str | UnsetType = UNSET
    """What it was done to, when that is an execution."""
    sequence: int
    at: str
    by: str
    type: str
    """Of the event."""
    fields: dict[str, Any]
    """The event's own; a flow's source is left out."""


class Acts(Shape, frozen=True, kw_only=True):
    """A page of the list."""

    results: list[Act]
    next: int | UnsetType = UNSET
    """What older acts come before; absent at the end of the list."""


def entries_of(reader: Reader, types: Sequence[str], by: str, before: int | None, limit: int) -> list[Entry]:
    """The entries of a page: of these types, or what one person wrote. Answered from an index.

    Args:
        by: `kind:name`, or a user's name; empty for anybody.
        before: Only positions before this one.
    """
    if not by:
        return reader.system(types, before=before, limit=limit)
    kind, colon, _ = by.partition(":")
    actor = by if colon and kind in PEOPLE else f"user:{by}"
    return reader.acts(actor, before=before, limit=limit)


async def list_audit(engine: Engine, call: Call, query: AuditQuery) -> HttpResponse:
    """A page of the list."""
    entries = await engine.journal.ask(
        lambda reader: entries_of(reader, AUDITED, query.by, query.before or None, query.size + 1)
    )
    shown = entries[: query.size]
    following = shown[-1].header.pos if len(entries) > query.size else UNSET
    return json_response(Acts(results=[act for entry in shown for act in acts_of(entry)], next=following))


def acts_of(entry: Entry) -> Iterator[Act]:
    """The acts of an entry, newest first; none of one whose payload was erased."""
    for event in reversed(entry.events()):
        yield _act(entry, event)


def _act(entry: Entry, event: AnyEvent) -> Act:
    plain: dict[str, Any] = msgspec.to_builtins(event)
    fields = {name: value for name, value in plain.items() if name not in _LEFT_OUT}
    if isinstance(event, TokenIssued) and event.expires:
        fields["expires"] = iso_time(event.expires)
    header = entry.header
    return Act(
        position=header.pos,
        execution=UNSET if type_name(event) in AUDITED else header.exec,
        sequence=event.sequence,
        at=iso_time(event.at),
        by=plain.get("by") or header.actor,
        type=plain["type"],
        fields=fields,
    )


def table(engine: Engine) -> list[Route]:
    """The list."""
    return [
        Route(
            "GET",
            "/audit",
            partial(list_audit, engine),
            Permission.AUDIT,
            "List who did what",
            query=AuditQuery,
            answers=Reply(Acts),
        )
    ]
