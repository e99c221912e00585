"""What the dashboard and the flow list show, as a reader answers it. Times and durations are microseconds.

Every question does bounded work: a rollup per minute, a limited sample, or a walk along an index.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from hookledger.journal.entry import Header
from hookledger.journal.events import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionForked,
    ExecutionKilled,
    OutputsResolved,
    TriggerReceived,
)
from hookledger.journal.index import ExecutionRow

MINUTE: Final = 60_000_000
WINDOW_MINUTES_MAX: Final = 31 * 24 * 60
LATENCY_SAMPLE_MAX: Final = 10_000
RECENT_MAX: Final = 100


class FlowKey(NamedTuple):
    """A flow by name."""

    namespace: str
    flow: str


MinuteKey: TypeAlias = tuple[int, str, str, str]
"""What is counted together: minutes since 1970-01-01 UTC, namespace, flow, and CREATED for an execution that began or
the state in which one ended."""


class MinuteCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many executions began (`CREATED`) or ended in a state during one minute."""

    minute: int
    """Minutes since 1970-01-01 UTC."""
    state: str
    count: int


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles from start to end by nearest rank; 0 when nothing has ended."""

    count: int = 0
    """How many executions they are taken of."""
    p50: int = 0
    p95: int = 0
    p99: int = 0


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of what ended in a window, in all and by flow."""

    total: Latency
    flows: dict[FlowKey, Latency]
    complete: bool
    """False when more had ended than `LATENCY_SAMPLE_MAX`: then the newest of them stand for all."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as a dot of a spark line."""

    execution: str
    state: str
    started: int
    ended: int


class JournalSize(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is."""

    bytes: int
    """On disk, write-ahead log included; 0 for a journal in memory."""
    wal_bytes: int
    entries: int
    events: int
    executions: int


def check_window(since: int, until: int) -> None:
    """Refuse a window that nobody can look at.

    Raises:
        ValueError: It ends before it begins, or is longer than `WINDOW_MINUTES_MAX`.
    """
    if until < since:
        raise ValueError(f"the window ends ({until}) before it begins ({since}); swap `since` and `until`")
    if until - since > WINDOW_MINUTES_MAX * MINUTE:
        raise ValueError(f"a window has at most {WINDOW_MINUTES_MAX} minutes; ask for a shorter one")


def latency_of(durations: Iterable[int]) -> Latency:
    """Percentiles of some durations."""
    ordered = sorted(durations)
    if not ordered:
        return Latency()
    return Latency(count=len(ordered), p50=_rank(ordered, 50), p95=_rank(ordered, 95), p99=_rank(ordered, 99))


def latencies_of(ended: Sequence[tuple[str, str, int]], *, complete: bool) -> Latencies:
    """Percentiles of namespace, flow and duration of some executions."""
    durations: dict[FlowKey, list[int]] = {}
    for namespace, flow, duration in ended:
        durations.setdefault(FlowKey(namespace, flow), []).append(duration)
    return Latencies(
        total=latency_of(duration for _, _, duration in ended),
        flows={key: latency_of(found) for key, found in durations.items()},
        complete=complete,
    )


def counted(header: Header, row: ExecutionRow) -> list[MinuteKey]:
    """What an entry adds to the counts of its minute, with the execution's row after it.

    The minute is that of the entry, which never falls, so a minute that is over stays as it is.
    """
    minute = header.ts // MINUTE
    return [
        (minute, row.namespace, row.flow, _COUNTED[name] or row.state)
        for name in header.types
        if name in _COUNTED
    ]


def _rank(ordered: Sequence[int], percent: int) -> int:
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


_COUNTED: Final[dict[str, str]] = {
    TriggerReceived.__name__: "CREATED",
    ExecutionForked.__name__: "CREATED",
    ExecutionFailed.__name__: "FAILED",
    ExecutionKilled.__name__: "KILLED",
    ExecutionCancelled.__name__: "CANCELLED",
    OutputsResolved.__name__: "",  # SUCCESS or WARNING: the row says it
}
