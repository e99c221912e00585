"""What is in a journal, counted by SQLite."""

from typing import TYPE_CHECKING, Any

import msgspec

from hookledger.journal.entry import decode_header, log_id

if TYPE_CHECKING:
    from hookledger.journal.cli.reading import JournalFile


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a journal. Times are microseconds since 1970, 0 in an empty journal."""

    log: str
    origin: str
    entries: int
    bytes: int
    first: int
    last: int
    epochs: int
    events_by_type: dict[str, int]
    executions_by_state: dict[str, int]


def statistics(reader: "JournalFile") -> Statistics:
    """Count everything; reads every header once."""
    tip = reader.tip()
    origin = tip.origin if tip else ""
    first = reader.table("SELECT header FROM entry ORDER BY pos LIMIT 1")
    ((pages, page_size),) = reader.table(
        "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size"
    )
    return Statistics(
        log=log_id(origin) if origin else "",
        origin=origin,
        entries=tip.position if tip else 0,
        bytes=pages * page_size,
        first=decode_header(first[0][0]).ts if first else 0,
        last=tip.timestamp if tip else 0,
        epochs=tip.epoch if tip else 0,
        events_by_type=_counts(reader.table(_EVENTS)),
        executions_by_state=_counts(
            reader.table("SELECT state, count(*) FROM execution GROUP BY state ORDER BY count(*) DESC, state")
        ),
    )


def _counts(rows: list[tuple[Any, ...]]) -> dict[str, int]:
    """A damaged file may name anything."""
    return {str(name): count for name, count in rows}


_EVENTS = """
SELECT type.value, count(*)
FROM entry, json_each(CAST(entry.header AS TEXT), '$.types') AS type
GROUP BY type.value ORDER BY count(*) DESC, type.value
"""
