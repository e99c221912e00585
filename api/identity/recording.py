"""What is written down about who came in: logins, logouts, and within bounds what was refused.

Anybody can be refused as often as they like, so refusals have buckets: one per address and kind, one for all
together. What does not fit is counted, and the next record of that kind says how many there were. A name nobody has
is not kept: it may be a password typed into the wrong field.
"""

from typing import Final

from hookledger.actors.engine import Engine
from hookledger.api.identity.limits import network_of
from hookledger.journal.errors import JournalPoisoned
from hookledger.journal.events import AccessRecorded
from hookledger.journal.journal import Ticket
from hookledger.runtime.triggers.webhook.admission.ratelimit import Buckets, Rate

PER_ADDRESS: Final = Rate(per_second=0.1, burst=20.0)
TOGETHER: Final = Rate(per_second=1.0, burst=200.0)
RESOURCE_CHARS_MAX: Final = 500
STRANGER: Final = "stranger:unknown"
"""By whom, when nobody knows."""


class Recording:
    """Writes to the system stream."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._per_address = Buckets(PER_ADDRESS)
        self._together = Buckets(TOGETHER)
        self._suppressed: dict[str, int] = {}

    async def done(self, by: str, action: str, *, remote: str = "") -> None:
        """Somebody did something; returns once that is durable.

        Raises:
            JournalPoisoned: It could not be written.
        """
        await self._append(by, action, "", "ok", remote, 0).durable()

    def refused(self, by: str, action: str, resource: str, outcome: str, *, remote: str) -> None:
        """Somebody was not let do something; never waits, and writes nothing once the buckets are empty."""
        if not self._room(f"{action} {network_of(remote)}"):
            self._suppressed[action] = self._suppressed.get(action, 0) + 1
            return
        suppressed = self._suppressed.pop(action, 0)
        try:
            self._append(by, action, resource[:RESOURCE_CHARS_MAX], outcome, remote, suppressed)
        except JournalPoisoned:
            return  # the refusal stands

    def _append(
        self, by: str, action: str, resource: str, outcome: str, remote: str, suppressed: int
    ) -> Ticket:
        return self._engine.journal.append_system(
            lambda sequence, at: AccessRecorded(
                sequence=sequence,
                at=at,
                by=by,
                action=action,
                resource=resource,
                outcome=outcome,
                remote=remote,
                suppressed=suppressed,
            ),
            actor=by,
        )

    def _room(self, scope: str) -> bool:
        now = self._engine.ports.clock.now() / 1_000_000
        return self._per_address.take(scope, now)[0] and self._together.take("", now)[0]
