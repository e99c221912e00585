"""What follows from an attempt's end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.journal.events import Outcome
from hookledger.runtime.flow.model import Retry, Task
from hookledger.runtime.retrying import retry_delay
from hookledger.runtime.settle import Settled, settle
from hookledger.runtime.state import Run
from hookledger.runtime.tasks.log import Log

SECOND = 1_000_000


def _task(*, retry: Retry | None = None, allow_failure: bool = False, allow_warning: bool = False) -> Task:
    return Task(
        id="t",
        kind=Log,
        type=Log.types[0],
        properties={},
        retry=retry,
        allow_failure=allow_failure,
        allow_warning=allow_warning,
    )


def _settled(
    task: Task, outcome: Outcome, *, attempts: int = 1, now: int = 100 * SECOND, first: int = 0
) -> Settled:
    run = Run(path="t", task="t", state="RUNNING", attempts=attempts, first_started=first)
    return settle(task, run, outcome, exiting=False, now=now, seed="00")


@pytest.mark.parametrize("outcome", ["ok", "skipped"])
def test_a_good_end_goes_on(outcome: Outcome) -> None:
    """
    A task that worked, or was skipped, lets the next one begin.
    """
    assert _settled(_task(), outcome) == Settled("next")


@pytest.mark.parametrize("outcome", ["error", "timeout"])
def test_a_bad_end_fails_unless_it_is_allowed(outcome: Outcome) -> None:
    """
    allowFailure turns a failure into a warning, allowWarning turns that into a success; a timeout is a failure.
    """
    assert _settled(_task(), outcome) == Settled("fail")
    assert _settled(_task(allow_warning=True), outcome) == Settled("fail")
    assert _settled(_task(allow_failure=True), outcome) == Settled("continue")
    assert _settled(_task(allow_failure=True, allow_warning=True), outcome) == Settled("next")


def test_a_killed_attempt_is_never_tried_again() -> None:
    """
    Neither retry nor allowFailure applies to what somebody stopped.
    """
    task = _task(retry=Retry(interval=SECOND), allow_failure=True)
    assert _settled(task, "killed") == Settled("fail")


def test_retries_come_before_allow_failure() -> None:
    """
    allowFailure applies only after the retries are used up; maxAttempts counts the first attempt.
    """
    task = _task(retry=Retry(interval=SECOND, max_attempts=3), allow_failure=True)
    now = 100 * SECOND
    assert _settled(task, "error", attempts=1) == Settled("retry", now + SECOND)
    assert _settled(task, "timeout", attempts=2) == Settled("retry", now + SECOND)
    assert _settled(task, "error", attempts=3) == Settled("continue")


def test_no_retry_begins_behind_its_longest_duration() -> None:
    """
    maxDuration counts from the first attempt's begin to the next one's.
    """
    task = _task(retry=Retry(interval=10 * SECOND, max_duration=60 * SECOND))
    assert _settled(task, "error", now=50 * SECOND).next == "retry"
    assert _settled(task, "error", now=51 * SECOND).next == "fail"


def test_warning_on_retry_marks_a_late_success() -> None:
    """
    warningOnRetry: success at the first attempt is a success, later ones are warnings unless allowWarning.
    """
    retry = Retry(interval=SECOND, warning_on_retry=True)
    assert _settled(_task(retry=retry), "ok", attempts=1) == Settled("next")
    assert _settled(_task(retry=retry), "ok", attempts=2) == Settled("continue")
    assert _settled(_task(retry=retry, allow_warning=True), "ok", attempts=2) == Settled("next")


@given(st.integers(1, 200), st.integers(1, 3600), st.integers(1, 3600))
def test_delays_stay_within_their_bounds(attempts: int, low: int, more: int) -> None:
    """
    Exponential delays never pass maxInterval, random ones lie between their bounds, and both can be drawn again.
    """
    grown = Retry(type="exponential", interval=low, max_interval=low + more)
    drawn = Retry(type="random", min_interval=low, max_interval=low + more)
    assert low <= retry_delay(grown, attempts, "s") <= low + more
    assert low <= retry_delay(drawn, attempts, "s") <= low + more
    assert retry_delay(drawn, attempts, "s") == retry_delay(drawn, attempts, "s")
    assert retry_delay(Retry(interval=low), attempts, "s") == low
