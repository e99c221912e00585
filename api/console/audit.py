"""Who did what, newest first: logins and refusals, flows and tokens; of one person also what they did to executions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.console.pager import Pager
from hookledger.api.console.pages import HOME, Pages, flow_path
from hookledger.api.console.runs.base import EXECUTIONS
from hookledger.api.http import HttpResponse
from hookledger.api.identity.audit import entries_of
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.events import AnyEvent, FlowRegistered, FlowRemoved, type_name
from hookledger.journal.store import Reader
from hookledger.journal.text import unknown
from hookledger.journal.words import details

AUDIT: Final = f"{HOME}/audit"
PAGE: Final = 50
KINDS: Final = {
    "AccessRecorded": "Logins and refused requests",
    "FlowRegistered": "Flows created or changed",
    "FlowRemoved": "Flows removed",
    "TokenIssued": "Tokens issued",
    "TokenRevoked": "Tokens revoked",
}
_NAMES: Final = {
    "AccessRecorded": "access",
    "FlowRegistered": "flow registered",
    "FlowRemoved": "flow removed",
    "TokenIssued": "token issued",
    "TokenRevoked": "token revoked",
    "TriggerReceived": "execution started",
    "KillRequested": "kill",
    "ExecutionPaused": "pause",
    "ExecutionResumed": "resume",
    "ExecutionRestarted": "restart",
    "ExecutionForked": "replay",
    "LabelsSet": "labels",
    "OperatorNote": "note",
}


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One thing somebody did."""

    position: int
    at: int
    by: str
    type: str
    """Of the event."""
    what: str
    words: str
    refused: bool
    path: str
    """The page of what it was done to; empty when it has none."""
    target: str


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody looks for."""

    kind: str = ""
    by: str = ""
    """A user's name, or `token:ID`."""
    before: int = 0
    """Position from which on older acts are shown; 0 for the newest."""

    def link(self, before: int = 0) -> str:
        """The address of the list with these filters."""
        pairs = {"kind": self.kind, "by": self.by, "before": str(before) if before else ""}
        return f"{AUDIT}?{urlencode({name: text for name, text in pairs.items() if text})}".rstrip("?")


def filters_of(parameters: Mapping[str, Sequence[str]]) -> Filters:
    """Read the filters of an address."""

    def one(name: str) -> str:
        return (parameters.get(name) or [""])[0].strip()

    kind, before = one("kind"), one("before")
    number = int(before) if before.isascii() and before.isdecimal() and len(before) < 16 else 0
    return Filters(kind=kind, by=one("by")[:200], before=number)


async def audit(engine: Engine, pages: Pages, call: Call) -> HttpResponse:
    """`/audit`."""
    filters = filters_of(call.query)
    before = filters.before or None
    types = (filters.kind,) if filters.kind else tuple(KINDS)
    problem = unknown("kind", filters.kind, KINDS) if filters.kind and filters.kind not in KINDS else ""

    def question(reader: Reader) -> list[Entry]:
        return [] if problem else entries_of(reader, types, filters.by, before, PAGE + 1)

    entries = await engine.journal.ask(question)
    shown = entries[:PAGE]
    acts = [act for entry in shown for act in acts_of(entry) if filters.kind in ("", act.type)]
    older = filters.link(shown[-1].header.pos) if len(entries) > PAGE else ""
    pager = Pager(summary=f"{len(acts)} shown", previous=filters.link() if filters.before else "", next=older)
    return pages.page(
        call,
        "audit.html",
        status=400 if problem else 200,
        problem=problem,
        place="audit",
        filters=filters,
        acts=acts,
        kinds=KINDS,
        pager=pager,
        here=AUDIT,
    )


def acts_of(entry: Entry) -> Iterator[Act]:
    """The acts of an entry, newest first; an erased one says who and when it still can."""
    header = entry.header
    if entry.payload is None:
        for name in header.types:
            yield _act(entry, name, header.actor, "erased", refused=False)
        return
    for event in reversed(entry.events()):
        name = type_name(event)
        if name in _NAMES:
            refused = getattr(event, "outcome", "ok") != "ok"
            yield _act(entry, name, getattr(event, "by", "") or header.actor, details(event), refused, event)


def _act(
    entry: Entry, name: str, by: str, words: str, refused: bool = False, event: AnyEvent | None = None
) -> Act:
    header = entry.header
    path, target = "", ""
    if header.exec != SYSTEM:
        path, target = f"{EXECUTIONS}/{header.exec}", header.exec
    elif isinstance(event, FlowRegistered | FlowRemoved):
        path, target = flow_path(event.namespace, event.flow), f"{event.namespace}/{event.flow}"
    return Act(
        position=header.pos,
        at=header.ts if event is None else event.at,
        by=by,
        type=name,
        what=getattr(event, "action", "") or _NAMES.get(name, name),
        words=words,
        refused=refused,
        path=path,
        target=target,
    )
