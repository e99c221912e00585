"""A store in memory that can crash: what was committed stays, the rest is gone."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import trio

from hookledger.journal.deliveries import Claim, DeliveryQuery, DeliveryRow
from hookledger.journal.entry import Entry
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import Batch, LogLine, Query, Reader, Tip

T = TypeVar("T")


class MemoryStore:
    """Keeps a partition in lists. Survives `close`, so a test can open it again after a crash."""

    def __init__(self, *, commit_seconds: float = 0.0) -> None:
        self._origin = ""
        self._entries: list[Entry] = []
        self._by_execution: dict[str, list[Entry]] = {}
        self._rows: dict[str, ExecutionRow] = {}
        self._logs: list[LogLine] = []
        self._claims: dict[tuple[str, str], Claim] = {}
        self._deliveries: dict[str, DeliveryRow] = {}
        self._commit_seconds = commit_seconds
        self.commits = 0

    def create(self, origin: str) -> None:
        self._origin = origin

    async def commit(self, batch: Batch) -> None:
        """Durable after `commit_seconds` on trio's clock, all at once; a cancelled commit wrote nothing."""
        await trio.sleep(self._commit_seconds)
        self._entries.extend(batch.entries)
        for entry in batch.entries:
            self._by_execution.setdefault(entry.header.exec, []).append(entry)
        self._rows.update(batch.rows)
        self._logs.extend(batch.logs)
        self._claims.update({(claim.scope, claim.key): claim for claim in batch.claims})
        self._deliveries.update({row.delivery: row for row in batch.deliveries})
        self.commits += 1

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

    def scan(self, position: int = 0, limit: int | None = None) -> Iterator[Entry]:
        end = None if limit is None else position + limit
        yield from self._entries[position:end]

    def rows(self, query: Query) -> tuple[list[ExecutionRow], int]:
        found = [row for row in self._rows.values() if _matches(row, query)]
        if not query.oldest_first:
            found.reverse()
        found.sort(key=lambda row: row.started, reverse=not query.oldest_first)
        return found[query.offset : query.offset + query.limit], len(found)

    def row(self, execution: str) -> ExecutionRow | None:
        return self._rows.get(execution)

    def claim(self, scope: str, key: str) -> Claim | None:
        return self._claims.get((scope, key))

    def deliveries(self, query: DeliveryQuery) -> tuple[list[DeliveryRow], int]:
        found = [row for row in self._deliveries.values() if _listed(row, query)]
        found.sort(key=lambda row: (row.at, row.delivery), reverse=True)
        return found[query.offset : query.offset + query.limit], len(found)

    def delivery(self, delivery: str) -> DeliveryRow | None:
        return self._deliveries.get(delivery)

    def logs(self, execution: str) -> list[LogLine]:
        return [line for line in self._logs if line.execution == execution]


def _listed(row: DeliveryRow, query: DeliveryQuery) -> bool:
    return (
        query.namespace in (None, row.namespace)
        and query.flow in (None, row.flow)
        and query.trigger in (None, row.trigger)
        and (not query.kinds or row.kind in query.kinds)
        and row.at >= query.since
    )


def _matches(row: ExecutionRow, query: Query) -> bool:
    return (
        query.namespace in (None, row.namespace)
        and query.flow in (None, row.flow)
        and (not query.states or row.state in query.states)
        and query.open in (None, row.open)
        and row.started >= query.since
    )
