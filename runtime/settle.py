"""What follows from an attempt's end: go on, warn, try again (and when), or fail. Pure."""

import hashlib
from typing import NamedTuple

from hookledger.journal.events import Next, Outcome
from hookledger.runtime.flow.model import Retry, Task
from hookledger.runtime.state import Run


class Settled(NamedTuple):
    """The `next` of a TaskReturned and, for a retry, its time in microseconds."""

    next: Next
    retry_at: int = 0


def settle(task: Task, run: Run, outcome: Outcome, *, exiting: bool, now: int, seed: str) -> Settled:
    """Decide what an attempt's outcome means for its task.

    Args:
        run: The task's run with this attempt still open.
        exiting: The task asked to end the execution.
        now: Microseconds.
        seed: The execution's entropy; a random delay is drawn from it, path and attempt, so it can be drawn again.
    """
    if exiting:
        return Settled("exit")
    if outcome in ("ok", "skipped"):
        warned = task.retry is not None and task.retry.warning_on_retry and run.attempts > 1
        return Settled("continue" if warned and not task.allow_warning else "next")
    if outcome == "killed":
        return Settled("fail")
    retry_at = _retry_at(task.retry, run, now, seed)
    if retry_at:
        return Settled("retry", retry_at)
    if task.allow_failure:
        return Settled("next" if task.allow_warning else "continue")
    return Settled("fail")


def _retry_at(retry: Retry | None, run: Run, now: int, seed: str) -> int:
    if retry is None or retry.behavior != "RETRY_FAILED_TASK":
        return 0
    if retry.max_attempts and run.attempts >= retry.max_attempts:
        return 0
    due = now + retry_delay(retry, run.attempts, f"{seed}:{run.path}")
    if retry.max_duration and due > run.first_started + retry.max_duration:
        return 0
    return due


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
