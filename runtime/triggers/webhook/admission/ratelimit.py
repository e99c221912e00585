"""Token buckets as values: what is left, and when it was counted. The clock is the caller's."""

import math
from collections import OrderedDict
from enum import StrEnum

import msgspec

from hookledger.runtime.triggers.webhook.admission.settings import (
    Problem,
    Settings,
    check,
    check_duration,
    duration_seconds,
    read_settings,
)

BUCKETS_MAX = 10_000


class RateLimit(Settings, frozen=True, kw_only=True):
    """The `rateLimit:` block; `per` is TRIGGER, IP or an expression."""

    limit: int
    period: str = "PT1S"
    burst: int | None = None
    per: str = "TRIGGER"
    max_pending: int | None = None


class Per(StrEnum):
    """Built-in ways to share a limit; anything else in `per` is an expression."""

    TRIGGER = "TRIGGER"
    IP = "IP"


class Rate(msgspec.Struct, frozen=True):
    """A limit ready for use."""

    per_second: float
    burst: float


class Bucket(msgspec.Struct, frozen=True):
    """What is left of a limit at a time."""

    tokens: float
    at: float  # seconds on the caller's clock


def parse_rate_limit(raw: object, *, path: str = "rateLimit") -> tuple[RateLimit | None, list[Problem]]:
    """Read a `rateLimit:` block; with the value, or None and every problem."""
    limit, problems = read_settings(RateLimit, raw, path)
    if limit is None:
        return None, problems
    check(problems, f"{path}.limit", limit.limit < 1, "must be at least 1; use `disabled` to stop a trigger")
    check(problems, f"{path}.burst", (limit.burst or 1) < 1, "must be at least 1")
    check(problems, f"{path}.maxPending", (limit.max_pending or 1) < 1, "must be at least 1")
    check_duration(problems, f"{path}.period", limit.period)
    if not problems:
        check(problems, f"{path}.period", duration_seconds(limit.period) <= 0, "must be longer than zero")
    return (None if problems else limit), problems


def rate_of(limit: RateLimit) -> Rate:
    """Return the rate of a checked block."""
    return Rate(limit.limit / duration_seconds(limit.period), float(limit.burst or limit.limit))


def take(bucket: Bucket | None, now: float, rate: Rate, *, cost: float = 1.0) -> tuple[Bucket, bool, int]:
    """Take from a bucket (None: a full one).

    Returns:
        The bucket afterwards, whether it was allowed, and whole seconds to wait
        (for Retry-After; 0 when allowed). A clock that steps back gives nothing.
    """
    before = bucket or Bucket(rate.burst, now)
    gained = max(0.0, now - before.at) * rate.per_second
    tokens = min(rate.burst, before.tokens + gained)
    at = max(now, before.at)
    if tokens >= cost:
        return Bucket(tokens - cost, at), True, 0
    return Bucket(tokens, at), False, max(1, math.ceil((cost - tokens) / rate.per_second))


class Buckets:
    """Many buckets in bounded memory; the one unused for longest goes first.

    Forgetting a bucket refills it, so the bound must exceed the callers one
    expects within a period; a flood of addresses costs memory for `buckets_max`
    entries and nothing more.
    """

    def __init__(self, rate: Rate, *, buckets_max: int = BUCKETS_MAX) -> None:
        self._rate, self._max = rate, buckets_max
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def left(self, key: str, now: float) -> tuple[int, int]:
        """Whole tokens left for a key, and the seconds until its bucket is full again."""
        bucket = self._buckets.get(key) or Bucket(self._rate.burst, now)
        gained = max(0.0, now - bucket.at) * self._rate.per_second
        tokens = min(self._rate.burst, bucket.tokens + gained)
        return int(tokens), math.ceil((self._rate.burst - tokens) / self._rate.per_second)

    def headers(self, key: str, now: float) -> dict[str, str]:
        """What a caller may know of his limit.

        The fields of draft-ietf-httpapi-ratelimit-headers-10, and the three that came before them.
        """
        remaining, reset = self.left(key, now)
        limit, window = int(self._rate.burst), math.ceil(self._rate.burst / self._rate.per_second)
        return {
            "RateLimit-Policy": f'"webhook";q={limit};w={window}',
            "RateLimit": f'"webhook";r={remaining};t={reset}',
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": str(reset),
        }

    def take(self, key: str, now: float) -> tuple[bool, int]:
        """Take one from the key's bucket; whether it was allowed, and seconds to wait."""
        bucket, allowed, wait = take(self._buckets.pop(key, None), now, self._rate)
        self._buckets[key] = bucket
        if len(self._buckets) > self._max:
            self._buckets.popitem(last=False)
        return allowed, wait
