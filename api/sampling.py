"""Refusals within bounds: anybody can be refused as often as they like, and the journal must not grow by it."""

from hookledger.journal.ports import Clock
from hookledger.runtime.triggers.webhook.admission.ratelimit import Buckets, Rate


class Sampling:
    """A bucket for each scope and one for all together; what does not fit is counted."""

    def __init__(self, clock: Clock, *, each: Rate, together: Rate) -> None:
        self._clock = clock
        self._each = Buckets(each)
        self._together = Buckets(together)
        self._suppressed: dict[str, int] = {}

    def admit(self, scope: str, kind: str) -> int | None:
        """How many of this kind were only counted since the last that was written; None when this is one more."""
        now = self._clock.now() / 1_000_000
        if self._each.take(scope, now)[0] and self._together.take("", now)[0]:
            return self._suppressed.pop(kind, 0)
        self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
        return None
