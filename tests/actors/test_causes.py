"""What starts executions by itself: it comes to an end, and what cannot start is told."""

import pytest
import trio
from trio.testing import MockClock

from hookledger.journal.deliveries import DeliveryQuery
from hookledger.journal.memory import MemoryStore
from hookledger.journal.store import Query
from hookledger.journal.verify import ReaderSource, verify

from .conftest import EPOCH_US, OpenEngine

SAY = """
id: {id}
namespace: company.team
tasks: [{{id: say, type: io.kestra.plugin.core.debug.Return, format: x}}]
"""
AFTER = """
triggers:
  - id: t
    type: io.kestra.plugin.core.trigger.Flow
    {more}
"""
EACH_MINUTE = """
triggers:
  - id: t
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "* * * * *"
    {more}
"""
CALLS = """
id: {id}
namespace: company.team
tasks: [{{id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: company.team, flowId: {other}}}]
"""


@pytest.mark.parametrize("count", [2, 3])
async def test_flows_that_start_each_other_stop_after_one_round(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, count: int
) -> None:
    """
    Flows with a trigger on every execution start each other once in each order, and the refusal names the line.
    """
    sources = [SAY.format(id=f"f{n}") + AFTER.format(more="states: [SUCCESS]") for n in range(count)]
    async with open_engine(*sources) as engine:
        await engine.trigger("company.team", "f0")
        await trio.sleep(60)
    assert store.rows(Query())[1] == {2: 2, 3: 5}[count]
    refused, _ = store.deliveries(DeliveryQuery(flow="f0"))
    assert {row.kind for row in refused} == {"REJECTED"}
    assert all("company.team/f0 -> company.team/f" in row.reason for row in refused)
    assert verify(ReaderSource(store)).ok


async def test_subflows_that_start_each_other_fail_at_the_bound(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    Two flows that call each other end: the call beyond the bound fails with a message that names it.
    """
    async with open_engine(CALLS.format(id="a", other="b"), CALLS.format(id="b", other="a")) as engine:
        execution = await engine.trigger("company.team", "a")
        assert (await execution.finished()).status == "FAILED"
        rows, total = store.rows(Query(limit=100))
        last = await engine.replay(max(rows, key=lambda row: row.started).execution)
    assert total == 51
    assert "51 are the most" in str(last.terminal)


@pytest.mark.parametrize("kind", [EACH_MINUTE, AFTER], ids=["schedule", "flow"])
@pytest.mark.parametrize("broken", ["inputs: {x: '{{ nope }}'}", "when: '{{ nope }}'"])
async def test_what_a_trigger_cannot_evaluate_is_recorded_once(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, kind: str, broken: str
) -> None:
    """
    Inputs or a condition that fail leave a refused delivery with the reason, also when it is looked at again.
    """
    source = SAY.format(id="started") + kind.format(more=broken)
    async with open_engine(source, SAY.format(id="other")) as engine:
        other = await engine.trigger("company.team", "other")
        await other.finished()
        await trio.sleep(61)
        await engine.supervisor.follow_up(other.id, EPOCH_US + 10**9)
    rows, total = store.deliveries(DeliveryQuery(flow="started", trigger="t"))
    assert (total, rows[0].kind, rows[0].status) == (1, "REJECTED", 422)
    assert "nope" in rows[0].reason
    assert store.rows(Query(flow="started"))[1] == 0
    assert verify(ReaderSource(store)).ok


@pytest.mark.parametrize("kind", [EACH_MINUTE, AFTER], ids=["schedule", "flow"])
async def test_it_is_a_failed_execution_where_the_trigger_says_so(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, kind: str
) -> None:
    """
    With `failOnTriggerError: true` it is a FAILED execution without task runs whose error says why.
    """
    more = "inputs: {x: '{{ nope }}'}\n    failOnTriggerError: true"
    source = SAY.format(id="started") + kind.format(more=more)
    async with open_engine(source, SAY.format(id="other")) as engine:
        await (await engine.trigger("company.team", "other")).finished()
        await trio.sleep(61)
        (row,) = store.rows(Query(flow="started"))[0]
        state = await engine.replay(row.execution)
    assert (state.status, dict(state.runs)) == ("FAILED", {})
    assert "nope" in str(state.terminal)
