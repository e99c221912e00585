"""What one commit writes: the entries, and what they change in the projections."""

from collections.abc import Iterator
from typing import Any

import apsw
import msgspec

from hookledger.journal.deliveries import DeliveryRow
from hookledger.journal.entry import SYSTEM, Entry, by_person
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import Batch


def write(connection: apsw.Connection, batch: Batch) -> None:
    """Write a batch inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", map(entry_columns, batch.entries)
    )
    if batch.logs:
        connection.executemany(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", map(msgspec.structs.astuple, batch.logs)
        )
    write_projections(connection, batch)


def write_projections(connection: apsw.Connection, batch: Batch) -> None:
    """Write what a batch changes beside the log; a rebuild writes nothing else."""
    if batch.labelled:
        connection.executemany(_FORGET_LABELS, ((execution,) for execution in batch.labelled))
    connection.executemany(_UPSERT_EXECUTION, map(row_columns, batch.rows.values()))
    for statement, values in (
        (_ADD_LABEL, _labels(batch)),
        (_ADD_MINUTE, _minutes(batch)),
        (
            "INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            map(delivery_columns, batch.deliveries),
        ),
        (
            "INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?)",
            map(msgspec.structs.astuple, batch.claims),
        ),
        ("INSERT OR IGNORE INTO system_entry VALUES (?, ?)", _system(batch)),
        ("INSERT INTO actor_entry VALUES (?, ?)", _actors(batch)),
    ):
        connection.executemany(statement, values)
    events = sum(len(entry.header.types) for entry in batch.entries)
    connection.execute("UPDATE counter SET value = value + ? WHERE name = 'events'", (events,))


def entry_columns(entry: Entry) -> tuple[Any, ...]:
    """An entry as a row of `entry`."""
    header = entry.header
    return header.pos, header.exec, header.n, entry.raw, entry.leaf, entry.payload, entry.salt


def row_columns(row: ExecutionRow) -> tuple[Any, ...]:
    """An index row as a row of `execution`, but for its number."""
    return (
        row.execution,
        row.namespace,
        row.flow,
        row.trigger,
        row.started,
        row.ended,
        row.state,
        row.waits,
        _encode(row).decode(),
    )


def delivery_columns(row: DeliveryRow) -> tuple[Any, ...]:
    """A delivery as a row of `delivery`."""
    encoded = _encode(row).decode()
    return row.delivery, row.at, row.namespace, row.flow, row.trigger, row.kind, row.execution, encoded


def _labels(batch: Batch) -> Iterator[tuple[str, str, str]]:
    for execution in batch.begun | batch.labelled if batch.labelled else batch.begun:
        for key, value in batch.rows[execution].labels.items():
            yield key, value, execution


def _minutes(batch: Batch) -> Iterator[tuple[int, str, str, str, int]]:
    """Each flow's counts, and those of all flows together."""
    together: dict[tuple[int, str], int] = {}
    for (minute, namespace, flow, state), count in batch.minutes.items():
        yield minute, namespace, flow, state, count
        together[minute, state] = together.get((minute, state), 0) + count
    for (minute, state), count in together.items():
        yield minute, "", "", state, count


def _system(batch: Batch) -> Iterator[tuple[str, int]]:
    for entry in batch.entries:
        header = entry.header
        if header.exec == SYSTEM:
            for name in header.types:
                yield name, header.pos


def _actors(batch: Batch) -> Iterator[tuple[str, int]]:
    for entry in batch.entries:
        if by_person(entry.header):
            yield entry.header.actor, entry.header.pos


_encode = msgspec.json.Encoder().encode

# Only the indexes over what changes are touched again, and an update keeps the row's number: among equal times the
# order is that of the journal.
_UPSERT_EXECUTION = """
INSERT INTO execution VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (execution) DO UPDATE
SET ended = excluded.ended, state = excluded.state, waits = excluded.waits, row = excluded.row
"""
# By the labels of the row that is about to be replaced.
_FORGET_LABELS = """
DELETE FROM execution_label WHERE (key, value, started, id) IN (
  SELECT label.key, label.value, execution.started, execution.id
  FROM execution, json_each(execution.row, '$.labels') AS label WHERE execution.execution = ?)
"""
_ADD_LABEL = """
INSERT INTO execution_label SELECT ?, ?, started, id FROM execution WHERE execution = ?
"""
_ADD_MINUTE = """
INSERT INTO execution_minute VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count
"""
