"""Nobody is told anything before the entry that says it is durable."""

import pytest
import trio
from trio.testing import MockClock

from hookledger.actors.reception import Delivery
from hookledger.journal.memory import MemoryStore

from .conftest import OpenEngine

COMMIT_SECONDS = 7
FLOW = """
id: f
namespace: t
tasks:
  - {{id: say, type: {type}}}
  - {{id: nap, type: io.kestra.plugin.core.flow.Sleep, duration: PT1H}}
triggers:
  - {{id: w, type: io.kestra.plugin.core.trigger.Webhook, key: k, wait: true{more}}}
"""
TASK = FLOW.format(type="io.hookledger.core.Respond, code: 202, body: {ok: true}", more="")
NAMED = FLOW.format(
    type="io.kestra.plugin.core.debug.Return, format: x",
    more=", response: {on: say, code: 202, body: {ok: true}}",
)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(commit_seconds=COMMIT_SECONDS)


def said(store: MemoryStore, execution: str) -> list[str]:
    """Types of the durable events."""
    return [name for entry in store.entries(execution) for name in entry.header.types]


@pytest.mark.parametrize("source", [TASK, NAMED], ids=["Respond", "response.on"])
async def test_an_answer_waits_for_a_slow_commit(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore, source: str
) -> None:
    """
    The answer of a Respond task or of `response.on` is given when its entry is durable, and while the execution runs.
    """
    async with open_engine(source) as engine:
        flow = engine.flow("t", "f")
        begun = trio.current_time()
        execution = await engine.deliver(flow, flow.trigger("w"), Delivery(), actor="caller:t", wait=True)
        state = await execution.answered()
        assert state.response is not None
        assert state.response.status == 202
        assert not execution.ended
        assert trio.current_time() - begun >= COMMIT_SECONDS
        assert "TaskReturned" in said(store, execution.id)
        assert execution.answer_entry in store.entries(execution.id)


async def test_an_acceptance_and_an_end_wait_for_a_slow_commit(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A caller is told of the first event and of the last when they are durable.
    """
    async with open_engine(TASK) as engine:
        execution = await engine.trigger("t", "f")
        await execution.accepted()
        assert said(store, execution.id)[:1] == ["TriggerReceived"]
        state = await execution.finished()
        assert said(store, execution.id)[-1] == type(state.terminal).__name__
