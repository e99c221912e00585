"""Execution ids: 22 base-62 characters that hold time, partition and randomness, and sort by time.

The layout is milliseconds since 1970 (9 characters), partition (2), randomness (11 characters, 65 bits). An
execution never leaves its partition, so its id says where it lives.
"""

import hashlib
from typing import Final

from hookledger.journal.ports import Clock, Entropy

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TIME_WIDTH: Final = 9
_PARTITION_WIDTH: Final = 2
_RANDOM_WIDTH: Final = 11
ID_LENGTH: Final = _TIME_WIDTH + _PARTITION_WIDTH + _RANDOM_WIDTH


def new_id(clock: Clock, entropy: Entropy, partition: int = 0) -> str:
    """Return a fresh execution id."""
    random = int.from_bytes(entropy.token(10), "big") % 62**_RANDOM_WIDTH
    return (
        _base62(clock.now() // 1000, _TIME_WIDTH)
        + _base62(partition, _PARTITION_WIDTH)
        + _base62(random, _RANDOM_WIDTH)
    )


def is_id(text: str) -> bool:
    """True for a text that could be an execution id."""
    return len(text) == ID_LENGTH and text.isascii() and text.isalnum()


def _base62(number: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def derived_id(origin: str, what: str) -> str:
    """An id that follows from another one: same time and partition, so it sorts beside its origin."""
    digest = int.from_bytes(hashlib.sha256(f"{origin}:{what}".encode()).digest()[:10], "big")
    head = origin[: _TIME_WIDTH + _PARTITION_WIDTH].ljust(_TIME_WIDTH + _PARTITION_WIDTH, "0")
    return head + _base62(digest % 62**_RANDOM_WIDTH, _RANDOM_WIDTH)


def scheduled_id(namespace: str, flow: str, trigger: str, time: int, partition: int = 0) -> str:
    """The id of what a schedule starts at a time (microseconds): the same however often it is asked."""
    head = _base62(time // 1000, _TIME_WIDTH) + _base62(partition, _PARTITION_WIDTH)
    return derived_id(head, f"{namespace}/{flow}/{trigger}@{time}")


def time_of(execution_id: str) -> int:
    """The time an id holds, microseconds: of the start, or of the schedule."""
    milliseconds = 0
    for character in execution_id[:_TIME_WIDTH]:
        milliseconds = milliseconds * 62 + _ALPHABET.index(character)
    return milliseconds * 1000
