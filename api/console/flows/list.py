"""The list of flows: what is there, how the last runs went, what starts them."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from hookledger.actors.flows import Revision
from hookledger.api.call import Call
from hookledger.api.console.flows.base import FLOWS, Desk, name_of, namespace_path
from hookledger.api.console.flows.spark import RUNS_MAX, Spark, spark_of
from hookledger.api.console.pager import page_number, pager_of
from hookledger.api.console.pages import flow_path
from hookledger.api.http import HttpResponse
from hookledger.api.secrecy import listed_for
from hookledger.journal.figures import Run
from hookledger.runtime.flow.model import Trigger

PAGE_SIZE: Final = 25
SUMMARY_CHARS_MAX: Final = 140


class FlowRow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow in the list."""

    namespace: str
    id: str
    path: str
    namespace_path: str
    summary: str
    kinds: tuple[str, ...]
    disabled: bool
    error: str
    state: str
    started: int
    spark: Spark


async def flow_list(desk: Desk, call: Call) -> HttpResponse:
    """`GET /flows`: namespace, q, page."""
    wanted = {name: (call.query.get(name) or [""])[0].strip() for name in ("namespace", "q")}
    everything = await listed_for(desk.engine.flows, call.identity)
    found = [one for one in everything if matches(one, wanted["namespace"], wanted["q"])]
    page = page_number((call.query.get("page") or ["1"])[0])
    shown = found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    names = [name_of(one) for one in shown]
    runs = await desk.engine.journal.ask(lambda reader: reader.recent(names, RUNS_MAX))
    return desk.page(
        call,
        "flows.html",
        rows=[flow_row(one, runs.get(name_of(one), [])) for one in shown],
        namespaces=namespaces(everything),
        wanted=wanted,
        any_at_all=bool(everything),
        pager=pager_of(FLOWS, wanted, page=page, size=PAGE_SIZE, total=len(found), noun="flows"),
    )


def matches(revision: Revision, namespace: str, text: str) -> bool:
    """True for a flow of the namespace (or one below it) whose name or description has the text."""
    own, flow_id = name_of(revision)
    inside = not namespace or own == namespace or own.startswith(f"{namespace}.")
    description = revision.flow.description if revision.flow else ""
    return inside and text.casefold() in f"{own}/{flow_id}\n{description}".casefold()


def namespaces(revisions: Iterable[Revision]) -> list[str]:
    """Every namespace that has flows, by name."""
    return sorted({one.registered.namespace for one in revisions})


def flow_row(revision: Revision, runs: Sequence[Run]) -> FlowRow:
    """A flow in the list, with its last runs, newest first."""
    namespace, flow_id = name_of(revision)
    flow = revision.flow
    return FlowRow(
        namespace=namespace,
        id=flow_id,
        path=flow_path(namespace, flow_id),
        namespace_path=namespace_path(namespace),
        summary=summary(flow.description) if flow else "",
        kinds=kinds(flow.triggers) if flow else (),
        disabled=flow is not None and flow.disabled,
        error=revision.error,
        state=runs[0].state if runs else "",
        started=runs[0].started if runs else 0,
        spark=spark_of(runs),
    )


def kinds(triggers: Iterable[Trigger]) -> tuple[str, ...]:
    """The kinds of enabled triggers, each once: Webhook, Schedule, Flow."""
    return tuple(dict.fromkeys(kind_of(one) for one in triggers if not one.disabled))


def kind_of(trigger: Trigger) -> str:
    """The last word of a trigger's type."""
    return trigger.type.rpartition(".")[2]


def summary(description: str) -> str:
    """The first line of a description, cut."""
    line = next((line.strip() for line in description.splitlines() if line.strip()), "")
    return line if len(line) <= SUMMARY_CHARS_MAX else f"{line[: SUMMARY_CHARS_MAX - 1].rstrip()}…"
