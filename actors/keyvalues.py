"""Stored values: a dictionary in memory whose truth is the journal's system stream.

A change is appended, takes effect in memory at once and is durable before the task that asked for it goes on.
Others may read it in between: what they append on the ground of it stands behind it in the same log, so a crash
takes both or neither.
"""

import heapq
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec
import trio

from hookledger.journal.events import AnyEvent, KeyValueDeleted, KeyValueSet
from hookledger.journal.journal import Journal
from hookledger.runtime.tasks.kv import KeyTaken

TOMBSTONES_MAX: Final = 1000
"""Deletions remembered for attempts that run again after a crash."""

STALE_MAX: Final = 64
"""Times of overwritten values that may be held beside as many as there are values."""

Place: TypeAlias = tuple[str, str]
Change: TypeAlias = KeyValueSet | KeyValueDeleted


class Stored(msgspec.Struct, frozen=True):
    """One value as it stands."""

    value: Any
    expires: int
    by: str


class JournaledKeyValues:
    """Implements `KeyValues`. Make it, let it `learn` the system stream, hand it to the ports.

    It holds values that stand and a bounded number of deletions, never what was overwritten or has expired.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stored: dict[Place, Stored] = {}
        self._deleted: dict[Place, str] = {}
        self._expiring: list[tuple[int, str, str]] = []

    def learn(self, event: AnyEvent) -> None:
        """Take in an event of the system stream; those about other things are ignored."""
        match event:
            case KeyValueSet():
                self._remember((event.namespace, event.key), Stored(event.value, event.expires, event.by))
            case KeyValueDeleted():
                self._forget((event.namespace, event.key), event.by)
            case _:
                return

    def peek(self, namespace: str, key: str) -> Any:
        """The value, for expressions, which cannot wait.

        Raises:
            LookupError: There is none, or its time is over.
        """
        stored = self._live((namespace, key))
        if stored is None:
            raise LookupError(key)
        return stored.value

    async def get(self, namespace: str, key: str) -> Any:
        await trio.lowlevel.checkpoint()
        return self.peek(namespace, key)

    async def set(
        self, namespace: str, key: str, value: Any, *, ttl: int = 0, overwrite: bool = True, by: str = ""
    ) -> None:
        await trio.lowlevel.checkpoint()
        there = self._live((namespace, key))
        value = msgspec.json.decode(msgspec.json.encode(value))  # theirs may change later
        own = there is not None and bool(by) and there.by == by
        if own and there is not None and there.value == value:
            return  # an earlier attempt at the same thing, durable since it was read from the journal
        if there is not None and not overwrite and not own:
            raise KeyTaken(key)

        def make(sequence: int, at: int) -> KeyValueSet:
            return KeyValueSet(
                sequence=sequence,
                at=at,
                namespace=namespace,
                key=key,
                value=value,
                expires=self._journal.clock.now() + ttl if ttl else 0,
                by=by,
            )

        await self._append(make)

    async def delete(self, namespace: str, key: str, *, by: str = "") -> bool:
        await trio.lowlevel.checkpoint()
        place = namespace, key
        if self._live(place) is None:
            return bool(by) and self._deleted.get(place) == by

        def make(sequence: int, at: int) -> KeyValueDeleted:
            return KeyValueDeleted(sequence=sequence, at=at, namespace=namespace, key=key, by=by)

        await self._append(make)
        return True

    async def _append(self, make: Callable[[int, int], Change]) -> None:
        """Append and learn in one step, then wait until it cannot be lost."""
        made: list[Change] = []

        def kept(sequence: int, at: int) -> Change:
            made.append(make(sequence, at))
            return made[0]

        ticket = self._journal.append_system(kept)
        self.learn(made[0])
        await ticket.durable()

    def _live(self, place: Place) -> Stored | None:
        self._expire()
        return self._stored.get(place)

    def _remember(self, place: Place, stored: Stored) -> None:
        self._stored[place] = stored
        self._deleted.pop(place, None)
        if stored.expires:
            heapq.heappush(self._expiring, (stored.expires, *place))
        self._expire()
        if len(self._expiring) > 2 * len(self._stored) + STALE_MAX:
            self._forget_overwritten()

    def _forget_overwritten(self) -> None:
        """Times of values that have been overwritten since are of no use."""
        self._expiring = [(one.expires, *place) for place, one in self._stored.items() if one.expires]
        heapq.heapify(self._expiring)

    def _forget(self, place: Place, by: str) -> None:
        self._stored.pop(place, None)
        self._deleted[place] = by
        if len(self._deleted) > TOMBSTONES_MAX:
            del self._deleted[next(iter(self._deleted))]

    def _expire(self) -> None:
        """Let go of everything whose time is over."""
        now = self._journal.clock.now()
        while self._expiring and self._expiring[0][0] <= now:
            expires, *place = heapq.heappop(self._expiring)
            namespace, key = place
            stored = self._stored.get((namespace, key))
            if stored is not None and stored.expires == expires:
                del self._stored[namespace, key]
