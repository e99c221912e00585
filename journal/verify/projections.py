"""Rebuilds the projections beside the execution index and compares them: L18 to L22.

Counts per minute are compared when their minute is over, because the time of entries never falls; so only one
minute is in memory. Where a payload is gone its part cannot be rebuilt, and the rules that need it are silent.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from hookledger.journal.deliveries import Claim, DeliveryRow, claims_in, deliveries_in
from hookledger.journal.entry import SYSTEM, Header, by_person
from hookledger.journal.events import AnyEvent
from hookledger.journal.figures import MINUTE, MinuteKey, counted
from hookledger.journal.index import ExecutionRow
from hookledger.journal.verify.report import Finding


class Tallies(NamedTuple):
    """How much the stored projections hold, to find what no entry tells of."""

    labels: int
    """Without those that the rows of the execution index have."""
    minutes: int
    """In which something is counted."""
    marks: int
    events: int


class Stored(Protocol):
    """What is stored beside the execution index."""

    def delivery(self, delivery: str) -> DeliveryRow | None:
        """A stored delivery."""
        ...

    def label_difference(self, rebuilt: ExecutionRow) -> str:
        """Name a label by which the execution is not found; empty when there is none."""
        ...

    def minute_difference(self, minute: int, rebuilt: dict[MinuteKey, int]) -> str:
        """Say how the counts of a minute differ from rebuilt ones; empty when they do not."""
        ...

    def claim(self, scope: str, key: str) -> Claim | None:
        """The stored claim of a deduplication key."""
        ...

    def claims(self) -> Iterator[Claim] | None:
        """Yield all stored claims; None for a store that cannot list them."""
        ...

    def delivery_count(self) -> int:
        """How many deliveries are stored."""
        ...

    def marked(self, table: str, value: str, position: int) -> bool:
        """True when `system_entry` or `actor_entry` has the position under the value."""
        ...

    def tallies(self) -> Tallies | None:
        """Sizes of the tables; None for a store that keeps nothing apart from its rows."""
        ...


class Projections:
    """Follows the entries of a journal."""

    def __init__(self, stored: Stored, *, whole: bool) -> None:
        """Prepare a pass; one that is not over the whole journal counts nothing."""
        self._stored = stored
        self._minute = 0
        self._counts: dict[MinuteKey, int] = {}
        self._minutes = self._marks = self._events = 0
        self._whole = whole
        self._lost = self._blind = self._blind_minute = False
        self._claims: dict[bytes, bytes] = {}
        """Digest of the newest claim, by digest of its key: neither is kept itself."""
        self._delivered, self._other_deliveries = 0, dict[str, int]()
        """How many are stored as told, and those that are stored otherwise, with the position of the last entry."""

    def follow(
        self, header: Header, events: Sequence[AnyEvent] | None, row: ExecutionRow | None
    ) -> Iterator[Finding]:
        """Take in an entry, with its execution's row after it; None for both where it cannot be known."""
        yield from self._count(header, row)
        yield from self._mark(header)
        self._deliver(header, events or ())
        self._claim(header.exec, events or ())

    def lose(self) -> None:
        """Not even a header could be read: what the tables should hold in all is unknown."""
        self._lost = self._blind = self._blind_minute = True

    def finish(self) -> Iterator[Finding]:
        """Compare the last minute, and that nothing is stored which no entry tells of."""
        yield from self._compare()
        yield from self._compare_deliveries()
        yield from self._compare_claims()
        stored = self._stored.tallies() if self._whole and not self._lost else None
        if stored is None:
            return
        minutes = stored.minutes if self._blind else self._minutes
        rebuilt = Tallies(labels=0, minutes=minutes, marks=self._marks, events=self._events)
        for rule, name in (("L19", "labels"), ("L20", "minutes"), ("L22", "marks"), ("L22", "events")):
            has, wants = getattr(stored, name), getattr(rebuilt, name)
            if has != wants:
                yield Finding(rule, f"{has} {name} are stored, the entries have {wants}")

    def _count(self, header: Header, row: ExecutionRow | None) -> Iterator[Finding]:
        self._events += len(header.types)
        if header.ts // MINUTE != self._minute:
            yield from self._compare()
            self._minute = header.ts // MINUTE
        if header.exec == SYSTEM:
            return
        if row is None:
            self._blind = self._blind_minute = True
            return
        for key in counted(header, row):
            self._counts[key] = self._counts.get(key, 0) + 1

    def _compare(self) -> Iterator[Finding]:
        self._minutes += bool(self._counts)
        known = self._whole and not self._blind_minute
        if known and (wrong := self._stored.minute_difference(self._minute, self._counts)):
            yield Finding("L20", wrong)
        self._counts, self._blind_minute = {}, False

    def _mark(self, header: Header) -> Iterator[Finding]:
        marks = (
            [("system_entry", name) for name in dict.fromkeys(header.types)] if header.exec == SYSTEM else []
        )
        if by_person(header):
            marks.append(("actor_entry", header.actor))
        self._marks += len(marks)
        for table, value in marks:
            if not self._stored.marked(table, value, header.pos):
                yield Finding("L22", f"the table {table} does not have it under {value}")

    def _deliver(self, header: Header, events: Sequence[AnyEvent]) -> None:
        """A flow's retry repeats what it was started by: then the later word is the one that is stored."""
        for rebuilt in deliveries_in(header.exec, events):
            stored = self._stored.delivery(rebuilt.delivery)
            if stored == rebuilt:
                self._delivered += 1
                self._other_deliveries.pop(rebuilt.delivery, None)
            elif self._whole or not _superseded(rebuilt, stored):
                self._other_deliveries[rebuilt.delivery] = header.pos

    def _compare_deliveries(self) -> Iterator[Finding]:
        for delivery in self._other_deliveries:
            yield Finding("L21", f"the delivery {delivery} is not the one that is stored")
        stored, told = self._stored.delivery_count(), self._delivered
        if self._whole and not self._blind and not self._other_deliveries and stored != told:
            yield Finding("L21", f"{stored} deliveries are stored, the entries have {told}")

    def _claim(self, execution: str, events: Sequence[AnyEvent]) -> None:
        for claim in claims_in(execution, events):
            if not self._whole and _superseded(claim, self._stored.claim(claim.scope, claim.key)):
                continue
            self._claims[_digest(claim.scope, claim.key)] = _digest(*msgspec.structs.astuple(claim))

    def _compare_claims(self) -> Iterator[Finding]:
        claims = self._stored.claims() if self._whole else ()
        if claims is None:
            return
        missing = dict(self._claims)
        for claim in claims:
            told = missing.pop(_digest(claim.scope, claim.key), None)
            if told is None and not self._blind:
                yield Finding("L18", f"a claim of {claim.execution} is stored that no entry makes")
            elif told is not None and told != _digest(*msgspec.structs.astuple(claim)):
                yield Finding("L18", f"the claim of {claim.execution} is not the one the entries make")
        if missing:
            yield Finding("L18", f"{len(missing)} claims that entries make are not stored as they were made")


def _superseded(told: DeliveryRow | Claim, stored: DeliveryRow | Claim | None) -> bool:
    """The stored one is the same, or a later word of another execution."""
    return told == stored or (
        stored is not None and stored.execution != told.execution and stored.at >= told.at
    )


def _digest(*parts: str | int) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).digest()
