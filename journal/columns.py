"""What the SQLite store writes into its columns, and how its queries choose."""

from typing import Any

import msgspec

from hookledger.journal.deliveries import DeliveryQuery, DeliveryRow
from hookledger.journal.entry import Entry
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import Query


def entry_columns(entry: Entry) -> tuple[Any, ...]:
    """An entry as a row of `entry`."""
    header = entry.header
    return header.pos, header.exec, header.n, entry.raw, entry.leaf, entry.payload, entry.salt


def row_columns(row: ExecutionRow) -> tuple[Any, ...]:
    """An index row as a row of `execution`."""
    encoded = msgspec.json.encode(row).decode()
    return row.execution, row.namespace, row.flow, row.state, row.started, int(row.open), encoded


def delivery_columns(row: DeliveryRow) -> tuple[Any, ...]:
    """A delivery as a row of `delivery`."""
    encoded = msgspec.json.encode(row).decode()
    return row.delivery, row.at, row.namespace, row.flow, row.trigger, row.kind, encoded


def where_deliveries(query: DeliveryQuery) -> tuple[str, list[Any]]:
    """The condition of a query for deliveries, and its values."""
    equal = (("namespace", query.namespace), ("flow", query.flow), ("trigger", query.trigger))
    terms: list[tuple[str, list[Any]]] = [
        (f"{name} = ?", [value]) for name, value in equal if value is not None
    ]
    if query.kinds:
        terms.append((f"kind IN ({', '.join('?' * len(query.kinds))})", list(query.kinds)))
    if query.since:
        terms.append(("at >= ?", [query.since]))
    return joined(terms)


def where(query: Query) -> tuple[str, list[Any]]:
    """The condition of a query for executions, and its values."""
    terms: list[tuple[str, list[Any]]] = []
    if query.namespace is not None:
        terms.append(("namespace = ?", [query.namespace]))
    if query.flow is not None:
        terms.append(("flow = ?", [query.flow]))
    if query.states:
        terms.append((f"state IN ({', '.join('?' * len(query.states))})", list(query.states)))
    if query.open is not None:
        terms.append((f"open = {int(query.open)}", []))
    if query.since:
        terms.append(("started >= ?", [query.since]))
    return joined(terms)


def joined(terms: list[tuple[str, list[Any]]]) -> tuple[str, list[Any]]:
    """All terms must hold."""
    if not terms:
        return "", []
    return "WHERE " + " AND ".join(term for term, _ in terms), [
        value for _, values in terms for value in values
    ]
