"""What every page of an execution has: where it is found, its head, its tabs and what may be done to it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from hookledger.api.call import Call
from hookledger.api.console.desk import ConsoleDesk
from hookledger.api.console.pages import HOME, execution_path, flow_path
from hookledger.api.console.problem_pages import not_found
from hookledger.api.console.runs.reading import History, read_history
from hookledger.api.html import see_other
from hookledger.api.http import HttpResponse
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.state import State

EXECUTIONS: Final = f"{HOME}/executions"
LIVE: Final = f"{HOME}/live"
TASKS_MAX: Final = 100
TABS: Final = (
    ("overview", "Overview", ""),
    ("timeline", "Timeline", "timeline"),
    ("topology", "Topology", "topology"),
    ("logs", "Logs", "logs"),
    ("outputs", "Outputs", "outputs"),
    ("journal", "Journal", "journal"),
)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The top of an execution's pages."""

    id: str
    namespace: str
    flow: str
    state: str
    path: str
    flow_path: str
    flow_executions: str
    tab: str
    tabs: Sequence[tuple[str, str, str]]
    open: bool
    live: str
    """Where changes of it are told; empty once it has ended."""
    actions: frozenset[str]
    """What makes sense in its state; whether somebody may is another question."""
    revisions: Sequence[int]
    """To restart with, newest first."""
    revision: int
    tasks: Sequence[str]
    """Paths at which a replay may begin."""
    broken: str
    quarantine: str
    """Why it is open and cannot go on; empty when it can."""


class Desk(ConsoleDesk, frozen=True, kw_only=True):
    """What pages of executions are made from."""

    async def history(self, call: Call, *, check: bool = False) -> History | None:
        """The execution that a path names."""
        execution = call.path["execution"]
        return await self.engine.journal.ask(lambda reader: read_history(reader, execution, check=check))

    def flow(self, state: State) -> Flow | None:
        """The pinned revision; None when it cannot be read any more."""
        if state.received is None:
            return None
        received = state.received
        pinned = self.engine.flows.pinned(received.namespace, received.flow, state.revision)
        return pinned.flow if pinned else None

    def unknown(self, call: Call) -> HttpResponse:
        """404 for an execution that is not there."""
        detail = f"There is no execution {call.path['execution'][:80]} in this journal."
        return not_found(
            self.pages, call, title="No such execution", detail=detail, back=(EXECUTIONS, "All executions")
        )

    def run_page(
        self, call: Call, history: History, tab: str, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        """Draw a tab of an execution."""
        return self.pages.page(
            call,
            f"run_{tab}.html",
            place="executions",
            status=status,
            run=self.head(history, tab),
            history=history,
            now=self.now,
            **context,
        )

    def head(self, history: History, tab: str) -> Head:
        """The top of an execution's pages."""
        row, state = history.row, history.state
        names = row.namespace, row.flow
        revisions = [one.revision for one in self.engine.flows.revisions(*names)]
        return Head(
            id=row.execution,
            namespace=row.namespace,
            flow=row.flow,
            state=state.status if history.events else row.state,
            path=execution_path(*names, row.execution),
            flow_path=flow_path(*names),
            flow_executions=f"{EXECUTIONS}?{urlencode({'namespace': row.namespace, 'flow': row.flow})}",
            tab=tab,
            tabs=[(name, title, execution_path(*names, row.execution, end)) for name, title, end in TABS],
            open=state.terminal is None,
            live=f"{LIVE}?{urlencode({'execution': row.execution})}",
            actions=possible(history),
            revisions=revisions[::-1],
            revision=state.revision,
            tasks=list(state.runs)[:TASKS_MAX],
            broken=history.broken,
            quarantine=self.engine.quarantined.get(row.execution, ""),
        )


def possible(history: History) -> frozenset[str]:
    """What may be done to an execution in its state."""
    state = history.state
    found = {"labels", "note"}
    if history.broken or state.received is None:
        return frozenset(found)
    found.add("replay")
    if state.terminal is not None:
        return frozenset(found | ({"restart"} if state.status not in ("SUCCESS", "KILLED") else set()))
    if state.kill is None:
        found |= {"kill"} | ({"pause"} if "" not in state.pauses else set())
    return frozenset(found | ({"resume"} if "" in state.pauses else set()))


Shown = Callable[[Call, History], Awaitable[HttpResponse]]


async def located(desk: Desk, call: Call, show: Shown, *, end: str = "", check: bool = False) -> HttpResponse:
    """Show an execution under its own address only: a wrong namespace or flow is sent on to the right one."""
    history = await desk.history(call, check=check)
    if history is None:
        return desk.unknown(call)
    row = history.row
    if (call.path.get("namespace"), call.path.get("flow")) != (row.namespace, row.flow):
        return see_other(execution_path(row.namespace, row.flow, row.execution, end))
    return await show(call, history)


def parameter(call: Call, name: str) -> str:
    """The first value of a query parameter, empty when it is not there."""
    return (call.query.get(name) or [""])[0]
