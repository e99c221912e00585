"""Batches: what starts together is durable together, or not at all."""

from collections.abc import Sequence

import pytest
import trio

from hookledger.actors import DeliveryRefused, Engine
from hookledger.actors.handle import Execution
from hookledger.actors.reception import Delivery
from hookledger.journal.entry import Entry

from .conftest import OpenEngine

SOURCE = """
id: each
namespace: t
tasks:
  - {id: out, type: io.kestra.plugin.core.debug.Return, format: "{{ trigger.n }}"}
triggers:
  - id: w
    type: io.kestra.plugin.core.trigger.Webhook
    key: k
    when: "{{ trigger.n > 0 }}"
"""


async def deliver(engine: Engine, *numbers: object) -> list[Execution | DeliveryRefused | None]:
    """Deliver a batch of numbers."""
    flow = engine.flow("t", "each")
    trigger = flow.trigger("w")
    assert trigger is not None
    items = [Delivery(variables={} if number is None else {"n": number}) for number in numbers]
    return await engine.deliver_each(flow, trigger, items, actor="webhook:t.each/w")


async def test_a_batch_is_one_commit(autojump_clock: trio.testing.MockClock, open_engine: OpenEngine) -> None:
    """
    The first events of all items become durable in the same commit, also while another commit is under way.
    """
    async with open_engine(SOURCE) as engine:
        commits: list[Sequence[Entry]] = []
        engine.journal.follow(commits.append)
        await deliver(engine, 1)
        started = await deliver(engine, *range(1, 40))
        for execution in started:
            assert isinstance(execution, Execution)
            await execution.accepted()
        ids = {execution.id for execution in started if isinstance(execution, Execution)}
        holding = [
            {entry.header.exec for entry in entries if entry.header.n == 0 and entry.header.exec in ids}
            for entries in commits
        ]
        assert [found for found in holding if found] == [ids]


async def test_one_bad_item_starts_nothing(
    autojump_clock: trio.testing.MockClock, open_engine: OpenEngine
) -> None:
    """
    An item whose condition is false is left out; one whose condition fails stops all of them before any is appended.
    """
    async with open_engine(SOURCE) as engine:
        with pytest.raises(DeliveryRefused, match="item 2 of the batch"):
            await deliver(engine, 1, 2, None)
        assert engine.supervisor.live == 0
        first, second = await deliver(engine, 0, 1)
        assert isinstance(first, DeliveryRefused)
        assert isinstance(second, Execution)
        assert (await second.finished()).status == "SUCCESS"
