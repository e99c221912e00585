"""An execution as a row: the same in every list."""

from collections.abc import Container
from typing import Final

import msgspec

from hookledger.api.console.pages import execution_path, flow_path
from hookledger.journal.index import ExecutionRow

WAIT_WORDS: Final = {
    "IN_DOUBT": "a decision",
    "PAUSED": "a person",
    "RUNNING": "work under way",
    "SUBFLOW": "a subflow",
    "RETRYING": "the next attempt",
    "SLEEPING": "a timer",
    "QUEUED": "a free place",
}
"""What an open execution waits for, behind \"waits for\"."""


class ListRow(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of the list; `duration` in microseconds, up to now while it is open."""

    id: str
    path: str
    flow: str
    flow_path: str
    state: str
    waits: str
    open: bool
    quarantined: bool
    """It is open and cannot go on."""
    started: int
    duration: int
    labels: tuple[tuple[str, str], ...]


def list_row(row: ExecutionRow, now: int, quarantined: Container[str] = ()) -> ListRow:
    """An execution for a list, and whether it is in quarantine; labels of the engine's own are left out."""
    own = tuple((name, value) for name, value in row.labels.items() if not name.startswith("system."))
    return ListRow(
        id=row.execution,
        path=execution_path(row.namespace, row.flow, row.execution),
        flow=f"{row.namespace}/{row.flow}",
        flow_path=flow_path(row.namespace, row.flow),
        state=row.state,
        waits=WAIT_WORDS.get(row.waits, "") if row.waits != "RUNNING" else "",
        open=row.open,
        quarantined=row.execution in quarantined,
        started=row.started,
        duration=row.duration if row.ended else max(0, now - row.started),
        labels=own,
    )
