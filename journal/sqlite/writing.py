"""What one commit writes: the entries, and what they change in the projections."""

from collections.abc import Iterator
from typing import Any

import apsw
import msgspec

from hookledger.journal.entry import SYSTEM, Entry, by_person
from hookledger.journal.sqlite.columns import DELIVERY, EXECUTION
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
    for execution in batch.labelled:
        connection.execute(_FORGET_LABELS, (execution,))
    begun, rows = batch.begun, batch.rows
    later = rows.keys() - begun.keys() if len(begun) < len(rows) else ()
    connection.executemany(_UPDATE_EXECUTION, (EXECUTION.write(rows[execution]) for execution in later))
    if begun:
        connection.executemany(
            _ADD_EXECUTION,
            ((number, *EXECUTION.write(rows[execution])) for execution, number in begun.items()),
        )
        connection.executemany(
            "INSERT OR IGNORE INTO execution_label VALUES (?, ?, ?, ?)",
            (
                (key, value, row.started, number)
                for row, number in ((rows[execution], number) for execution, number in begun.items())
                for key, value in row.labels.items()
            ),
        )
    for execution in batch.labelled.difference(begun):
        pairs = rows[execution].labels.items()
        connection.executemany(_ADD_LABEL, ((key, value, execution) for key, value in pairs))
    if batch.minutes:
        connection.executemany(_ADD_MINUTE, _minutes(batch))
    if batch.deliveries:
        connection.executemany(_ADD_DELIVERY, map(DELIVERY.write, batch.deliveries))
    if batch.claims:
        connection.executemany(_ADD_CLAIM, map(msgspec.structs.astuple, batch.claims))
    _write_marks(connection, batch)


def _write_marks(connection: apsw.Connection, batch: Batch) -> None:
    """Where the log has what auditors look for, and how many events it has."""
    system: list[tuple[str, int]] = []
    acts: list[tuple[str, int]] = []
    events = 0
    for entry in batch.entries:
        header = entry.header
        events += len(header.types)
        if header.exec == SYSTEM:
            system += ((name, header.pos) for name in dict.fromkeys(header.types))
        if by_person(header):
            acts.append((header.actor, header.pos))
    if system:
        connection.executemany("INSERT OR IGNORE INTO system_entry VALUES (?, ?)", system)
    if acts:
        connection.executemany("INSERT OR IGNORE INTO actor_entry VALUES (?, ?)", acts)
    connection.execute("UPDATE counter SET value = value + ? WHERE name = 'events'", (events,))


def entry_columns(entry: Entry) -> tuple[Any, ...]:
    """An entry as a row of `entry`."""
    header = entry.header
    return header.pos, header.exec, header.n, entry.raw, entry.leaf, entry.payload, entry.salt


def _minutes(batch: Batch) -> Iterator[tuple[int, str, str, str, int]]:
    """Each flow's counts, and those of all flows together."""
    together: dict[tuple[int, str], int] = {}
    for (minute, namespace, flow, state), count in batch.minutes.items():
        yield minute, namespace, flow, state, count
        together[minute, state] = together.get((minute, state), 0) + count
    for (minute, state), count in together.items():
        yield minute, "", "", state, count


# What somebody left where a row belongs is the verifier's to tell, it must not stop the journal: hence OR.
_ADD_EXECUTION = "INSERT OR REPLACE INTO execution VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# Only the indexes over what changes are touched again.
_UPDATE_EXECUTION = """
UPDATE execution SET ended = ?6, state = ?7, waits = ?8, more = ?9 WHERE execution = ?1
"""
# By the labels of the row that is about to be replaced.
_FORGET_LABELS = """
DELETE FROM execution_label WHERE (key, value, started, id) IN (
  SELECT label.key, label.value, execution.started, execution.id
  FROM execution, json_each(execution.more, '$.labels') AS label WHERE execution.execution = ?)
"""
_ADD_LABEL = """
INSERT OR IGNORE INTO execution_label SELECT ?, ?, started, id FROM execution WHERE execution = ?
"""
_ADD_MINUTE = """
INSERT INTO execution_minute VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count
"""
_ADD_DELIVERY = "INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_CLAIM = "INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?)"
