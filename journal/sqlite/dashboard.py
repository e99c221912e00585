"""The dashboard's questions and those about deliveries, each answered from an index or a rollup."""

from collections.abc import Sequence
from typing import Any, Final

from hookledger.journal.deliveries import DeliveryQuery
from hookledger.journal.figures import (
    LATENCY_SAMPLE_MAX,
    MINUTE,
    RECENT_MAX,
    FlowKey,
    Latencies,
    MinuteCount,
    Run,
    check_window,
    latencies_of,
)
from hookledger.journal.index import Waits
from hookledger.journal.sqlite.columns import DELIVERY
from hookledger.journal.sqlite.lists import Ask, Term, any_of


def recent(ask: Ask, flows: Sequence[tuple[str, str]], limit: int) -> dict[FlowKey, list[Run]]:
    """The newest runs of each flow: one statement, one short walk along an index per flow."""
    found: dict[FlowKey, list[Run]] = {FlowKey(*flow): [] for flow in flows}
    if not found:
        return found
    wanted = ", ".join(["(?, ?)"] * len(found))
    names = [name for key in found for name in key]
    for namespace, flow, execution, state, started, ended in ask(
        _RECENT.format(wanted=wanted), *names, min(limit, RECENT_MAX)
    ):
        run = Run(execution=execution, state=state, started=started, ended=ended)
        found[FlowKey(namespace, flow)].append(run)
    return found


def waiting(ask: Ask) -> dict[Waits, int]:
    """Open executions by reason."""
    return dict(
        ask("SELECT waits, count(*) FROM execution INDEXED BY execution_open WHERE ended = 0 GROUP BY waits")
    )


def minutes(ask: Ask, since: int, until: int, namespace: str | None, flow: str | None) -> list[MinuteCount]:
    """One look-up per minute of the window."""
    check_window(since, until)
    if flow is not None and namespace is None:
        raise ValueError("a flow needs its namespace")
    terms = [Term("namespace = ?", [namespace or ""])]
    if namespace is None or flow is not None:
        terms.append(Term("flow = ?", [flow or ""]))
    sql = _MINUTES.format(where=" AND ".join(term.sql for term in terms))
    values = [value for term in terms for value in term.values]
    found = ask(sql, since // MINUTE, until // MINUTE, *values)
    return [MinuteCount(minute=minute, state=state, count=count) for minute, state, count in found]


def latencies(ask: Ask, since: int, until: int, namespace: str | None) -> Latencies:
    """The newest that ended in the window, from the index alone."""
    check_window(since, until)
    term = Term("true") if namespace is None else Term("namespace = ?", [namespace])
    found: list[Any] = ask(_ENDED.format(where=term.sql), since, until, *term.values, LATENCY_SAMPLE_MAX + 1)
    return latencies_of(found[:LATENCY_SAMPLE_MAX], complete=len(found) <= LATENCY_SAMPLE_MAX)


def deliveries(ask: Ask, query: DeliveryQuery) -> list[tuple[Any, ...]]:
    """The stored rows of a page, newest first."""
    found = _delivered(query)
    return ask(
        f"SELECT {DELIVERY.names} FROM (SELECT at AS k, delivery AS id FROM delivery AS d {found.sql} "
        "ORDER BY at DESC, delivery DESC LIMIT ? OFFSET ?) AS p "
        "CROSS JOIN delivery AS x ON x.delivery = p.id ORDER BY k DESC, id DESC",
        *found.values,
        query.limit,
        query.offset,
    )


def deliveries_total(ask: Ask, query: DeliveryQuery) -> int:
    """How many match."""
    found = _delivered(query)
    count: int = ask(f"SELECT count(*) FROM delivery AS d {found.sql}", *found.values)[0][0]
    return count


def triggers(ask: Ask, namespace: str, flow: str) -> list[str]:
    """The triggers of a flow that ever had a delivery: one step along the index each."""
    return [trigger for (trigger,) in ask(_TRIGGERS, namespace, flow, namespace, flow)]


def marked(
    ask: Ask, table: str, column: str, values: Sequence[str], before: int | None, limit: int
) -> list[int]:
    """The newest positions at which one of the values stands, newest first."""
    end = [] if before is None else [before]
    where = f"{column} = ? AND pos < ?" if end else f"{column} = ?"
    walks = " UNION ".join([f"SELECT pos FROM {table} WHERE {where}"] * len(values))
    each = [given for value in values for given in (value, *end)]
    return [pos for (pos,) in ask(f"{walks} ORDER BY pos DESC LIMIT ?", *each, limit)]


def _delivered(query: DeliveryQuery) -> Term:
    equal = (
        ("namespace", query.namespace),
        ("flow", query.flow),
        ("trigger", query.trigger),
        ("delivery", query.delivery),
    )
    terms = [Term(f"d.{name} = ?", [value]) for name, value in equal if value is not None]
    if query.execution is not None:
        terms.append(Term(f"d.delivery IN ({_OF_EXECUTION})", [query.execution] * 2))
    if query.kinds:
        terms.append(any_of("d.kind", query.kinds))
    if query.since:
        terms.append(Term("d.at >= ?", [query.since]))
    where = " AND ".join(term.sql for term in terms) or "true"
    return Term(f"WHERE {where}", [value for term in terms for value in term.values])


# What began it stands in its row, which spares an index over all of them.
_OF_EXECUTION: Final = """
SELECT delivery FROM delivery INDEXED BY delivery_repeated WHERE execution = ? AND kind = 'DUPLICATE'
UNION ALL SELECT more ->> '$.delivery' FROM execution WHERE execution = ?
"""
_RECENT: Final = """
WITH wanted(namespace, flow) AS (VALUES {wanted})
SELECT e.namespace, e.flow, e.execution, e.state, e.started, e.ended
FROM wanted CROSS JOIN execution AS e ON e.id IN (
  SELECT id FROM execution INDEXED BY execution_by_flow
  WHERE namespace = wanted.namespace AND flow = wanted.flow ORDER BY started DESC, id DESC LIMIT ?)
ORDER BY e.started DESC, e.id DESC
"""
_MINUTES: Final = """
WITH RECURSIVE window(minute) AS (SELECT ?1 UNION ALL SELECT minute + 1 FROM window WHERE minute < ?2)
SELECT m.minute, m.state, sum(m.count) FROM window CROSS JOIN execution_minute AS m ON m.minute = window.minute
WHERE {where} GROUP BY m.minute, m.state ORDER BY m.minute, m.state
"""
_ENDED: Final = """
SELECT namespace, flow, ended - started FROM execution INDEXED BY execution_by_end
WHERE ended > 0 AND ended >= ? AND ended < ? AND {where} ORDER BY ended DESC, id DESC LIMIT ?
"""
_TRIGGERS: Final = """
WITH RECURSIVE named(trigger) AS (
  SELECT min(trigger) FROM delivery WHERE namespace = ? AND flow = ?
  UNION ALL
  SELECT (SELECT min(trigger) FROM delivery WHERE namespace = ? AND flow = ? AND trigger > named.trigger)
  FROM named WHERE named.trigger IS NOT NULL)
SELECT trigger FROM named WHERE trigger IS NOT NULL
"""
