"""When something that failed is tried again. Pure."""

import hashlib

from hookledger.runtime.flow.model import Retry


def next_attempt(retry: Retry | None, attempts: int, *, first: int, now: int, seed: str) -> int:
    """When what has failed `attempts` times is tried again; 0 for never. Times are microseconds."""
    if retry is None or retry.behavior != "RETRY_FAILED_TASK":
        return 0
    if retry.max_attempts and attempts >= retry.max_attempts:
        return 0
    due = now + retry_delay(retry, attempts, seed)
    return 0 if retry.max_duration and due > first + retry.max_duration else due


def retry_delay(retry: Retry, attempts: int, seed: str) -> int:
    """Microseconds until the next attempt, after `attempts` failed ones."""
    if retry.type == "exponential":
        grown = retry.interval * retry.delay_factor ** min(attempts - 1, 64)
        return int(min(grown, retry.max_interval or grown))
    if retry.type == "random":
        digest = hashlib.sha256(f"{seed}:{attempts}".encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        return retry.min_interval + int(share * (retry.max_interval - retry.min_interval))
    return retry.interval
