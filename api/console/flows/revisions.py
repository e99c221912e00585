"""A flow's revisions: who changed what and when, the difference of two, and going back to an old one."""

from collections.abc import Sequence
from typing import Final

import msgspec
import trio

from hookledger.actors.flows import Revision
from hookledger.actors.limiters import limiter
from hookledger.api.call import Call
from hookledger.api.console.flows.base import Desk, name_of
from hookledger.api.console.flows.diff import difference
from hookledger.api.console.flows.editor import editor_page, save
from hookledger.api.console.pages import flow_path
from hookledger.api.http import HttpResponse
from hookledger.api.secrecy import registered_for
from hookledger.journal.events import FlowRegistered

VIEWS: Final = ("unified", "side")


class RevisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list."""

    revision: int
    at: int
    by: str
    file: str
    sha256: str
    newest: bool
    restore_path: str


async def revisions_page(desk: Desk, call: Call) -> HttpResponse:
    """`GET /flows/{namespace}/{id}/revisions`: `from` and `to` name the two that are compared, `view` how."""
    revision = desk.revision(call)
    registered = desk.engine.flows.revisions(*name_of(revision))
    known = await registered_for(registered, call.identity)
    old, new = compared(known, _number(call, "from"), _number(call, "to"))
    view = (call.query.get("view") or [""])[0]
    made = None
    if old is not new:
        made = await trio.to_thread.run_sync(difference, old.source, new.source, limiter=limiter("sources"))
    return desk.flow_page(
        call,
        revision,
        "revisions",
        rows=revision_rows(revision, known),
        old=old.revision,
        new=new.revision,
        view=view if view in VIEWS else VIEWS[0],
        diff=made,
    )


async def restore(desk: Desk, call: Call) -> HttpResponse:
    """`POST /flows/{namespace}/{id}/revisions/{n}/restore`: the old source as a new revision."""
    revision = desk.revision(call)
    number = call.path["number"]
    wanted = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
    found = desk.engine.flows.pinned(*name_of(revision), wanted)
    if found is None:
        return desk.missing(call, f"revision {number[:20]} of this flow")
    outcome = await save(desk, call, found.registered.source, revision.registered.revision)
    if outcome.response is not None:
        return outcome.response
    return editor_page(desk, call, found.registered.source, outcome)


def compared(known: Sequence[FlowRegistered], old: int, new: int) -> tuple[FlowRegistered, FlowRegistered]:
    """The two revisions to compare: those asked for, else the newest and the one before it."""
    by_number = {one.revision: one for one in known}
    last = by_number.get(new, known[-1])
    before = [one for one in known if one.revision < last.revision]
    return by_number.get(old, before[-1] if before else last), last


def revision_rows(revision: Revision, known: Sequence[FlowRegistered]) -> list[RevisionRow]:
    """The list, newest first."""
    namespace, flow_id = name_of(revision)
    return [
        RevisionRow(
            revision=one.revision,
            at=one.at,
            by=one.by,
            file=one.file,
            sha256=one.sha256,
            newest=one is known[-1],
            restore_path=f"{flow_path(namespace, flow_id, 'revisions')}/{one.revision}/restore",
        )
        for one in reversed(known)
    ]


def _number(call: Call, name: str) -> int:
    text = (call.query.get(name) or ["0"])[0]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
