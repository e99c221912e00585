"""A store in memory that can crash: what was committed stays, the rest is gone."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import trio

from hookledger.journal.deliveries import Claim, DeliveryQuery, DeliveryRow
from hookledger.journal.entry import SYSTEM, Entry, Header, by_person, log_id, principal
from hookledger.journal.figures import (
    LATENCY_SAMPLE_MAX,
    MINUTE,
    RECENT_MAX,
    FlowKey,
    JournalSize,
    Latencies,
    MinuteCount,
    MinuteKey,
    Run,
    check_window,
    latencies_of,
)
from hookledger.journal.index import ExecutionRow, Waits
from hookledger.journal.store import Batch, LogLine, Query, Reader, Tip

T = TypeVar("T")


class MemoryStore:
    """Keeps a partition in lists. Survives `close`, so a test can open it again after a crash."""

    def __init__(self, *, commit_seconds: float = 0.0) -> None:
        self._origin = ""
        self._entries: list[Entry] = []
        self._by_execution: dict[str, list[Entry]] = {}
        self._rows: dict[str, ExecutionRow] = {}
        self._minutes: Counter[MinuteKey] = Counter()
        self._logs: list[LogLine] = []
        self._claims: dict[tuple[str, str], Claim] = {}
        self._deliveries: dict[str, DeliveryRow] = {}
        self._commit_seconds = commit_seconds
        self.commits = 0

    def create(self, origin: str) -> None:
        self._origin = origin

    async def commit(self, batch: Batch) -> None:
        """Durable after `commit_seconds` on trio's clock, all at once; a cancelled commit wrote nothing.

        Raises:
            ValueError: A position or an entry of an execution is there already, or one is left out.
        """
        await trio.sleep(self._commit_seconds)
        self._check_places(batch.entries)
        self._entries.extend(batch.entries)
        for entry in batch.entries:
            self._by_execution.setdefault(entry.header.exec, []).append(entry)
        self._rows.update(batch.rows)
        self._minutes.update(batch.minutes)
        self._logs.extend(batch.logs)
        self._claims.update({(claim.scope, claim.key): claim for claim in batch.claims})
        self._deliveries.update({row.delivery: row for row in batch.deliveries})
        self.commits += 1

    def _check_places(self, entries: Sequence[Entry]) -> None:
        """What SQLite's keys refuse: every position once, every (execution, n) once."""
        taken: Counter[str] = Counter()
        for position, entry in enumerate(entries, len(self._entries)):
            header = entry.header
            n = len(self._by_execution.get(header.exec, ())) + taken[header.exec]
            taken[header.exec] += 1
            if header.pos != position:
                raise ValueError(f"UNIQUE constraint failed: entry.pos ({header.pos}, not {position})")
            if header.n != n:
                raise ValueError(f"UNIQUE constraint failed: entry.exec, entry.n ({header.exec}, {header.n})")

    async def ask(self, question: Callable[[Reader], T]) -> T:
        await trio.lowlevel.checkpoint()
        return question(self)

    def reader(self) -> Reader:
        return self

    def close(self) -> None:
        """Nothing to let go of."""

    def tip(self) -> Tip | None:
        if not self._origin:
            return None
        last = self._entries[-1].header if self._entries else None
        return Tip(
            origin=self._origin,
            position=len(self._entries),
            timestamp=last.ts if last else 0,
            epoch=last.ep if last else 0,
        )

    def entries(self, execution: str) -> list[Entry]:
        return list(self._by_execution.get(execution, ()))

    def part(self, execution: str, number: int, limit: int) -> list[Entry]:
        return self._by_execution.get(execution, [])[number : number + limit]

    def scan(self, position: int = 0, limit: int | None = None) -> Iterator[Entry]:
        end = None if limit is None else position + limit
        yield from self._entries[position:end]

    def headers(self, position: int = 0) -> Iterator[Header]:
        return (entry.header for entry in self._entries[position:])

    def system(self, types: Sequence[str] = (), *, before: int | None = None, limit: int = 25) -> list[Entry]:
        found = self._by_execution.get(SYSTEM, [])
        wanted = [entry for entry in found if not types or set(types).intersection(entry.header.types)]
        return _newest(wanted, before, limit)

    def acts(self, actor: str, *, before: int | None = None, limit: int = 25) -> list[Entry]:
        forms = (actor, principal(actor, log_id(self._origin)))
        written = [entry for entry in self._entries if entry.header.actor in forms]
        return _newest([entry for entry in written if by_person(entry.header)], before, limit)

    def size(self) -> JournalSize:
        return JournalSize(
            bytes=0,
            wal_bytes=0,
            entries=len(self._entries),
            events=sum(len(entry.header.types) for entry in self._entries),
            executions=len(self._rows),
        )

    def rows(self, query: Query) -> tuple[list[ExecutionRow], int]:
        found = [row for row in self._rows.values() if _matches(row, query)]
        if not query.ascending:
            found.reverse()
        found.sort(key=_KEYS[query.sort], reverse=not query.ascending)
        total = len(found) if query.total_max is None else min(len(found), query.total_max + 1)
        return found[query.offset : query.offset + query.limit], total

    def open_executions(self) -> list[str]:
        return [row.execution for row in sorted(self._rows.values(), key=_KEYS["started"]) if not row.ended]

    def row(self, execution: str) -> ExecutionRow | None:
        return self._rows.get(execution)

    def recent(self, flows: Sequence[tuple[str, str]], limit: int = 20) -> dict[FlowKey, list[Run]]:
        def newest(namespace: str, flow: str) -> list[Run]:
            query = Query(namespace=namespace, flow=flow, limit=min(limit, RECENT_MAX))
            return [
                Run(execution=row.execution, state=row.state, started=row.started, ended=row.ended)
                for row in self.rows(query)[0]
            ]

        return {FlowKey(*flow): newest(*flow) for flow in flows}

    def waiting(self) -> dict[Waits, int]:
        return dict(Counter(row.waits for row in self._rows.values() if row.open))

    def minutes(
        self, since: int, until: int, *, namespace: str | None = None, flow: str | None = None
    ) -> list[MinuteCount]:
        check_window(since, until)
        if flow is not None and namespace is None:
            raise ValueError("a flow needs its namespace")
        found: Counter[tuple[int, str]] = Counter()
        for (minute, of_namespace, of_flow, state), count in self._minutes.items():
            if namespace in (None, of_namespace) and flow in (None, of_flow):
                found[minute, state] += count
        return [
            MinuteCount(minute=minute, state=state, count=count)
            for (minute, state), count in sorted(found.items())
            if since // MINUTE <= minute <= until // MINUTE
        ]

    def latencies(self, since: int, until: int, *, namespace: str | None = None) -> Latencies:
        check_window(since, until)
        ended = [
            row
            for row in self._rows.values()
            if not row.open and since <= row.ended < until and namespace in (None, row.namespace)
        ]
        newest = sorted(ended, key=_KEYS["ended"])[-LATENCY_SAMPLE_MAX:]
        sample = [(row.namespace, row.flow, row.duration) for row in newest]
        return latencies_of(sample, complete=len(ended) <= LATENCY_SAMPLE_MAX)

    def claim(self, scope: str, key: str) -> Claim | None:
        return self._claims.get((scope, key))

    def deliveries(self, query: DeliveryQuery) -> tuple[list[DeliveryRow], int]:
        found = [
            row for row in self._deliveries.values() if _listed(row, query) and self._of(query.execution, row)
        ]
        found.sort(key=lambda row: (row.at, row.delivery), reverse=True)
        return found[query.offset : query.offset + query.limit], len(found)

    def _of(self, execution: str | None, row: DeliveryRow) -> bool:
        """What began the execution, or repeated it."""
        if execution is None or (row.kind == "DUPLICATE" and row.execution == execution):
            return True
        return execution in self._rows and self._rows[execution].delivery == row.delivery

    def delivery(self, delivery: str) -> DeliveryRow | None:
        return self._deliveries.get(delivery)

    def last_deliveries(self, namespace: str, flow: str, limit: int = 5) -> dict[str, list[DeliveryRow]]:
        query = DeliveryQuery(namespace=namespace, flow=flow, limit=len(self._deliveries))
        found: dict[str, list[DeliveryRow]] = {}
        for row in self.deliveries(query)[0]:
            found.setdefault(row.trigger, []).append(row)
        return {trigger: rows[:limit] for trigger, rows in sorted(found.items())}

    def logs(self, execution: str) -> list[LogLine]:
        return [line for line in self._logs if line.execution == execution]


_KEYS: dict[str, Callable[[ExecutionRow], int]] = {
    "started": lambda row: row.started,
    "ended": lambda row: row.ended,
    "duration": lambda row: row.duration,
}


def _newest(entries: Sequence[Entry], before: int | None, limit: int) -> list[Entry]:
    found = [entry for entry in entries if before is None or entry.header.pos < before]
    return found[: -limit - 1 : -1]


def _listed(row: DeliveryRow, query: DeliveryQuery) -> bool:
    return (
        query.namespace in (None, row.namespace)
        and query.flow in (None, row.flow)
        and query.trigger in (None, row.trigger)
        and query.delivery in (None, row.delivery)
        and (not query.kinds or row.kind in query.kinds)
        and row.at >= query.since
    )


def _matches(row: ExecutionRow, query: Query) -> bool:
    return (
        query.namespace in (None, row.namespace)
        and query.flow in (None, row.flow)
        and query.trigger in (None, row.trigger)
        and (query.namespace_prefix is None or _below(row.namespace, query.namespace_prefix))
        and (not query.states or row.state in query.states)
        and (not query.waits or row.waits in query.waits)
        and query.open in (None, row.open)
        and (query.sort == "started" or not row.open)
        and row.started >= query.since
        and (not query.until or row.started < query.until)
        and query.labels.items() <= row.labels.items()
        and any(query.text.lower() in part.lower() for part in (row.execution, row.flow, row.namespace))
        and (query.ids is None or row.execution in query.ids)
    )


def _below(namespace: str, prefix: str) -> bool:
    return namespace == prefix or namespace.startswith(f"{prefix}.")
