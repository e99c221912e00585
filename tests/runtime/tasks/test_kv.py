"""`kv.*` over a journal in memory."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hookledger.actors.keyvalues import STALE_MAX, TOMBSTONES_MAX, JournaledKeyValues
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.events import KeyValueDeleted, KeyValueSet
from hookledger.journal.journal import PAGE, Journal, open_journal
from hookledger.journal.memory import MemoryStore
from hookledger.runtime.tasks.kv import VALUE_BYTES_MAX, Delete, Get, KeyTaken, Set

from .context import FakeContext, failure_of, made, outputs_of

SECOND = 1_000_000


class SetClock:
    """A clock that stands until the test moves it."""

    def __init__(self) -> None:
        self.time = 1_800_000_000 * SECOND

    def now(self) -> int:
        return self.time


class World:
    """A store that survives, and a clock."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = SetClock()

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[tuple[Journal, JournaledKeyValues]]:
        """A journal and the values derived from it."""
        async with open_journal(self.store, clock=self.clock) as journal:
            values = JournaledKeyValues(journal)
            await journal.each_system(values.learn)
            yield journal, values


async def value_of(values: JournaledKeyValues, key: str, **more: Any) -> Any:
    return (await outputs_of(made(Get, key=key, **more), FakeContext(kv=values)))["value"]


@pytest.mark.parametrize("value", ["text", "12", 12, 1.5, True, [1, {"a": "b"}], {"a": [1]}])
async def test_a_value_comes_back_as_it_was_stored(value: object) -> None:
    """
    Set stores what was rendered, and Get outputs it, in the flow's own namespace.
    """
    async with World().opened() as (_, values):
        assert await outputs_of(made(Set, key="k", value=value), FakeContext(kv=values)) == {}
        assert await value_of(values, "k") == value
        assert await value_of(values, "k", namespace="company.team") == value


async def test_namespaces_are_apart() -> None:
    """
    A key is looked up in the namespace that is named, the flow's by default, and in no other.
    """
    async with World().opened() as (_, values):
        context = FakeContext(kv=values)
        await made(Set, key="k", value="mine").run(context)
        await made(Set, key="k", value="theirs", namespace="other").run(context)
        assert await value_of(values, "k") == "mine"
        assert await value_of(values, "k", namespace="other") == "theirs"
        assert await value_of(values, "k", namespace="company") is None


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("STRING", "12", "12"),
        ("NUMBER", "12", 12),
        ("NUMBER", "1.5", 1.5),
        ("BOOLEAN", "True", True),
        ("JSON", '{"a": [1]}', {"a": [1]}),
        ("DATE", "2026-11-24", "2026-11-24"),
        ("DATETIME", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"),
        ("DURATION", "PT5M", "PT5M"),
    ],
)
async def test_a_type_says_how_a_text_is_read(kind: str, text: str, value: object) -> None:
    """
    With `kvType` a text is read as that type; dates and durations are checked and stay as written.
    """
    async with World().opened() as (_, values):
        await made(Set, key="k", value=text, kvType=kind).run(FakeContext(kv=values))
        assert await value_of(values, "k") == value


@pytest.mark.parametrize("kind", ["NUMBER", "BOOLEAN", "JSON", "DATE", "DATETIME", "DURATION"])
async def test_a_text_that_is_not_of_its_type_is_refused(kind: str) -> None:
    """
    A text that cannot be read as its `kvType` fails the task, and the text is not repeated.
    """
    async with World().opened() as (_, values):
        failure = await failure_of(made(Set, key="k", value="nonsense", kvType=kind), FakeContext(kv=values))
        assert (failure.kind, str(failure)) == ("InvalidProperty", f"property `value`: not a {kind}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": "x" * 513},
        {"key": "a\nb"},
        {"value": "x" * VALUE_BYTES_MAX},
        {"ttl": "5m"},
        {"ttl": "PT0S"},
        {"ttl": "-PT1S"},
    ],
    ids=str,
)
async def test_what_cannot_be_stored_is_refused(wrong: dict[str, Any]) -> None:
    """
    Empty, long or unprintable keys, large values and times that are none fail before anything is written.
    """
    async with World().opened() as (_, values):
        task = made(Set, **({"key": "k", "value": "v"} | wrong))
        assert (await failure_of(task, FakeContext(kv=values))).kind == "InvalidProperty"


async def test_a_missing_value_is_null_or_an_error() -> None:
    """
    Get of a missing key outputs null, Delete outputs `deleted: false`; with `errorOnMissing` both fail.
    """
    async with World().opened() as (_, values):
        context = FakeContext(kv=values)
        assert await outputs_of(made(Get, key="k"), context) == {"value": None}
        assert await outputs_of(made(Delete, key="k"), context) == {"deleted": False}
        for kind in (Get, Delete):
            failure = await failure_of(made(kind, key="k", errorOnMissing=True), context)
            assert (failure.kind, str(failure)) == ("KeyMissing", "there is no value `k` in company.team")


async def test_a_null_is_a_value() -> None:
    """
    A stored null is there: `errorOnMissing` is about keys, not about what they hold.
    """
    async with World().opened() as (_, values):
        await made(Set, key="k", value=None).run(FakeContext(kv=values))
        assert await value_of(values, "k", errorOnMissing=True) is None


async def test_without_overwrite_the_first_value_stays() -> None:
    """
    `overwrite: false` fails when the key has a value, and the value stays.
    """
    async with World().opened() as (_, values):
        await made(Set, key="k", value=1).run(FakeContext(kv=values))
        failure = await failure_of(
            made(Set, key="k", value=2, overwrite=False), FakeContext(task="other", kv=values)
        )
        assert failure.kind == "KeyTaken"
        assert await value_of(values, "k") == 1


async def test_an_attempt_that_runs_again_does_nothing_twice() -> None:
    """
    Set and Delete are idempotent under their key, after a crash and in a retry: the answers are the first ones.
    """
    world = World()
    first = made(Set, key="k", value=1, overwrite=False)
    async with world.opened() as (_, values):
        await first.run(FakeContext(kv=values))
    async with world.opened() as (_, values):
        assert await outputs_of(first, FakeContext(kv=values)) == {}
        assert await outputs_of(first, FakeContext(attempt=2, kv=values)) == {}
        gone = await outputs_of(made(Delete, key="k"), FakeContext(task="forget", kv=values))
    async with world.opened() as (journal, values):
        again = await outputs_of(made(Delete, key="k"), FakeContext(task="forget", attempt=2, kv=values))
        assert gone == again == {"deleted": True}
        changes = [
            event for event in await journal.read(SYSTEM) if isinstance(event, KeyValueSet | KeyValueDeleted)
        ]
        assert len(changes) == 2


async def test_a_retry_may_store_another_value() -> None:
    """
    A retry whose value came out differently replaces what the attempt before stored, also without `overwrite`.
    """
    async with World().opened() as (_, values):
        await made(Set, key="k", value="attempt 1", overwrite=False).run(FakeContext(kv=values))
        await made(Set, key="k", value="attempt 2", overwrite=False).run(FakeContext(attempt=2, kv=values))
        assert await value_of(values, "k") == "attempt 2"


async def test_values_are_derived_from_the_journal() -> None:
    """
    After a restart the same values are there, deleted ones are not, and expiry counts from the recorded time.
    """
    world = World()
    async with world.opened() as (_, values):
        await values.set("n", "kept", [1])
        await values.set("n", "gone", 1)
        await values.set("n", "short", 1, ttl=10 * SECOND)
        await values.delete("n", "gone")
    world.clock.time += 9 * SECOND
    async with world.opened() as (_, values):
        assert values.peek("n", "kept") == [1]
        assert values.peek("n", "short") == 1
        with pytest.raises(LookupError):
            values.peek("n", "gone")
        world.clock.time += SECOND
        with pytest.raises(LookupError):
            values.peek("n", "short")


async def test_a_value_expires_when_its_time_is_over() -> None:
    """
    `ttl` counts from the moment of storing; an expired key is missing, and can be set without `overwrite`.
    """
    world = World()
    async with world.opened() as (_, values):
        await made(Set, key="k", value=1, ttl="PT10S").run(FakeContext(kv=values))
        world.clock.time += 10 * SECOND - 1
        assert await value_of(values, "k") == 1
        world.clock.time += 1
        assert await value_of(values, "k") is None
        await made(Set, key="k", value=2, overwrite=False).run(FakeContext(attempt=2, kv=values))
        assert await value_of(values, "k") == 2


async def test_a_new_value_has_its_own_time() -> None:
    """
    Replacing a value replaces its expiry too: the old one no longer counts.
    """
    world = World()
    async with world.opened() as (_, values):
        await values.set("n", "k", 1, ttl=SECOND)
        await values.set("n", "k", 2)
        world.clock.time += 2 * SECOND
        assert values.peek("n", "k") == 2


async def test_a_change_is_durable_when_the_task_returns() -> None:
    """
    When Set has returned, the event is in the store, with who did it.
    """
    world = World()
    async with world.opened() as (_, values):
        await made(Set, key="k", value=1, ttl="PT1S").run(FakeContext(kv=values))
        (event,) = (
            event
            for entry in world.store.entries(SYSTEM)
            for event in entry.events()
            if isinstance(event, KeyValueSet)
        )
        assert (event.namespace, event.key, event.value) == ("company.team", "k", 1)
        assert (event.by, event.expires) == ("exec1:task", world.clock.time + SECOND)


async def test_a_value_is_a_copy() -> None:
    """
    What the caller does to its data afterwards does not change what is stored.
    """
    async with World().opened() as (_, values):
        given = [1]
        await values.set("n", "k", given)
        given.append(2)
        assert values.peek("n", "k") == [1]


async def test_deletions_are_remembered_in_bounded_memory() -> None:
    """
    Only the newest deletions are kept for attempts that run again.
    """
    async with World().opened() as (_, values):
        for number in range(TOMBSTONES_MAX + 1):
            event = KeyValueDeleted(sequence=0, at=0, namespace="n", key=str(number), by="a")
            values.learn(event)
        assert await values.delete("n", "0", by="a") is False
        assert await values.delete("n", "1", by="a") is True


async def test_the_port_refuses_to_replace() -> None:
    """
    The port itself says KeyTaken, whoever asks.
    """
    async with World().opened() as (_, values):
        await values.set("n", "k", 1)
        with pytest.raises(KeyTaken):
            await values.set("n", "k", 2, overwrite=False)


async def test_effects() -> None:
    """
    Set and Delete may happen twice under one idempotency key; Get only asks.
    """
    assert made(Set, key="k", value=1).effect_of() == "idempotent"
    assert made(Delete, key="k").effect_of() == "idempotent"
    assert made(Get, key="k").effect_of() == "read"


async def test_a_secret_is_not_stored() -> None:
    """
    Stored values are in the journal in plain: one that holds a secret is refused before anything is written.
    """
    async with World().opened() as (_, values):
        failure = await failure_of(made(Set, key="k", value={"a": ["s3cr3t"]}), FakeContext(kv=values))
        assert failure.kind == "SecretInValue"
        assert await value_of(values, "k") is None


class CountingStore(MemoryStore):
    """Says how many entries were handed out at once."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def entries(self, execution: str) -> list[Entry]:
        return self._counted(super().entries(execution))

    def part(self, execution: str, number: int, limit: int) -> list[Entry]:
        return self._counted(super().part(execution, number, limit))

    def _counted(self, found: list[Entry]) -> list[Entry]:
        self.most = max(self.most, len(found))
        return found


@pytest.mark.parametrize("ttl", [0, SECOND, 10**6 * SECOND], ids=["for ever", "short", "long"])
async def test_a_start_holds_what_stands_and_not_its_history(ttl: int) -> None:
    """
    However often values were overwritten, deleted or have expired, a start reads them in pages and keeps the newest.
    """
    world, store = World(), CountingStore()
    world.store = store
    async with world.opened() as (_, values):
        for number in range(3 * PAGE):
            await values.set("a", f"k{number % 3}", number, ttl=ttl)
            await values.set("a", "gone", number)
            await values.delete("a", "gone")
            if number + 3 < 3 * PAGE:
                world.clock.time += 10 * SECOND
    store.most = 0
    async with world.opened() as (_, values):
        assert 0 < store.most <= PAGE
        expected = range(3 * PAGE - 3, 3 * PAGE)
        assert [values.peek("a", f"k{number % 3}") for number in expected] == list(expected)
        assert sorted(key for _, key in values._stored) == ["k0", "k1", "k2"]
        assert len(values._deleted) == 1
        assert len(values._expiring) <= 2 * len(values._stored) + STALE_MAX + 1
