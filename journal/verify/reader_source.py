"""The verifier over any store's reader: what only a file has, it does not look at."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

from hookledger.journal.deliveries import Claim, DeliveryQuery, DeliveryRow
from hookledger.journal.entry import Entry
from hookledger.journal.figures import MINUTE, MinuteKey
from hookledger.journal.index import ExecutionRow
from hookledger.journal.sqlite import SqliteReader
from hookledger.journal.store import LogLine, Query, Reader
from hookledger.journal.verify.differences import difference, together, unequal
from hookledger.journal.verify.projections import Tallies
from hookledger.journal.verify.source import RawRow

INDEX_PAGE: Final = 1000


class ReaderSource:
    """A source over any reader of a store."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lines: tuple[str, list[LogLine]] = ("", [])

    @contextmanager
    def still(self) -> Generator[None]:
        """Read everything inside the block as it stood at one moment: entries and index never disagree by a race."""
        if isinstance(self._reader, SqliteReader):
            with self._reader.snapshot():
                yield
        else:
            yield

    def origin(self) -> str | None:
        tip = self._reader.tip()
        return tip.origin if tip else None

    def damage(self) -> Iterator[str]:
        yield from ()

    def schema(self) -> Iterator[str]:
        yield from ()

    def warnings(self) -> Iterator[tuple[str, str]]:
        yield from ()

    def lines(self, execution: str, after: int, limit: int) -> list[tuple[int, LogLine]]:
        if self._lines[0] != execution:
            self._lines = execution, self._reader.logs(execution)
        return list(enumerate(self._lines[1][after : after + limit], after + 1))

    def line_count(self, execution: str) -> int:
        return len(self._reader.logs(execution))

    def stray_lines(self) -> Iterator[str]:
        yield from ()

    def file_difference(self, uri: str, sha256: str) -> str | None:
        return ""

    def claim(self, scope: str, key: str) -> Claim | None:
        return self._reader.claim(scope, key)

    def claims(self) -> Iterator[Claim] | None:
        return None

    def delivery_count(self) -> int:
        return self._reader.deliveries(DeliveryQuery(limit=1))[1]

    def raw_rows(self) -> Iterator[RawRow]:
        if isinstance(self._reader, SqliteReader):
            yield from self._reader.raw_rows()
        else:
            yield from map(_raw, self._reader.scan())

    def raw_history(self, execution: str) -> Iterator[RawRow]:
        if isinstance(self._reader, SqliteReader):
            yield from self._reader.raw_history(execution)
        else:
            yield from map(_raw, self._reader.entries(execution))

    def index_difference(self, rebuilt: ExecutionRow) -> str:
        return difference(self._reader.row(rebuilt.execution), rebuilt)

    def delivery(self, delivery: str) -> DeliveryRow | None:
        return self._reader.delivery(delivery)

    def label_difference(self, rebuilt: ExecutionRow) -> str:
        query = Query(ids=(rebuilt.execution,), labels=rebuilt.labels, limit=0)
        return "" if self._reader.rows(query)[1] else "its labels do not lead to it"

    def minute_difference(self, minute: int, rebuilt: dict[MinuteKey, int]) -> str:
        found = self._reader.minutes(minute * MINUTE, minute * MINUTE)
        return unequal({one.state: one.count for one in found}, together(rebuilt))

    def marked(self, table: str, value: str, position: int) -> bool:
        ask = self._reader.acts if table == "actor_entry" else self._marked_type
        return [entry.header.pos for entry in ask(value, before=position + 1, limit=1)] == [position]

    def _marked_type(self, name: str, *, before: int, limit: int) -> list[Entry]:
        return self._reader.system((name,), before=before, limit=limit)

    def tallies(self) -> Tallies | None:
        return None

    def index_size(self) -> int:
        return self._reader.rows(Query(limit=0))[1]

    def index_ids(self) -> Iterator[str]:
        offset = 0
        while page := self._reader.rows(Query(limit=INDEX_PAGE, offset=offset))[0]:
            yield from (row.execution for row in page)
            offset += len(page)


def _raw(entry: Entry) -> RawRow:
    header = entry.header
    return header.pos, header.exec, header.n, entry.raw, entry.leaf, entry.payload, entry.salt
