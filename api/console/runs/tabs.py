"""The other tabs of an execution: timeline, topology, logs, outputs, journal."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from hookledger.api.call import Call
from hookledger.api.console.charts import KINDS, gantt
from hookledger.api.console.filters import clock
from hookledger.api.console.pager import page_number, pager_of
from hookledger.api.console.runs.base import Desk, parameter
from hookledger.api.console.runs.journal import entry_views, moment
from hookledger.api.console.runs.reading import History
from hookledger.api.console.runs.states import Standing, standings
from hookledger.api.console.runs.timeline import timeline
from hookledger.api.console.runs.topology import topology
from hookledger.api.console.runs.tree import json_text, tree
from hookledger.api.http import HttpResponse
from hookledger.journal.events import TaskReturned
from hookledger.journal.store import LogLine
from hookledger.journal.verify import RULES
from hookledger.runtime.flow.graph import Graph, graph_of
from hookledger.runtime.variables import iso_time

LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
LOG_PAGE: Final = 500
ENTRY_PAGE: Final = 200
_TRIGGER: Final = "trigger"


async def timeline_tab(desk: Desk, call: Call, history: History) -> HttpResponse:
    """What ran when, as bars and as a table."""
    drawn = timeline(history.events)
    return desk.run_page(call, history, "timeline", drawn=drawn, gantt=gantt(drawn, desk.now), kinds=KINDS)


async def topology_tab(desk: Desk, call: Call, history: History) -> HttpResponse:
    """The flow as a picture, with how each task stands."""
    flow = desk.flow(history.state)
    graph = graph_of(flow) if flow is not None else Graph(nodes=(), edges=())
    known = framed(graph, standings(history.state))
    fired = history.state.received.trigger if history.state.received else ""
    return desk.run_page(
        call, history, "topology", picture=topology(graph), standings=known, fired=f"triggers/{fired}"
    )


def framed(graph: Graph, known: Mapping[str, Standing]) -> Mapping[str, Standing]:
    """Standings with those of flowables that record nothing themselves: what is inside them says it."""
    found = dict(known)
    for node in graph.nodes:
        if node.kind == "flowable" and node.id not in found:
            inside = [standing for key, standing in known.items() if key.startswith(f"{node.id}/")]
            if inside:
                found[node.id] = min(inside, key=_urgency)
                found[node.id] = msgspec.structs.replace(
                    found[node.id], counts=((found[node.id].state, 1),), attempts=0
                )
    return found


def _urgency(standing: Standing) -> int:
    order = ("RUNNING", "PAUSED", "RETRYING", "KILLED", "FAILED", "WARNING", "SUCCESS")
    return order.index(standing.state) if standing.state in order else len(order)


async def logs_tab(desk: Desk, call: Call, history: History) -> HttpResponse:
    """Log lines from a level on, of all tasks or of one."""
    lines = await desk.engine.journal.ask(lambda reader: reader.logs(history.execution))
    level, task = _level(call.query), parameter(call, "task")
    chosen = [line for line in lines if _wanted(line, level, task)]
    page = page_number(parameter(call, "page"))
    begin = (page - 1) * LOG_PAGE
    pager = pager_of(
        f"{desk.head(history, 'logs').path}/logs",
        {"level": level, "task": task},
        page=page,
        size=LOG_PAGE,
        total=len(chosen),
        noun="lines",
    )
    return desk.run_page(
        call,
        history,
        "logs",
        lines=chosen[begin : begin + LOG_PAGE],
        any_lines=bool(lines),
        tasks=sorted({line.path for line in lines}),
        levels=LEVELS,
        level=level,
        task=task,
        pager=pager if pager.previous or pager.next else None,
    )


async def logs_file(desk: Desk, call: Call, history: History) -> HttpResponse:
    """The same lines as a text file."""
    lines = await desk.engine.journal.ask(lambda reader: reader.logs(history.execution))
    level, task = _level(call.query), parameter(call, "task")
    text = "".join(
        f"{iso_time(line.at)} {line.level} {line.path} #{line.attempt} {line.message}\n"
        for line in lines
        if _wanted(line, level, task)
    )
    headers = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Disposition", f'attachment; filename="{history.execution}.log"'),
    )
    return HttpResponse(status=200, headers=headers, body=text.encode("utf-8", "replace"))


def _level(parameters: Mapping[str, Sequence[str]]) -> str:
    wanted = (parameters.get("level") or [""])[0].upper()
    return wanted if wanted in LEVELS else ""


def _wanted(line: LogLine, level: str, task: str) -> bool:
    enough = not level or line.level not in LEVELS or LEVELS.index(line.level) >= LEVELS.index(level)
    return enough and (not task or line.path == task)


async def outputs_tab(desk: Desk, call: Call, history: History) -> HttpResponse:
    """Outputs of the flow and of its tasks, and what the tasks measured."""
    state = history.state
    made = [
        *((run.path, run.state, run.outputs) for run in state.runs.values()),
        *((path, taken.chosen or "chosen", taken.outputs) for path, taken in state.branches.items()),
        *((path, f"answered by {one.by}", one.inputs) for path, one in state.resumed.items()),
        *((path, child.state, child.outputs) for path, child in state.returned.items()),
    ]
    tasks = [(path, word, tree(values), json_text(values)) for path, word, values in made if values]
    flow = (tree(state.outputs), json_text(state.outputs)) if state.outputs else None
    measured = [
        (event.path, event.attempt, metric)
        for event in history.events
        if isinstance(event, TaskReturned)
        for metric in event.metrics
    ]
    return desk.run_page(call, history, "outputs", flow_outputs=flow, tasks=tasks, measured=measured)


async def journal_tab(desk: Desk, call: Call, history: History) -> HttpResponse:
    """Every event with its proof, the state after any of them, and whether all of it verifies."""
    views = entry_views(history.entries, history.events)
    last = len(history.events) - 1
    wanted = parameter(call, "at")
    at = min(int(wanted), last) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 10 else last
    chosen = moment(history.events, at, history.prefix) if last >= 0 else None
    if parameter(call, "part") == "moment":
        return desk.run_page(call, history, "moment", moment=chosen)
    page = page_number(parameter(call, "page"))
    begin = (page - 1) * ENTRY_PAGE
    path = f"{desk.head(history, 'journal').path}/journal"
    pager = pager_of(path, {}, page=page, size=ENTRY_PAGE, total=len(views), noun="entries")
    report = history.report
    return desk.run_page(
        call,
        history,
        "journal",
        views=views[begin : begin + ENTRY_PAGE],
        pager=pager if pager.previous or pager.next else None,
        moment=chosen,
        report=report,
        verifies=report is not None and report.ok and report.entries == len(history.entries) > 0,
        rules=RULES,
        newest=views[-1] if views else None,
        checked_at=clock(desk.now),
    )
