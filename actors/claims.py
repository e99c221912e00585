"""Who may start an execution for a deduplication key: one delivery, until its window is over.

The claim itself is part of the execution's first event, so it survives a crash exactly when the execution does. Here
are only the claims that are not durable yet, and deliveries that are just asking; what is durable is asked of the
store.
"""

from collections.abc import Sequence

import trio

from hookledger.journal.deliveries import Claim
from hookledger.journal.entry import Entry
from hookledger.journal.journal import Journal


class Reservation:
    """The right to start the execution of a key; must be taken or released."""

    def __init__(self, claims: "Claims", place: tuple[str, str]) -> None:
        self._claims = claims
        self._place = place
        self.settled = trio.Event()

    def take(self, claim: Claim) -> None:
        """The execution has begun: whoever asks from now on is told of it."""
        self._claims._hold(self._place, claim)
        self.settled.set()

    def release(self) -> None:
        """Nothing began: the next delivery with this key may try. Harmless after `take`."""
        if not self.settled.is_set():
            self._claims._drop(self._place)
            self.settled.set()


class Claims:
    """The claims of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._held: dict[tuple[str, str], Reservation | Claim] = {}
        self._place_of: dict[str, tuple[str, str]] = {}
        journal.follow(self._committed)

    async def reserve(self, scope: str, key: str, now: int) -> Reservation | Claim:
        """Return the claim that holds at `now`, or the right to make one.

        While another delivery with the same key is being decided on, this waits for its outcome.
        """
        place = (scope, key)
        while True:
            held = self._held.get(place)
            if isinstance(held, Reservation):
                await held.settled.wait()
                continue
            if held is not None and held.expires > now:
                await trio.lowlevel.checkpoint()
                return held
            return await self._ask(place, now)

    async def look(self, scope: str, key: str, now: int) -> Claim | None:
        """The claim that holds at `now`; reserves nothing."""
        held = self._held.get((scope, key))
        found = held if isinstance(held, Claim) else await self._stored((scope, key))
        return found if found is not None and found.expires > now else None

    def forget(self, claim: Claim) -> None:
        """The execution behind a claim was never made durable and is gone."""
        place = (claim.scope, claim.key)
        if self._held.get(place) == claim:
            self._drop(place)

    async def _ask(self, place: tuple[str, str], now: int) -> Reservation | Claim:
        reservation = self._held[place] = Reservation(self, place)
        try:
            stored = await self._stored(place)
        except BaseException:
            reservation.release()
            raise
        if stored is not None and stored.expires > now:
            reservation.release()
            return stored
        return reservation

    async def _stored(self, place: tuple[str, str]) -> Claim | None:
        return await self._journal.ask(lambda reader: reader.claim(*place))

    def _hold(self, place: tuple[str, str], claim: Claim) -> None:
        self._held[place] = claim
        self._place_of[claim.execution] = place

    def _drop(self, place: tuple[str, str]) -> None:
        held = self._held.pop(place, None)
        if isinstance(held, Claim):
            self._place_of.pop(held.execution, None)

    def _committed(self, entries: Sequence[Entry]) -> None:
        """What is durable now is the store's to answer for."""
        if not self._place_of:
            return
        for entry in entries:
            place = self._place_of.get(entry.header.exec) if entry.header.n == 0 else None
            if place is not None:
                self._drop(place)
