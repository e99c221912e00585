"""Lists and figures: both stores give the same answers, and SQLite gives them from indexes."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hookledger.journal.deliveries import DeliveryQuery
from hookledger.journal.entry import Chain
from hookledger.journal.events import (
    AccessRecorded,
    DeliveryRejected,
    DuplicateDelivery,
    Event,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionQueued,
    Failure,
    LabelsSet,
    OperatorNote,
    TaskReturned,
    TaskStarted,
    TimerSet,
)
from hookledger.journal.figures import (
    LATENCY_SAMPLE_MAX,
    MINUTE,
    WINDOW_MINUTES_MAX,
    FlowKey,
    Latencies,
    Latency,
    latencies_of,
    latency_of,
)
from hookledger.journal.index import Projection
from hookledger.journal.journal import Journal, open_journal
from hookledger.journal.memory import MemoryStore
from hookledger.journal.sqlite import SqliteReader, SqliteStore, lists, partition_file
from hookledger.journal.store import Query, Reader, Sort
from hookledger.journal.verify import SqliteSource, verify

from .builders import (
    START,
    CountingEntropy,
    FixedClock,
    append,
    end,
    made,
    numbered,
    received,
    register,
    task,
)
from .test_upgrade import PROJECTIONS

EXECUTIONS = 60
NAMESPACES = ("company", "company.team", "company.team.ops", "companyx", "other")
FLOWS = ("greet", "Nightly_sync", "pay%ment")
TRIGGERS = ("webhook", "daily")

_FAILURE = Failure(message="no such host")
_ENDINGS: tuple[tuple[Event, ...], ...] = (
    (*task(), end()),
    (*task(), *task("b", next="fail"), made(ExecutionFailed, error=_FAILURE)),
    (made(ExecutionCancelled, reason="one too many"),),
    (made(TaskStarted),),
    (made(TimerSet, path="nap", due=START * 2),),
    (made(ExecutionPaused, path="ask"),),
    (made(ExecutionQueued, limit=1),),
    (made(ExecutionPaused, path="make", reason="in_doubt"),),
    (made(TaskStarted), made(TaskReturned, next="retry")),
    (),
)


class Two:
    """The same journal in both stores."""

    def __init__(self, readers: list[Reader]) -> None:
        self.readers = readers

    def same(self, question: Any) -> Any:
        """The answer, which both give."""
        memory, sqlite = map(question, self.readers)
        assert sqlite == memory
        return sqlite


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    memory, sqlite = MemoryStore(), SqliteStore(tmp_path)
    for store in (memory, sqlite):
        clock = FixedClock()
        async with open_journal(store, clock=clock, entropy=CountingEntropy()) as journal:
            await _write(journal, clock, random.Random(7))
    reader = sqlite.reader()
    yield Two([memory, reader])
    reader.close()
    sqlite.close()


async def _write(journal: Journal, clock: FixedClock, chance: random.Random) -> None:
    """Executions of all kinds over some minutes; a part of each commit goes on later."""
    await register(journal).durable()
    for number in range(EXECUTIONS):
        clock.time += chance.choice((0, 1, 7_000_000))
        execution = f"0VAtR4000004q00000000{number:02}"
        labels = {"system.from": chance.choice(("webhook", "api")), "team": chance.choice(("red", "blue"))}
        first = received(
            namespace=chance.choice(NAMESPACES),
            flow=chance.choice(FLOWS),
            trigger=chance.choice(TRIGGERS),
            delivery=f"d{number:02}",
            labels=labels,
        )
        chain, index = Chain(execution=execution), Projection(execution)
        rest = (
            *chance.choice(_ENDINGS),
            *((made(LabelsSet, labels={"team": "green"}),) * chance.randrange(2)),
        )
        events = tuple(_at(event, clock.time + n) for n, event in enumerate(numbered(first, *rest)))
        cut = chance.randint(1, len(events))
        append(journal, execution, events[:cut], chain=chain, index=index)
        if chance.random() < 0.5:
            await append_system(journal, number).durable()
        if events[cut:]:
            append(journal, execution, events[cut:], chain=chain, index=index, actor="user:ann")
        if number % 4 == 0:
            repeated = DuplicateDelivery(
                sequence=len(events),
                at=clock.time + 20,
                delivery=f"r{number}",
                body_same=True,
                namespace=first.namespace,
                flow=first.flow,
                trigger=first.trigger,
            )
            append(journal, execution, (repeated,), chain=chain, index=index)


def append_system(journal: Journal, number: int) -> Any:
    """A refusal, or somebody's access."""
    if number % 3:
        return journal.append_system(
            lambda sequence, at: DeliveryRejected(
                sequence=sequence,
                at=at,
                delivery=f"s{number}",
                status=401,
                reason="x",
                namespace="other",
                flow="greet",
            )
        )
    return journal.append_system(
        lambda sequence, at: AccessRecorded(
            sequence=sequence, at=at, by="user:bob", action="read", resource="x"
        ),
        actor="user:bob",
    )


def _at(event: Any, at: int) -> Any:
    return msgspec.structs.replace(event, at=at)


def _query(chance: random.Random) -> Query:
    """Any of the questions a list can ask, most of them with several conditions."""
    options: dict[str, Any] = {
        "namespace": chance.choice((*NAMESPACES, "nowhere")),
        "namespace_prefix": chance.choice(("company", "company.team", "comp")),
        "flow": chance.choice(FLOWS),
        "trigger": chance.choice(TRIGGERS),
        "states": tuple(chance.sample(("SUCCESS", "FAILED", "CANCELLED", "RUNNING", "PAUSED", "CREATED"), 3)),
        "waits": tuple(chance.sample(("SLEEPING", "RETRYING", "PAUSED", "IN_DOUBT", "QUEUED"), 2)),
        "open": chance.choice((True, False)),
        "since": START + chance.randrange(300_000_000),
        "until": START + chance.randrange(300_000_000),
        "labels": dict(chance.sample([("team", "red"), ("team", "green"), ("system.from", "api")], 2)),
        "text": chance.choice(("04Q0", "GREET", "y_s", "%", "team.o", "\\")),
        "ids": tuple(f"0VAtR4000004q00000000{number:02}" for number in chance.sample(range(EXECUTIONS), 20)),
    }
    chosen = {
        name: options[name] for name in chance.sample(sorted(options), chance.choice((0, 1, 1, 2, 2, 3)))
    }
    return Query(
        **chosen,
        sort=chance.choice(("started", "started", "ended", "duration")),
        ascending=chance.choice((True, False)),
        limit=chance.choice((3, 25)),
        offset=chance.choice((0, 0, 4)),
        total_max=chance.choice((None, None, 5)),
    )


async def test_both_stores_list_the_same(two: Two) -> None:
    """
    Whatever is asked of the list of executions, both stores give the same page in the same order, and the same total.
    """
    chance, totals = random.Random(11), set[int]()
    for _ in range(1500):
        query = _query(chance)
        totals.add(two.same(lambda reader, query=query: reader.rows(query))[1])
    assert len(totals) > 20  # the questions were not all of one kind


async def test_a_prefix_stands_for_a_namespace_and_what_is_below(two: Two) -> None:
    """
    `company` matches `company` and `company.team`, and not `companyx`.
    """
    rows, _ = two.same(lambda reader: reader.rows(Query(namespace_prefix="company", limit=EXECUTIONS)))
    assert {row.namespace for row in rows} == {"company", "company.team", "company.team.ops"}


async def test_text_is_taken_as_it_is(two: Two) -> None:
    """
    Text is part of an id, a flow or a namespace without regard to case; `%` and `_` stand for themselves.
    """
    for text, flow in (("NIGHTLY_S", "Nightly_sync"), ("y%m", "pay%ment")):
        rows, _ = two.same(lambda reader, text=text: reader.rows(Query(text=text, limit=EXECUTIONS)))
        assert {row.flow for row in rows} == {flow}
    assert two.same(lambda reader: reader.rows(Query(text="n_g"))) == ([], 0)


async def test_labels_follow_the_newest_event(two: Two) -> None:
    """
    A label that was replaced does not find its execution any more.
    """
    rows, total = two.same(lambda reader: reader.rows(Query(labels={"team": "green"}, limit=EXECUTIONS)))
    assert total > 10
    assert all(row.labels["team"] == "green" for row in rows)


async def test_orders_by_end_and_duration_have_ended_executions_only(two: Two) -> None:
    """
    What is open has no end: it is in no list by end or duration, and not in its total.
    """
    sorts: tuple[Sort, ...] = ("ended", "duration")
    for sort in sorts:
        query = Query(sort=sort, limit=EXECUTIONS)
        rows, total = two.same(lambda reader, query=query: reader.rows(query))
        assert total == len(rows) == sum(not row.open for row in rows)
        values = [getattr(row, sort) for row in rows]
        assert values == sorted(values, reverse=True)


async def test_a_total_is_counted_as_far_as_asked(two: Two) -> None:
    """
    `total_max` bounds the counting: one more than it says "and more".
    """
    for total_max, total in ((10, 11), (EXECUTIONS, EXECUTIONS), (None, EXECUTIONS)):
        assert two.same(lambda reader, most=total_max: reader.rows(Query(total_max=most)))[1] == total


async def test_the_newest_runs_of_each_flow(two: Two) -> None:
    """
    Spark lines: the newest runs of every flow of a page, newest first; a flow that never ran has none.
    """
    flows = [(namespace, flow) for namespace in (*NAMESPACES, "nowhere") for flow in FLOWS]
    runs = two.same(lambda reader: reader.recent(flows, 3))
    assert list(runs) == flows
    assert runs[FlowKey("nowhere", "greet")] == []
    assert max(map(len, runs.values())) == 3
    for found in runs.values():
        assert found == sorted(found, key=lambda run: run.started, reverse=True)
    assert two.same(lambda reader: reader.recent([])) == {}


async def test_open_executions_by_reason(two: Two) -> None:
    """
    Every open execution has a named reason to wait, and the counts are those of the list.
    """
    waiting = two.same(lambda reader: reader.waiting())
    assert {"SLEEPING", "PAUSED", "IN_DOUBT", "RETRYING", "RUNNING", "QUEUED"} == set(waiting)
    for reason, count in waiting.items():
        assert two.same(lambda reader, reason=reason: reader.rows(Query(waits=(reason,))))[1] == count


async def test_minutes_count_what_began_and_ended(two: Two) -> None:
    """
    In all, the minutes count every beginning once; those of a namespace and of a flow are parts of that.
    """
    since, until = START, START + 10 * MINUTE
    together = two.same(lambda reader: reader.minutes(since, until))
    assert sum(one.count for one in together if one.state == "CREATED") == EXECUTIONS
    assert [(one.minute, one.state) for one in together] == sorted(
        {(one.minute, one.state) for one in together}
    )
    parts = [
        two.same(lambda reader, n=namespace, f=flow: reader.minutes(since, until, namespace=n, flow=f))
        for namespace in NAMESPACES
        for flow in FLOWS
    ]
    assert sum(one.count for part in parts for one in part) == sum(one.count for one in together)
    of_one = two.same(lambda reader: reader.minutes(since, until, namespace="other"))
    assert 0 < sum(one.count for one in of_one) < sum(one.count for one in together)
    assert two.same(lambda reader: reader.minutes(since - 10 * MINUTE, since - MINUTE)) == []


async def test_latencies_are_of_what_ended_in_the_window(two: Two) -> None:
    """
    Percentiles are taken of executions that ended in the window, in all and by flow.
    """
    rows, total = two.same(lambda reader: reader.rows(Query(open=False, limit=EXECUTIONS)))
    found = two.same(lambda reader: reader.latencies(START - MINUTE, START))
    assert found == Latencies(total=Latency(), flows={}, complete=True)
    found = two.same(lambda reader: reader.latencies(START, START + 10 * MINUTE))
    assert (found.total.count, found.complete) == (total, True)
    assert found.total == latency_of(row.duration for row in rows)
    assert sum(latency.count for latency in found.flows.values()) == total
    part = two.same(lambda reader: reader.latencies(START, START + MINUTE, namespace="other"))
    assert set(part.flows) <= {FlowKey("other", flow) for flow in FLOWS}


def test_percentiles_are_by_nearest_rank() -> None:
    """
    p50 of 1..100 is 50, p99 is 99; of a single one it is that one.
    """
    assert latency_of(range(1, 101)) == Latency(count=100, p50=50, p95=95, p99=99)
    assert latency_of([7]) == Latency(count=1, p50=7, p95=7, p99=7)
    assert latencies_of([("n", "f", 3)], complete=False).flows == {FlowKey("n", "f"): latency_of([3])}
    assert LATENCY_SAMPLE_MAX >= 1000


async def test_a_window_is_bounded(two: Two) -> None:
    """
    A window that ends before it begins, one without bounds and a flow without its namespace are refused.
    """
    for reader in two.readers:
        for ask in (reader.minutes, reader.latencies):
            with pytest.raises(ValueError, match=r"ends .* before it begins"):
                ask(START, START - 1)
            with pytest.raises(ValueError, match="at most"):
                ask(0, (WINDOW_MINUTES_MAX + 1) * MINUTE)
        with pytest.raises(ValueError, match="needs its namespace"):
            reader.minutes(START, START, flow="greet")


async def test_size_counts_everything(two: Two) -> None:
    """
    Entries, events and executions are counted in both; only a file has bytes.
    """
    memory, sqlite = (reader.size() for reader in two.readers)
    assert (sqlite.entries, sqlite.events, sqlite.executions) == (memory.entries, memory.events, EXECUTIONS)
    assert sqlite.events == sum(len(entry.header.types) for entry in two.readers[0].scan())
    assert sqlite.bytes > sqlite.wal_bytes > 0 == memory.bytes


async def test_system_entries_by_type(two: Two) -> None:
    """
    Newest first, of the types asked for, page by page: `before` is the last position of the page before.
    """
    wanted = ("AccessRecorded", "FlowRegistered")
    everything = two.same(lambda reader: reader.system(wanted, limit=1000))
    assert {entry.header.types for entry in everything} == {("AccessRecorded",), ("FlowRegistered",)}
    paged = two.same(lambda reader: reader.system(wanted, limit=2))
    while page := two.same(
        lambda reader, end=paged[-1].header.pos: reader.system(wanted, limit=2, before=end)
    ):
        paged += page
    assert paged == everything
    all_types = two.same(lambda reader: reader.system(limit=1000))
    assert [entry.header.pos for entry in all_types] == sorted(
        (e.header.pos for e in all_types), reverse=True
    )
    assert two.same(lambda reader: reader.system(before=all_types[3].header.pos, limit=1)) == [all_types[4]]
    assert two.same(lambda reader: reader.system(("NoSuchEvent",))) == []


async def test_what_somebody_did(two: Two) -> None:
    """
    A person's entries, by name or as headers carry it; nobody else's, and none of the engine's.
    """
    by_name = two.same(lambda reader: reader.acts("user:ann", limit=1000))
    assert by_name
    header_form = by_name[0].header.actor
    assert two.same(lambda reader: reader.acts(header_form, limit=1000)) == by_name
    assert {entry.header.actor for entry in by_name} == {header_form} != {"user:ann"}
    assert two.same(lambda reader: reader.acts("user:ann", before=by_name[0].header.pos, limit=1)) == [
        by_name[1]
    ]
    assert two.same(lambda reader: reader.acts("engine:test")) == []


async def test_deliveries_are_chosen_by_every_field(two: Two) -> None:
    """
    By place, kind, time, id and execution; those of an execution are what began it and what repeated it.
    """
    for query in (
        DeliveryQuery(limit=1000),
        DeliveryQuery(namespace="other", limit=3, offset=2),
        DeliveryQuery(namespace="other", flow="greet", trigger="webhook"),
        DeliveryQuery(kinds=("REJECTED", "DUPLICATE"), since=START + 30_000_000),
        DeliveryQuery(delivery="d07"),
    ):
        assert two.same(lambda reader, query=query: reader.deliveries(query))[1]
    began = DeliveryQuery(execution="0VAtR4000004q0000000008")
    assert [row.delivery for row in two.same(lambda reader: reader.deliveries(began))[0]] == ["r8", "d08"]
    other = DeliveryQuery(execution="0VAtR4000004q0000000008", kinds=("REJECTED",))
    assert two.same(lambda reader: reader.deliveries(other)) == ([], 0)


async def test_the_last_deliveries_of_each_trigger(two: Two) -> None:
    """
    By trigger, newest first; a delivery that named no trigger stands under the empty name.
    """
    found = two.same(lambda reader: reader.last_deliveries("other", "greet", 2))
    assert list(found) == ["", "daily", "webhook"]
    assert all(
        len(rows) <= 2 and {row.trigger for row in rows} == {trigger} for trigger, rows in found.items()
    )
    assert two.same(lambda reader: reader.last_deliveries("nowhere", "greet")) == {}


async def test_what_was_written_verifies(two: Two, tmp_path: Path) -> None:
    """
    The projections of all kinds of executions equal the rebuilt ones.
    """
    source = SqliteSource(partition_file(tmp_path))
    try:
        broken = {violation.rule for violation in verify(source).violations}
        assert not broken.intersection(rule for rule, _ in PROJECTIONS)
    finally:
        source.close()


async def test_lists_are_answered_from_indexes(two: Two, tmp_path: Path) -> None:
    """
    No question reads the table to find its page: it walks a named index, and in the order of time it sorts nothing.
    """
    connection: Any = SqliteReader(partition_file(tmp_path))._connection
    plans: list[str] = []

    def explained(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        plans.append("\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)))
        return list(connection.execute(sql, values))

    chance = random.Random(3)
    for _ in range(300):
        query = _query(chance)
        plans.clear()
        lists.page(query, explained)
        page = plans[-1]
        assert "SCAN e\n" not in page
        assert "SCAN x" not in page
        if query.sort == "started" and query.ids is None and not query.text:
            inner = page.rpartition("SEARCH x")[0]
            assert "USE TEMP B-TREE" not in inner, (query, page)
    connection.close()


def test_a_note_changes_only_the_number_of_events() -> None:
    """
    An observation moves nothing but the count.
    """
    projection = Projection("x")
    before = projection.follow((received(), made(TaskStarted, 1)))
    after = projection.follow((OperatorNote(sequence=2, at=START, by="user:ann", text="hm"),))
    assert after == msgspec.structs.replace(before, events=3)
