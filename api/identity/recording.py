"""What is written down about who came in: logins, logouts, and within bounds what was refused.

Anybody can be refused as often as they like, so refusals have buckets: one per address and kind, one for all
together. What does not fit is counted, and the next record of that kind says how many there were. A name nobody has
is not kept: it may be a password typed into the wrong field.
"""

from typing import Final

from hookledger.actors.engine import Engine
from hookledger.api.identity.limits import network_of
from hookledger.api.sampling import Sampling
from hookledger.journal.errors import JournalPoisoned
from hookledger.journal.events import AccessRecorded
from hookledger.journal.journal import Ticket
from hookledger.runtime.triggers.webhook.admission.ratelimit import Rate

PER_ADDRESS: Final = Rate(per_second=0.1, burst=20.0)
TOGETHER: Final = Rate(per_second=1.0, burst=200.0)
RESOURCE_CHARS_MAX: Final = 500
STRANGER: Final = "stranger:unknown"
"""By whom, when nobody knows."""


class Recording:
    """Writes to the system stream."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sampling = Sampling(engine.ports.clock, each=PER_ADDRESS, together=TOGETHER)

    async def done(self, by: str, action: str, *, remote: str = "") -> None:
        """Somebody did something; returns once that is durable.

        Raises:
            JournalPoisoned: It could not be written.
        """
        await self._append(by, action, "", "ok", remote, 0).durable()

    def refused(self, by: str, action: str, resource: str, outcome: str, *, remote: str) -> None:
        """Somebody was not let do something; never waits, and writes nothing once the buckets are empty."""
        suppressed = self._sampling.admit(f"{action} {network_of(remote)}", action)
        if suppressed is None:
            return
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
