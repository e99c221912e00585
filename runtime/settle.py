"""What follows from an end. Of an attempt: go on, warn, try again, or fail. Of an execution: another. Pure."""

from typing import NamedTuple

from hookledger.journal.events import Next, Outcome
from hookledger.runtime.flow.model import Flow, Retry, Task
from hookledger.runtime.locate import locate
from hookledger.runtime.retrying import next_attempt, retry_delay
from hookledger.runtime.state import Run, State


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
        warned = task.retry is not None and task.retry.warning_on_retry and run.attempts - run.earlier > 1
        return Settled("continue" if warned and not task.allow_warning else "next")
    if outcome in ("killed", "not_started"):
        return Settled("fail")
    retry_at = _retry_at(task.retry, run, now, seed)
    if retry_at:
        return Settled("retry", retry_at)
    if task.allow_failure:
        return Settled("next" if task.allow_warning else "continue")
    return Settled("fail")


def _retry_at(retry: Retry | None, run: Run, now: int, seed: str) -> int:
    return next_attempt(
        retry, run.attempts - run.earlier, first=run.first_started, now=now, seed=f"{seed}:{run.path}"
    )


def retry_due(flow: Flow, state: State, failed: str) -> int | None:
    """When a new execution takes the place of this one (`CREATE_NEW_EXECUTION`), in microseconds; None for never.

    Args:
        failed: Path of the task that failed.
    """
    received, retry = state.received, _retry_of(flow, state, failed)
    if received is None or retry is None or (retry.max_attempts and received.attempt >= retry.max_attempts):
        return None
    return state.at + retry_delay(retry, received.attempt, received.seed)


def _retry_of(flow: Flow, state: State, failed: str) -> Retry | None:
    """The failed task's own retry, or that of a block around it or the flow, if it wants a new execution."""
    found = locate(flow, state.branches, failed) if failed else None
    for retry in (found[0].retry if found else None, flow.retry):
        if retry is not None and retry.behavior == "CREATE_NEW_EXECUTION":
            return retry
    return None
