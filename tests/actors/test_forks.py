"""Replaying from a task: a fork begins with what its origin had done, by reference, and the journal still verifies."""

import base64
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from hookledger.actors.engine import Engine
from hookledger.actors.errors import CommandRefused
from hookledger.actors.forks import fork
from hookledger.actors.operators import Resume
from hookledger.journal.entry import leaf_hash
from hookledger.journal.errors import ExecutionUnknown
from hookledger.journal.events import ExecutionForked, TaskStarted
from hookledger.journal.memory import MemoryStore
from hookledger.journal.verify import ReaderSource, verify

STEPS: Final = """id: steps
namespace: io.tests
inputs: [{id: name, type: STRING, defaults: Ann}]
tasks:
  - {id: first, type: io.kestra.plugin.core.debug.Return, format: "{{ uuid() }}"}
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: [a, b]
    tasks:
      - {id: inner, type: io.kestra.plugin.core.debug.Return, format: "{{ taskrun.value }} {{ uuid() }}"}
  - {id: last, type: io.kestra.plugin.core.debug.Return, format: "{{ outputs.first.value }} {{ execution.id }}"}
outputs:
  - {id: text, type: STRING, value: "{{ outputs.last.value }}"}
"""


def told(events: list[Any], kind: type) -> list[Any]:
    """The events of a type."""
    return [event for event in events if isinstance(event, kind)]


async def ended(engine: Engine, execution_id: str) -> Any:
    """The state an execution ends in."""
    return await (await engine.attach(execution_id)).finished()


async def paused(engine: Engine, execution_id: str) -> None:
    """Wait for the Pause; nothing announces it, so look again and again."""
    with trio.fail_after(30):
        while "wait" not in (await engine.replay(execution_id)).pauses:
            await engine.journal.ask(lambda reader: reader.tip())


def broken(engine: Engine) -> list[str]:
    """What the verifier finds."""
    reader = engine.journal.reader()
    try:
        return [f"{one.rule} {one.message}" for one in verify(ReaderSource(reader)).violations]
    finally:
        reader.close()


async def test_a_fork_keeps_what_came_before() -> None:
    """
    What had ended before the task is kept with its outputs and does not run again; the task and what follows do.
    """
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(STEPS)
        origin = await engine.trigger("io.tests", "steps")
        before: Any = await origin.finished()
        copy = await fork(engine, origin.id, "each[1]/inner", by="user:ann")
        after = await copy.finished()
        events = await engine.events(copy.id)
        replayed = await engine.replay(copy.id)
        assert broken(engine) == []
    first = events[0]
    assert isinstance(first, ExecutionForked)
    assert (first.origin, first.by, first.received.seed != before.received.seed) == (
        origin.id,
        "user:ann",
        True,
    )
    assert [event.path for event in told(events, TaskStarted)] == ["each[1]/inner", "last"]
    for path in ("first", "each[0]/inner"):
        assert after.runs[path].outputs == before.runs[path].outputs
    assert after.runs["each[1]/inner"].outputs != before.runs["each[1]/inner"].outputs
    assert after.outputs == {"text": f"{before.runs['first'].outputs['value']} {copy.id}"}
    assert (after.labels["system.replayOf"], after.status) == (origin.id, "SUCCESS")
    assert replayed == after


async def test_the_entry_it_parts_from_is_named() -> None:
    """
    `origin_leaf` is the hash of the stored header that holds the last event that counts.
    """
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(STEPS)
        origin = await engine.trigger("io.tests", "steps")
        await origin.finished()
        copy = await fork(engine, origin.id, "last", by="user:ann")
        first: Any = (await engine.events(copy.id))[0]
        entries = await engine.journal.entries(origin.id)
    (holder,) = [
        entry
        for entry in entries
        if entry.header.seq < first.origin_sequence <= entry.header.seq + len(entry.events())
    ]
    assert first.origin_leaf == base64.b64encode(leaf_hash(holder.raw)).decode()


async def test_a_fork_survives_the_process(tmp_path: Path) -> None:
    """
    A fork that waits is folded again behind its origin's events after a restart, and goes on to its end.
    """
    source = STEPS.replace(
        "  - {id: last", "  - {id: wait, type: io.kestra.plugin.core.flow.Pause}\n  - {id: last"
    )
    async with Engine.open(tmp_path) as engine:
        await engine.register(source)
        origin = await engine.trigger("io.tests", "steps")
        await paused(engine, origin.id)
        copy = (await fork(engine, origin.id, "each[0]/inner", by="user:ann")).id
        await paused(engine, copy)
        again = (await fork(engine, copy, "each[1]/inner", by="user:ann")).id
        inherited: Any = await fork(engine, again, "each[0]/inner", by="user:ann")
        assert (await engine.events(inherited.id))[0].origin == copy  # type: ignore[union-attr]
    async with Engine.open(tmp_path) as engine:
        for one in (copy, again):
            await paused(engine, one)
            await engine.command(one, Resume(by="user:ann"))
        states = [await ended(engine, one) for one in (copy, again)]
        first = (await engine.replay(origin.id)).runs["first"].outputs
        assert broken(engine) == []
    assert [state.status for state in states] == ["SUCCESS", "SUCCESS"]
    assert [state.runs["first"].outputs for state in states] == [first, first]
    inner = [state.runs["each[0]/inner"].outputs for state in states]
    assert inner[0] == inner[1]


async def test_what_cannot_be_forked_starts_nothing() -> None:
    """
    Unknown executions, places where nothing ran, revisions that lost what is kept: refused, with the reason.
    """
    async with Engine.open(MemoryStore()) as engine:
        await engine.register(STEPS)
        origin = await engine.trigger("io.tests", "steps")
        await origin.finished()
        await engine.register(
            STEPS.replace("id: first", "id: other").replace("outputs.first", "outputs.other")
        )
        rows = await engine.journal.ask(lambda reader: reader.tip())
        with pytest.raises(ExecutionUnknown):
            await fork(engine, "nobody", "last", by="user:ann")
        with pytest.raises(CommandRefused, match="no task run began at `nowhere`"):
            await fork(engine, origin.id, "nowhere", by="user:ann")
        with pytest.raises(CommandRefused, match="revision 2 has no first any more"):
            await fork(engine, origin.id, "last", by="user:ann", revision=2)
        with pytest.raises(CommandRefused, match="there is no revision 9"):
            await fork(engine, origin.id, "last", by="user:ann", revision=9)
        assert await engine.journal.ask(lambda reader: reader.tip()) == rows
