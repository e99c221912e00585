"""The list of executions: filters that live in the address, one page of rows, totals."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import msgspec

from hookledger.api.call import Call
from hookledger.api.console.first_run import first_run
from hookledger.api.console.pager import Pager, page_number
from hookledger.api.console.rows import WAIT_WORDS, list_row
from hookledger.api.console.runs.base import EXECUTIONS, LIVE, Desk, parameter
from hookledger.api.http import HttpResponse
from hookledger.journal.index import STATES as INDEX_STATES
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import Query, Reader
from hookledger.journal.text import unknown
from hookledger.runtime.durations import DurationInvalid, parse_duration

PAGE: Final = 50
TOTAL_MAX: Final = 10_000
"""Counting further would cost more than the number is worth."""
STATES: Final = (
    "CREATED",
    "QUEUED",
    "RUNNING",
    "PAUSED",
    "KILLING",
    "RESTARTED",
    "SUCCESS",
    "WARNING",
    "FAILED",
    "KILLED",
    "CANCELLED",
    "RETRIED",
)
SINCE: Final = (
    ("", "Any time"),
    ("PT15M", "Last 15 minutes"),
    ("PT1H", "Last hour"),
    ("P1D", "Last day"),
    ("P7D", "Last week"),
)
_LABELS_MAX: Final = 5


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody looks for, as they typed it."""

    states: tuple[str, ...] = ()
    namespace: str = ""
    flow: str = ""
    label: str = ""
    """`name:value`, several with commas."""
    text: str = ""
    since: str = ""
    """A duration back from now (`PT1H`), or a UTC time."""
    until: str = ""
    waits: str = ""

    @property
    def any(self) -> bool:
        """Whether anything narrows the list."""
        return any(getattr(self, name) for name in self.__struct_fields__)

    def link(self, page: int = 1) -> str:
        """The address of the list with these filters."""
        pairs = [("state", state) for state in self.states]
        single = ("namespace", "flow", "label", "text", "since", "until", "waits")
        pairs += [(name, getattr(self, name)) for name in single if getattr(self, name)]
        if page > 1:
            pairs.append(("page", str(page)))
        return f"{EXECUTIONS}?{urlencode(pairs)}" if pairs else EXECUTIONS


def filters_of(parameters: Mapping[str, Sequence[str]]) -> Filters:
    """Read the filters of an address, with what does not exist as it was typed."""

    def one(name: str) -> str:
        return (parameters.get(name) or [""])[0].strip()

    states = [state.strip().upper() for state in parameters.get("state", ()) if state.strip()]
    return Filters(
        states=tuple(dict.fromkeys(states)),
        namespace=one("namespace"),
        flow=one("flow"),
        label=one("label"),
        text=one("text"),
        since=one("since"),
        until=one("until"),
        waits=one("waits").upper(),
    )


def query_of(filters: Filters, now: int, page: int) -> tuple[Query, list[str]]:
    """The question for the index, and what of the filters could not be understood."""
    problems: list[str] = []
    labels = dict(_labels(filters.label, problems))
    problems += [
        unknown("state", state, INDEX_STATES) for state in filters.states if state not in INDEX_STATES
    ]
    if filters.waits and filters.waits not in WAIT_WORDS:
        problems.append(unknown("reason to wait", filters.waits, WAIT_WORDS))
    query = Query(
        namespace_prefix=filters.namespace or None,
        flow=filters.flow or None,
        states=filters.states,
        waits=(filters.waits,) if filters.waits else (),  # type: ignore[arg-type]
        labels=labels,
        text=filters.text,
        since=_time(filters.since, now, problems),
        until=_time(filters.until, now, problems),
        limit=PAGE,
        offset=(page - 1) * PAGE,
        total_max=TOTAL_MAX,
    )
    return query, problems


def _labels(text: str, problems: list[str]) -> Iterator[tuple[str, str]]:
    for part in [part for part in text.split(",") if part.strip()][:_LABELS_MAX]:
        name, colon, value = part.partition(":")
        if colon and name.strip() and value.strip():
            yield name.strip(), value.strip()
        else:
            problems.append(f"`{part.strip()[:60]}` is no label; write `name:value`")


def _time(text: str, now: int, problems: list[str]) -> int:
    """Microseconds of a duration before now, or of a UTC time; 0 for neither."""
    if not text:
        return 0
    try:
        if text.upper().startswith("P"):
            return max(0, now - parse_duration(text))
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
    except (DurationInvalid, ValueError, OverflowError):
        problems.append(f"`{text[:40]}` is no time; write `PT1H` for an hour ago, or 2026-11-26T10:00 (UTC)")
        return 0


async def executions_list(desk: Desk, call: Call) -> HttpResponse:
    """`/executions`."""
    filters = filters_of(call.query)
    page = page_number(parameter(call, "page"))
    query, problems = query_of(filters, desk.now, page)

    def question(reader: Reader) -> tuple[list[ExecutionRow], int, bool]:
        rows, total = reader.rows(query)
        empty = not rows and not reader.rows(Query(limit=1, total_max=0))[0]
        return rows, total, empty

    rows, total, empty = await desk.engine.journal.ask(question) if not problems else ([], 0, False)
    return desk.pages.page(
        call,
        "runs.html",
        place="executions",
        filters=filters,
        problems=problems,
        rows=[list_row(row, desk.now, desk.engine.quarantined) for row in rows],
        pager=_pager(filters, page, len(rows), total),
        empty=empty,
        status=400 if problems else 200,
        first_run=first_run(desk.engine, desk.address(call)) if empty else None,
        states=STATES,
        since=SINCE,
        wait_words=WAIT_WORDS,
        namespaces=sorted({revision.registered.namespace for revision in desk.engine.flows}),
        live=LIVE,
        here=EXECUTIONS,
    )


def _pager(filters: Filters, page: int, shown: int, total: int) -> Pager:
    begin = (page - 1) * PAGE
    counted = f"more than {TOTAL_MAX:,}" if total > TOTAL_MAX else f"{total:,}"
    noun = "execution" if total == 1 else "executions"
    summary = f"{begin + 1:,}–{begin + shown:,} of {counted} {noun}" if shown else f"{counted} {noun}"
    return Pager(
        summary=summary,
        previous=filters.link(page - 1) if page > 1 else "",
        next=filters.link(page + 1) if begin + shown < total else "",
    )
