"""The editor: writing a new flow, changing one, and what is said when that is not possible.

It works without scripts: a form is posted, and comes back with its text and the lines of what is wrong.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import trio

from hookledger.actors.flows import Revision
from hookledger.actors.limiters import limiter
from hookledger.api.call import Call
from hookledger.api.console.flows.base import FLOWS, Desk
from hookledger.api.console.flows.diff import Difference, difference
from hookledger.api.console.forms import form_of
from hookledger.api.console.pages import done, flow_path
from hookledger.api.http import HttpResponse
from hookledger.api.permissions import Permission
from hookledger.api.rest.flow_sources import same_name
from hookledger.api.secrecy import error_for, shown_to
from hookledger.runtime.flow.parse import FlowInvalid
from hookledger.runtime.flow.problems import Problem

STARTERS: Final = Path(__file__).parent / "starters"
_PLACE: Final = re.compile(r"^[^:\n]*:(\d+):(\d+): (.*)$", re.DOTALL)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something to say about a line; `line` is 0 for the text as a whole."""

    line: int
    column: int
    message: str
    warning: bool = False


class Starter(msgspec.Struct, frozen=True, kw_only=True):
    """A flow to begin with."""

    id: str
    title: str
    source: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of saving: a place to go to, or what is wrong."""

    response: HttpResponse | None = None
    faults: tuple[Fault, ...] = ()
    status: int = 422
    conflict: "Conflict | None" = None


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else was quicker."""

    revision: int
    """The newest, which the text was not made from; 0 when the flow is gone."""
    by: str = ""
    at: int = 0
    diff: Difference | None = None
    """From theirs to ours."""


class Overtaken(Exception):
    """The flow is not at the revision the text was made from."""


async def new_page(desk: Desk, call: Call) -> HttpResponse:
    """`GET /flows/new`: `from` names a starter."""
    chosen = (call.query.get("from") or [""])[0]
    found = next((one for one in starters() if one.id == chosen), starters()[0])
    return _new_page(desk, call, found.source, Outcome(status=200), chosen=found.id)


async def create(desk: Desk, call: Call) -> HttpResponse:
    """`POST /flows/new`: register a flow nobody has registered."""
    source = (await form_of(call)).get("source")

    def absent(newest: Revision | None) -> None:
        if newest is not None:
            raise Overtaken

    try:
        flow = await desk.engine.register(source, by=call.by, check=absent)
    except FlowInvalid as error:
        return _new_page(desk, call, source, Outcome(faults=faults_of(error.problems)))
    except Overtaken:
        message = "a flow with this id is in this namespace already; choose another id, or change that one"
        taken = Fault(line=_line_of_id(source), column=1, message=message)
        return _new_page(desk, call, source, Outcome(faults=(taken,), status=409))
    return done(flow_path(flow.namespace, flow.id), "created")


async def source_page(desk: Desk, call: Call) -> HttpResponse:
    """`GET /flows/{namespace}/{id}/source`: the editor, or the text alone for those who may not change it."""
    revision = desk.revision(call)
    seen = await shown_to(revision, call.identity)
    return editor_page(desk, call, seen.registered.source, Outcome(status=200))


async def update(desk: Desk, call: Call) -> HttpResponse:
    """`POST /flows/{namespace}/{id}/source`: a new revision, if the text was made from the newest."""
    desk.revision(call)
    form = await form_of(call)
    source, made_from = form.get("source"), form.get("revision")
    known = int(made_from) if made_from.isascii() and made_from.isdecimal() and len(made_from) < 10 else 0
    outcome = await save(desk, call, source, known)
    return outcome.response or editor_page(desk, call, source, outcome)


async def save(desk: Desk, call: Call, source: str, made_from: int) -> Outcome:
    """Register a text as the next revision of the flow that the path names.

    Args:
        made_from: The revision its author has seen.
    """
    namespace, flow_id = call.path["namespace"], call.path["flow"]
    known = desk.engine.flows.revisions(namespace, flow_id)
    last = known[-1].revision

    def unchanged(newest: Revision | None) -> None:
        at = newest.registered.revision if newest is not None else last
        if at != made_from:
            raise Overtaken

    try:
        same_name(source, namespace, flow_id)
        flow = await desk.engine.register(source, by=call.by, check=unchanged)
    except FlowInvalid as error:
        return Outcome(faults=faults_of(error.problems))
    except Overtaken:
        return Outcome(status=409, conflict=await _conflict(desk, namespace, flow_id, source))
    what = "saved" if flow.revision > last else "unchanged"
    return Outcome(response=done(flow_path(namespace, flow_id, "source"), what))


def editor_page(desk: Desk, call: Call, source: str, outcome: Outcome) -> HttpResponse:
    """The editor with a text, and what is to be said about it."""
    newest = desk.revision(call)
    faults = outcome.faults
    if outcome.status == 200:
        faults = (*_broken(error_for(newest, call.identity)), *warnings_of(newest))
    return desk.flow_page(
        call,
        newest,
        "source",
        status=outcome.status,
        source=source,
        faults=faults,
        conflict=outcome.conflict,
        file=newest.registered.file,
        editable=call.identity.may(Permission.EDIT),
        saved=outcome.status == 200,
    )


def faults_of(problems: Iterable[Problem]) -> tuple[Fault, ...]:
    """Problems with their places."""
    return tuple(Fault(line=one.line, column=one.column, message=one.sentence) for one in problems)


def warnings_of(revision: Revision) -> Iterator[Fault]:
    """What the author of a usable flow should know."""
    for warning in revision.flow.warnings if revision.flow is not None else ():
        yield placed(warning, warning=True)


def placed(text: str, *, warning: bool = False) -> Fault:
    """A line such as `flow.yaml:3:5: message` taken apart."""
    found = _PLACE.match(text)
    if found is None:
        return Fault(line=0, column=0, message=text, warning=warning)
    line, column, message = found.groups()
    return Fault(line=int(line), column=int(column), message=message, warning=warning)


@cache
def starters() -> tuple[Starter, ...]:
    """The flows to begin with; the first line of each is its title."""
    found: list[Starter] = []
    for path in sorted(STARTERS.glob("*.yaml")):
        title, _, source = path.read_text(encoding="utf-8").partition("\n")
        found.append(Starter(id=path.stem.partition("-")[2], title=title.removeprefix("# "), source=source))
    return tuple(found)


def _broken(error: str) -> Iterator[Fault]:
    """What is wrong with a registered source: a type that is no longer installed, say."""
    yield from (placed(line) for line in error.splitlines())


def _new_page(desk: Desk, call: Call, source: str, outcome: Outcome, *, chosen: str = "") -> HttpResponse:
    return desk.page(
        call,
        "flow_new.html",
        status=outcome.status,
        source=source,
        faults=outcome.faults,
        starters=starters(),
        chosen=chosen,
        path=f"{FLOWS}/new",
    )


async def _conflict(desk: Desk, namespace: str, flow_id: str, source: str) -> Conflict:
    newest = desk.engine.flows.newest(namespace, flow_id)
    if newest is None:
        return Conflict(revision=0)
    theirs = newest.registered
    diff = await trio.to_thread.run_sync(difference, theirs.source, source, limiter=limiter("sources"))
    return Conflict(revision=theirs.revision, by=theirs.by, at=theirs.at, diff=diff)


def _line_of_id(source: str) -> int:
    lines = source.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith("id:")), 1)
