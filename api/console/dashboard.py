"""The first page: what goes on, what waits, what failed, and how much is in the journal. Bounded questions only."""

from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec

from hookledger.api.call import Call
from hookledger.api.console.charts import Stacked, stacked
from hookledger.api.console.filters import clock
from hookledger.api.console.first_run import first_run
from hookledger.api.console.pages import flow_path
from hookledger.api.console.rows import WAIT_WORDS, list_row
from hookledger.api.console.runs.base import EXECUTIONS, LIVE, Desk, parameter
from hookledger.api.http import HttpResponse
from hookledger.journal.events import DeliveryRejected
from hookledger.journal.figures import MINUTE, JournalSize, Latencies, MinuteCount
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import Query, Reader, Tip

STATES: Final = ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED")
"""From the bottom of a bar to its top."""
WINDOWS: Final = {"hour": ("Last hour", 60, 1), "day": ("Last 24 hours", 24 * 60, 15)}
"""Label, minutes, minutes a bar."""
SHORT: Final = 8
"""Rows of a list on this page."""
_OPEN_TOTAL_MAX: Final = 1000


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the reader was asked."""

    any: bool
    minutes: list[MinuteCount]
    latencies: Latencies
    open_rows: list[ExecutionRow]
    open: int
    waiting: dict[str, int]
    failed_rows: list[ExecutionRow]
    failed: int
    refused: list[DeliveryRejected]
    size: JournalSize
    tip: Tip | None


async def dashboard(desk: Desk, call: Call) -> HttpResponse:
    """`/`."""
    window = parameter(call, "window") or "hour"
    window = window if window in WINDOWS else "hour"
    label, minutes, each = WINDOWS[window]
    now = desk.now
    since = now - (minutes - 1) * MINUTE
    found = await desk.engine.journal.ask(lambda reader: ask(reader, since, now))
    chart = chart_of(found.minutes, now, minutes, each)
    return desk.pages.page(
        call,
        "dashboard.html",
        place="dashboard",
        found=found,
        label=label,
        window=window,
        windows=[(name, text, f"?window={name}") for name, (text, _, _) in WINDOWS.items()],
        chart=chart,
        table=table_of(found.minutes),
        states=STATES,
        open_rows=[list_row(row, now, desk.engine.quarantined) for row in found.open_rows],
        waiting=[
            (WAIT_WORDS[name], number, f"{EXECUTIONS}?{urlencode({'waits': name})}")
            for name, number in sorted(found.waiting.items())
            if number and name in WAIT_WORDS
        ],
        failed_rows=[list_row(row, now) for row in found.failed_rows],
        failing=failing(found.failed_rows),
        first_run=None if found.any else first_run(desk.engine, desk.address(call)),
        flows=sum(1 for _ in desk.engine.flows),
        executions=EXECUTIONS,
        live=LIVE,
    )


FAILED_SAMPLE: Final = 200
"""Of the newest failures; flows are counted among them."""


def ask(reader: Reader, since: int, now: int) -> Found:
    """Everything at once, from one reader."""
    newest = reader.rows(Query(limit=1, total_max=0))[0]
    open_rows, open_total = reader.rows(Query(open=True, limit=SHORT, total_max=_OPEN_TOTAL_MAX))
    failed_rows, failed = reader.rows(
        Query(states=("FAILED",), since=since, limit=FAILED_SAMPLE, total_max=_OPEN_TOTAL_MAX)
    )
    refused = reader.system((DeliveryRejected.__name__,), limit=SHORT)
    return Found(
        any=bool(newest),
        minutes=reader.minutes(since, now),
        latencies=reader.latencies(since, now + MINUTE),
        open_rows=open_rows,
        open=open_total,
        waiting={str(name): number for name, number in reader.waiting().items()},
        failed_rows=failed_rows,
        failed=failed,
        refused=[
            event for entry in refused for event in entry.events() if isinstance(event, DeliveryRejected)
        ],
        size=reader.size(),
        tip=reader.tip(),
    )


def chart_of(counts: Sequence[MinuteCount], now: int, minutes: int, each: int) -> Stacked:
    """Executions that ended, in bars of `each` minutes up to now."""
    last = now // MINUTE
    start = last - minutes + 1
    sums: dict[tuple[int, str], int] = {}
    for one in counts:
        if one.minute >= start and one.state in STATES:
            key = (one.minute - start) // each, one.state
            sums[key] = sums.get(key, 0) + one.count
    return stacked(
        [
            (
                clock((start + bar * each) * MINUTE)[11:16],
                [(state, sums.get((bar, state), 0)) for state in STATES],
            )
            for bar in range(-(-minutes // each))
        ]
    )


def table_of(counts: Sequence[MinuteCount]) -> dict[str, int]:
    """How many began, and how many ended in which state: the chart's numbers in words."""
    sums: Counter[str] = Counter()
    for one in counts:
        sums[one.state] += one.count
    return {state: sums[state] for state in ("CREATED", *STATES) if sums[state] or state == "CREATED"}


def failing(rows: Sequence[ExecutionRow]) -> list[tuple[str, str, int, str]]:
    """Flows with most failures: name, page, count, and the list of them."""
    counts = Counter((row.namespace, row.flow) for row in rows)
    return [
        (
            f"{namespace}/{flow}",
            flow_path(namespace, flow),
            number,
            f"{EXECUTIONS}?{urlencode({'state': 'FAILED', 'namespace': namespace, 'flow': flow})}",
        )
        for (namespace, flow), number in counts.most_common(5)
    ]
