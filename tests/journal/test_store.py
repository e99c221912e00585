"""One conformance suite for every store: nothing above the seam knows which it has."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hookledger.journal.entry import Chain, Entry, seal
from hookledger.journal.index import ExecutionRow
from hookledger.journal.memory import MemoryStore
from hookledger.journal.sqlite import SqliteStore
from hookledger.journal.store import Batch, LogLine, Query, Store, Tip

from .builders import ORIGIN, START, made, received

Reopen = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Opens the partition, again and again; what was open before is closed first."""
    opened: list[Store] = [MemoryStore()] if request.param == "memory" else []

    def again() -> Store:
        if request.param == "sqlite":
            for store in opened:
                store.close()
            opened[:] = [SqliteStore(tmp_path)]
        return opened[0]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(reopen: Reopen) -> Store:
    fresh = reopen()
    fresh.create(ORIGIN)
    return fresh


def entry(chain: Chain, position: int, *, epoch: int = 1) -> Entry:
    event = received() if chain.n == 0 else made(type(received()), chain.seq)
    return seal(
        chain,
        (event,),
        log="l",
        epoch=epoch,
        position=position,
        timestamp=START + position,
        actor="a:b",
        salt=b"s" * 16,
    )


def told(*executions: ExecutionRow) -> Batch:
    """A batch in which these executions begin, as they stand after it."""
    return Batch(
        rows={row.execution: row for row in executions},
        begun={row.execution: int(row.execution[1:]) for row in executions},
    )


def row(number: int, **fields: object) -> ExecutionRow:
    known = {
        "namespace": "n",
        "flow": "f",
        "state": "SUCCESS",
        "started": START + number,
        "ended": START + 99,
    }
    return msgspec.convert({"execution": f"x{number}", **known, **fields}, ExecutionRow)


async def test_an_empty_partition_has_a_tip_once_created(reopen: Reopen) -> None:
    """
    Before `create` there is no tip; after it the tip is position 0 with the given origin.
    """
    store = reopen()
    assert await store.ask(lambda reader: reader.tip()) is None
    store.create(ORIGIN)
    assert await store.ask(lambda reader: reader.tip()) == Tip(
        origin=ORIGIN, position=0, timestamp=0, epoch=0
    )


async def test_entries_come_back_in_order(store: Store, reopen: Reopen) -> None:
    """
    By execution and by position, byte for byte, also after a restart.
    """
    one, two = Chain(execution="one"), Chain(execution="two")
    written = [entry(one, 0), entry(two, 1), entry(one, 2, epoch=2)]
    await store.commit(Batch(entries=written[:2]))
    await store.commit(Batch(entries=written[2:]))
    for current in (store, reopen()):
        assert await current.ask(lambda reader: reader.entries("one")) == [written[0], written[2]]
        assert await current.ask(lambda reader: reader.entries("three")) == []
        assert await current.ask(lambda reader: list(reader.scan())) == written
        assert await current.ask(lambda reader: list(reader.scan(1, 1))) == [written[1]]
        tip = await current.ask(lambda reader: reader.tip())
        assert tip == Tip(origin=ORIGIN, position=3, timestamp=START + 2, epoch=2)


async def test_rows_are_paged_newest_first(store: Store) -> None:
    """
    A page holds the newest rows that match, with the number of all that do.
    """
    running = row(9, namespace="other", flow="g", state="RUNNING", waits="RUNNING", ended=0)
    await store.commit(told(*(row(n) for n in range(5)), running))

    async def ids(**query: object) -> tuple[list[str], int]:
        found, total = await store.ask(lambda reader: reader.rows(msgspec.convert(query, Query)))
        return [one.execution for one in found], total

    assert await ids(limit=2, offset=1) == (["x4", "x3"], 6)
    assert await ids(namespace="n", flow="f", limit=1) == (["x4"], 5)
    assert await ids(states=["RUNNING", "FAILED"]) == (["x9"], 1)
    assert await ids(open=True) == (["x9"], 1)
    assert await ids(open=False, since=START + 3) == (["x4", "x3"], 2)


async def test_a_row_is_replaced(store: Store, reopen: Reopen) -> None:
    """
    The index keeps the newest row of an execution.
    """
    await store.commit(told(row(1, state="RUNNING", ended=0)))
    await store.commit(Batch(rows={"x1": row(1)}))
    assert await reopen().ask(lambda reader: reader.row("x1")) == row(1)
    assert await reopen().ask(lambda reader: reader.row("x2")) is None


async def test_logs_keep_their_order(store: Store, reopen: Reopen) -> None:
    """
    Log lines come back in the order they were written, of one execution only.
    """
    lines = [
        LogLine(execution=execution, path="p", attempt=1, number=n, at=START, level="INFO", message=f"m{n}")
        for n, execution in enumerate(["x", "y", "x"])
    ]
    await store.commit(Batch(logs=lines))
    assert await reopen().ask(lambda reader: reader.logs("x")) == [lines[0], lines[2]]


async def test_a_reader_is_its_callers_to_close(store: Store) -> None:
    """
    A synchronous reader sees what is durable and can be closed alone.
    """
    await store.commit(Batch(entries=[entry(Chain(execution="one"), 0)]))
    reader = store.reader()
    assert [found.header.pos for found in reader.scan()] == [0]
    reader.close()
    assert await store.ask(lambda again: len(list(again.scan()))) == 1
