"""A test that hangs fails, and says where: every trio task with what it waits for, beside the stacks of all threads.

pytest-timeout does the work (`timeout` in pyproject.toml). Of a trio program it would show the event loop alone, and
raising there leaves the loop broken for the tests that follow; so a program under trio is interrupted as Ctrl-C would.
"""

import signal
import sys
import traceback
from collections.abc import Generator, Iterator
from types import FrameType
from typing import Any

import pytest
import pytest_timeout  # type: ignore[import-untyped]
import trio

OVER: "pytest.StashKey[float]" = pytest.StashKey()
"""Of a test whose time is over: how long it had, seconds."""


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """As pytest-timeout does it with a signal, but told by trio tasks and raised where trio can take it."""
    if settings.method != "signal":
        return None

    def over(_signal: int, _frame: FrameType | None) -> None:
        told = "".join(waiting())
        if not told:
            pytest_timeout.timeout_sigalrm(item, settings)
        sys.stderr.write(told)
        item.stash[OVER] = settings.timeout
        signal.raise_signal(signal.SIGINT)

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """An interruption that was the time-out's is that test's failure, and nobody's wish to stop."""
    try:
        yield
    except BaseException as error:
        seconds = item.stash.get(OVER, None)
        if seconds is None:
            raise
        del item.stash[OVER]
        raise TimeoutError(f"not done within {seconds:g} s; its trio tasks are told above") from error


def waiting() -> Iterator[str]:
    """Every trio task of this thread, indented below the one that started it; nothing outside of trio."""
    try:
        root = trio.lowlevel.current_root_task()
    except RuntimeError:
        return
    if root is not None:
        yield "\n~~~ trio tasks ~~~\n"
        yield from _told(root, 0)


def _told(task: trio.lowlevel.Task, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}{task.name}\n"
    for line in traceback.StackSummary.extract(task.iter_await_frames()).format():
        yield "".join(f"{'  ' * depth}  {part}\n" for part in line.rstrip().splitlines())
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _told(child, depth + 1)
