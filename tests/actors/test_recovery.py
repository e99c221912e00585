"""What an engine does with what an earlier process left open."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from hookledger.actors import Engine, Ports, supervisor
from hookledger.actors.recorder import History, read_history
from hookledger.journal.entry import Entry
from hookledger.journal.events import TaskStarted
from hookledger.journal.memory import MemoryStore
from hookledger.journal.sqlite import SqliteStore, partition_file
from hookledger.journal.store import Query, Reader
from hookledger.journal.verify import ReaderSource, verify
from hookledger.runtime.secret_inputs import Cipher
from tests.journal.builders import tamper

from .conftest import EPOCH_US, OpenEngine, TrioClock

NAP = """
id: nap
namespace: company.team
tasks:
  - id: sleep
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT1M
"""

RETRIED = """
id: retried
namespace: company.team
tasks:
  - id: fail
    type: io.kestra.plugin.core.execution.Fail
    retry: {type: constant, interval: PT1M, maxAttempts: 2}
"""

FIRST = """
id: first
namespace: company.team
tasks:
  - {id: out, type: io.kestra.plugin.core.debug.Return, format: x}
"""


def _after(flow: str, upstream: str) -> str:
    return f"""
id: {flow}
namespace: company.team
tasks:
  - {{id: out, type: io.kestra.plugin.core.debug.Return, format: x}}
triggers:
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    preconditions: {{flows: [{{namespace: company.team, flowId: {upstream}}}]}}
"""


def broken(entry: Entry, how: str) -> list[Entry]:
    """What damage leaves of an entry."""
    if how == "missing":
        return []
    payload = None if how == "erased" else (entry.payload or b"")[:-5]
    return [Entry(header=entry.header, raw=entry.raw, leaf=entry.leaf, payload=payload, salt=entry.salt)]


def damage(store: MemoryStore, execution: str, how: str) -> None:
    """Damage the first entry of an execution on the disk."""
    first, *rest = store._by_execution[execution]
    store._by_execution[execution] = [*broken(first, how), *rest]


async def test_the_block_begins_before_recovery_where_that_is_wanted(
    autojump_clock: MockClock, store: MemoryStore
) -> None:
    """
    With `recover_in_background` the block begins at once, and `ready` is set when open executions are taken up.
    """
    async with Engine.open(store, ports=Ports(clock=TrioClock())) as engine:
        assert engine.ready.is_set()
        await engine.register(NAP)
        execution = await engine.trigger("company.team", "nap")
    async with Engine.open(store, ports=Ports(clock=TrioClock()), recover_in_background=True) as engine:
        assert not engine.ready.is_set()
        await engine.ready.wait()
        state = await (await engine.attach(execution.id)).finished()
    assert state.status == "SUCCESS"


@pytest.mark.parametrize("away", [5, 300], ids=["short stop", "long stop"])
@pytest.mark.parametrize("source", [NAP, RETRIED], ids=["sleep", "retry"])
async def test_what_is_left_of_a_wait_is_waited_after_a_restart(
    autojump_clock: MockClock, open_engine: OpenEngine, source: str, away: int
) -> None:
    """
    A sleep or the delay of a retry ends when it would have ended without the restart, or at once if that has gone by.
    """
    begun = trio.current_time()
    async with open_engine(source) as engine:
        execution = await engine.trigger("company.team", source.split()[1])
        await trio.sleep(20)
    await trio.sleep(away)
    async with open_engine() as engine:
        again = await engine.attach(execution.id)
        assert not again.ended
        await again.finished()
        assert trio.current_time() - begun == pytest.approx(max(60, 20 + away), abs=0.5)
        events = [event for event in await engine.events(execution.id) if isinstance(event, TaskStarted)]
    due = EPOCH_US + int((begun + max(60, 20 + away)) * 1_000_000)
    assert [round((event.at - due) / 1_000_000) for event in events[1:]] == [0] * (source is RETRIED)


@pytest.mark.parametrize("how", ["truncated", "erased", "missing"])
async def test_a_damaged_execution_stops_nobody_else(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, how: str
) -> None:
    """
    An execution whose entries are damaged is named as quarantined; the engine opens and everything else goes on.
    """
    async with open_engine(NAP) as engine:
        bad, good = [await engine.trigger("company.team", "nap") for _ in range(2)]
        await trio.sleep(1)
    damage(store, bad.id, how)
    async with open_engine() as engine:
        assert list(engine.quarantined) == [bad.id]
        state = await (await engine.attach(good.id)).finished()
    assert state.status == "SUCCESS"


PAUSED = """
id: paused
namespace: company.team
tasks: [{id: wait, type: io.kestra.plugin.core.flow.Pause}]
"""


@pytest.mark.parametrize("which", ["open", "ended"])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET header = x'00' WHERE exec = '{}' AND n = 0",
        "UPDATE entry SET header = x'00' WHERE exec = '{}'",
        "UPDATE execution SET more = 'garbage' WHERE execution = '{}'",
        "UPDATE execution SET more = '[]', state = 'NOPE' WHERE execution = '{}'",
    ],
)
async def test_a_damaged_header_or_row_stops_nobody_else(tmp_path: Path, change: str, which: str) -> None:
    """
    A header or index row that cannot be read, of an open execution or of the newest entry, lets the engine open.
    """
    async with Engine.open(SqliteStore(tmp_path)) as engine:
        for source in (PAUSED, FIRST, _after("next", "first")):
            await engine.register(source)
        waiting = await engine.trigger("company.team", "paused")
        ended = await engine.trigger("company.team", "first")
        await ended.finished()
    tamper(partition_file(tmp_path), change.format(waiting.id if which == "open" else ended.id))
    async with Engine.open(SqliteStore(tmp_path)) as engine:
        assert set(engine.quarantined) <= {waiting.id}
        assert ("entry" in change and which == "open") == bool(engine.quarantined)
        assert (await (await engine.trigger("company.team", "first")).finished()).status == "SUCCESS"
        rows, _ = await engine.journal.ask(lambda reader: reader.rows(Query(limit=10)))
        assert (ended.id if which == "open" else waiting.id) in {row.execution for row in rows}


async def test_damage_to_a_sleeper_is_found_when_it_is_due(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    An execution that is damaged while it sleeps is quarantined when it is due, and its neighbours go on.
    """
    async with open_engine(NAP) as engine:
        bad, good = [await engine.trigger("company.team", "nap") for _ in range(2)]
        await trio.sleep(1)
        damage(store, bad.id, "truncated")
        assert (await good.finished()).status == "SUCCESS"
        await trio.sleep(1)
        assert list(engine.quarantined) == [bad.id]


async def test_a_start_reads_no_history_of_what_has_started_everything(
    autojump_clock: MockClock, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whether an end has started what it triggers is told by the index, also of ends before the trigger was there.
    """
    async with open_engine(FIRST, _after("next", "first"), _after("no", "unrelated")) as engine:
        for _ in range(5):
            await (await engine.trigger("company.team", "first")).finished()
        await trio.sleep(1)
        await engine.register(_after("late", "first"))
    read: list[str] = []

    def counted(reader: Reader, execution: str) -> History:
        read.append(execution)
        return read_history(reader, execution)

    monkeypatch.setattr(supervisor, "read_history", counted)
    async with open_engine() as engine:
        rows, _ = await engine.journal.ask(lambda reader: reader.rows(Query(limit=100)))
    assert sorted(row.flow for row in rows) == ["first"] * 5 + ["next"] * 5
    assert read == []


CHILD = """
id: child
namespace: company.team
inputs: [{id: word, type: SECRET}]
tasks: [{id: say, type: io.kestra.plugin.core.debug.Return, format: x}]
"""
PARENT = """
id: parent
namespace: company.team
tasks:
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: company.team
    flowId: child
    wait: %s
    transmitFailed: %s
    inputs: {word: psst}
  - {id: pause, type: io.kestra.plugin.core.flow.Pause}
"""


@pytest.mark.parametrize(("wait", "transmit"), [("true", "true"), ("true", "false"), ("false", "true")])
async def test_a_child_that_cannot_begin_any_more_fails_its_parent(
    autojump_clock: MockClock,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
    wait: str,
    transmit: str,
) -> None:
    """
    A crash between `ChildStarted` and the child, and then a server on which the child cannot start: the parent fails
    and says so, it is not quarantined, and the history is sound.
    """

    async def never(*_: object) -> bool:
        await trio.sleep_forever()
        raise AssertionError

    ports = Ports(clock=TrioClock(), cipher=Cipher("A" * 32))
    async with Engine.open(store, ports=ports) as engine:
        for source in (CHILD, PARENT % (wait, transmit)):
            await engine.register(source)
        with monkeypatch.context() as patch:
            patch.setattr(supervisor.Supervisor, "start_once", never)
            execution = await engine.trigger("company.team", "parent")
            await trio.sleep(1)
    async with Engine.open(store, ports=Ports(clock=TrioClock())) as engine:
        state = await (await engine.attach(execution.id)).finished()
        assert not engine.quarantined
    assert state.status == "FAILED"
    error = getattr(state.terminal, "error", None)
    assert error is not None
    assert "cannot begin any more" in error.message
    assert "HOOKLEDGER_ENCRYPTION_KEY" in error.message
    assert verify(ReaderSource(store)).ok
