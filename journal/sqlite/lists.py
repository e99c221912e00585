"""How a query for executions becomes SQL: one index gives the order, the rest is filtered along it.

Each statement names its index: which one answers is a choice made here, once, and not the planner's guess about a
table it has no statistics of. A page is found in the index alone; only its rows are then fetched.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from hookledger.journal.index import ENDED
from hookledger.journal.sqlite.columns import EXECUTION
from hookledger.journal.store import TEXT_ROWS_MAX, Query

Ask = Callable[..., list[tuple[Any, ...]]]
"""Runs a statement with its values."""

PROBE_ROWS_MAX: Final = 1000
"""How far the labels of a query are counted to find the rarest."""


class Term(NamedTuple):
    """A condition, or a whole statement, and the values of its parameters."""

    sql: str
    values: Sequence[Any] = ()


class Walk(NamedTuple):
    """One way along an index."""

    tables: str
    terms: list[Term]
    key: str
    number: str = "e.id"

    def select(self) -> Term:
        """The sort key and the number of each execution it finds."""
        where = " AND ".join(sql for sql, _ in self.terms) or "true"
        return Term(
            f"SELECT {self.key} AS k, {self.number} AS id FROM {self.tables} WHERE {where}",
            [value for _, values in self.terms for value in values],
        )


def page(query: Query, ask: Ask) -> list[tuple[Any, ...]]:
    """The stored rows of a page, in order."""
    found = _found(query, ask)
    order = "ASC" if query.ascending else "DESC"
    chosen = f"SELECT k, id FROM ({found.sql}) ORDER BY k {order}, id {order} LIMIT ? OFFSET ?"
    return ask(
        f"SELECT {EXECUTION.names} FROM ({chosen}) AS p CROSS JOIN execution AS x ON x.id = p.id "
        f"ORDER BY p.k {order}, p.id {order}",
        *found.values,
        query.limit,
        query.offset,
    )


def total(query: Query, ask: Ask, shown: int) -> int:
    """How many match, counted as far as the query says; a page that is not full ends the list, and says it."""
    if shown < query.limit and (shown or not query.offset):
        count = query.offset + shown
        return count if query.total_max is None else min(count, query.total_max + 1)
    found = _found(query, ask)
    limit = [] if query.total_max is None else [query.total_max + 1]
    source = f"(SELECT 1 FROM ({found.sql}) LIMIT ?)" if limit else f"({found.sql})"
    counted: int = ask(f"SELECT count(*) FROM {source}", *found.values, *limit)[0][0]
    return counted


def any_of(column: str, values: Sequence[Any]) -> Term:
    """The column has one of the values."""
    return Term(f"{column} IN ({', '.join('?' * len(values))})", values)


def _found(query: Query, ask: Ask) -> Term:
    walks = next(make for applies, make in _WALKS if applies(query))(query, ask)
    selects = [walk.select() for walk in walks]
    return Term(
        " UNION ALL ".join(select.sql for select in selects),
        [value for select in selects for value in select.values],
    )


def _by_ids(query: Query, ask: Ask) -> list[Walk]:
    named = any_of("e.execution", tuple(query.ids or ()))
    labels = [_labelled(label, "e") for label in query.labels.items()]
    return [Walk("execution AS e", [named, *labels, *_terms(query)], _KEYS[query.sort])]


def _by_labels(query: Query, ask: Ask) -> list[Walk]:
    """Along the rarest label; the others are looked up, executions only where something else is asked."""
    first, *others = sorted(query.labels.items(), key=lambda label: _probe(label, ask))
    terms = [Term("l.key = ? AND l.value = ?", first)]
    terms += [_labelled(label, "l") for label in others]
    rest = _terms(query)
    if query.sort == "started" and not rest:
        return [Walk("execution_label AS l", terms, "l.started", "l.id")]
    key = "l.started" if query.sort == "started" else _KEYS[query.sort]
    return [
        Walk("execution_label AS l CROSS JOIN execution AS e ON e.id = l.id", [*terms, *rest], key, "l.id")
    ]


def _labelled(label: tuple[str, str], table: str) -> Term:
    """The execution that `table` has come to has the label as well."""
    return Term(
        "EXISTS (SELECT 1 FROM execution_label AS o WHERE o.key = ? AND o.value = ? "
        f"AND o.started = {table}.started AND o.id = {table}.id)",
        label,
    )


def _by_states(query: Query, ask: Ask) -> list[Walk]:
    """One walk per state in which executions end, and one for all in which they are open, merged by time."""
    states = dict.fromkeys(query.states)
    walks = [
        Walk(
            "execution AS e INDEXED BY execution_by_state",
            [Term("e.state = ? AND e.ended > 0", [state]), *_terms(query)],
            "e.started",
        )
        for state in states
        if state in ENDED
    ]
    if not ENDED.issuperset(states):
        walks += _along("execution_open")(query, ask, Term("e.ended = 0"))
    return walks


def _along(index: str) -> Callable[..., list[Walk]]:
    def walks(query: Query, ask: Ask, *more: Term) -> list[Walk]:
        terms = [*more, *_terms(query)]
        return [Walk(f"execution AS e INDEXED BY {index}", terms, _KEYS[query.sort])]

    return walks


_WALKS: Final[tuple[tuple[Callable[[Query], bool], Callable[[Query, Ask], list[Walk]]], ...]] = (
    (lambda query: query.ids is not None, _by_ids),
    (lambda query: bool(query.labels), _by_labels),
    (lambda query: query.sort != "started", _along("execution_by_end")),
    (lambda query: bool(query.open or query.waits), _along("execution_open")),
    (lambda query: bool(query.states), _by_states),
    (lambda query: None not in (query.namespace, query.flow), _along("execution_by_flow")),
    (lambda query: True, _along("execution_by_start")),
)
_KEYS: Final = {"started": "e.started", "ended": "e.ended", "duration": "e.ended - e.started"}


def _terms(query: Query) -> list[Term]:
    """What is asked of each execution."""
    equal = (("e.namespace", query.namespace), ("e.flow", query.flow), ("e.trigger", query.trigger))
    terms = [Term(f"{name} = ?", [value]) for name, value in equal if value is not None]
    if query.namespace_prefix is not None:
        terms.append(_below(query.namespace_prefix))
    if query.states:
        terms.append(any_of("e.state", query.states))
    if query.waits:
        terms.append(any_of("e.waits", query.waits))
    if query.open or query.waits:
        terms.append(Term("e.ended = 0"))
    if query.open is False or query.sort != "started":
        terms.append(Term("e.ended > 0"))
    if query.since:
        terms.append(Term("e.started >= ?", [query.since]))
    if query.until:
        terms.append(Term("e.started < ?", [query.until]))
    if query.text:
        terms.append(_containing(query.text))
    return terms


def _below(prefix: str) -> Term:
    """The namespace itself and what is below it; `/` comes right behind `.`."""
    return Term(
        "(e.namespace = ? OR (e.namespace >= ? AND e.namespace < ?))", [prefix, f"{prefix}.", f"{prefix}/"]
    )


def _containing(text: str) -> Term:
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    contains = " OR ".join(rf"e.{name} LIKE ? ESCAPE '\'" for name in ("execution", "flow", "namespace"))
    return Term(f"({contains}) AND e.started >= {_NEWEST}", [*[f"%{escaped}%"] * 3, TEXT_ROWS_MAX])


_NEWEST: Final = """
coalesce((SELECT started FROM execution INDEXED BY execution_by_start ORDER BY started DESC LIMIT 1 OFFSET ?), 0)
"""


def _probe(label: tuple[str, str], ask: Ask) -> int:
    sql = "SELECT count(*) FROM (SELECT 1 FROM execution_label WHERE key = ? AND value = ? LIMIT ?)"
    count: int = ask(sql, *label, PROBE_ROWS_MAX)[0][0]
    return count
