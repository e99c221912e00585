"""Outside things the journal needs handed in, so that a simulation can replace them."""

import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time."""

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class Entropy(Protocol):
    """Randomness."""

    def token(self, size: int) -> bytes:
        """`size` random bytes."""
        ...


class SystemClock:
    """The operating system's clock: the only place of the product that reads it."""

    def now(self) -> int:
        return time.time_ns() // 1000


class SystemEntropy:
    """The operating system's random source."""

    def token(self, size: int) -> bytes:
        return secrets.token_bytes(size)
