"""Time that no step of the wall clock moves, and what tells when the wall clock was stepped.

An execution reads the wall clock once, when it is taken up; from there its time goes on monotonically. So its waits
are as long as they were meant to be, however the wall clock is set meanwhile.
"""

import time
from collections.abc import Callable
from typing import Final

import trio

from hookledger.journal.ports import Clock, SystemClock

STEP_MIN: Final = 2_000_000
"""Microseconds: a wall clock that is further off than this was stepped."""


def elapsed(clock: Clock) -> int:
    """Microseconds since some moment; only differences mean something.

    Beside the system's clock a suspended machine's time counts too, where the system knows it.
    """
    if isinstance(clock, SystemClock):
        return _system_nanoseconds() // 1000
    return round(trio.current_time() * 1_000_000)


class ExecutionClock:
    """One execution's time, in microseconds since 1970-01-01 UTC."""

    __slots__ = ("_clock", "_offset")

    def __init__(self, clock: Clock, at: int = 0) -> None:
        """`at` is the time of its newest event: it is never behind that, even if the wall clock is."""
        self._clock = clock
        self._offset = max(clock.now(), at) - elapsed(clock)

    def now(self) -> int:
        """What time it is for the execution."""
        return self._offset + elapsed(self._clock)

    def reach(self, at: int) -> None:
        """Something happened at `at`: it is at least that late."""
        self._offset += max(0, at - self.now())

    def steady(self, at: int) -> int:
        """One of its times as `elapsed` will have it."""
        return at - self._offset


class ClockWatch:
    """Compares the wall clock with time that goes by."""

    def __init__(self, clock: Clock, on_step: Callable[[int], None]) -> None:
        self._clock = clock
        self._on_step = on_step
        self._offset = clock.now() - elapsed(clock)

    def look(self) -> None:
        """Tell of a step since the last look, in microseconds; below 0 when the clock was set back."""
        before = elapsed(self._clock)
        step = self._clock.now() - before - self._offset
        if abs(step) < STEP_MIN or elapsed(self._clock) - before >= STEP_MIN:
            return
        self._offset += step
        self._on_step(step)


def _system_nanoseconds() -> int:
    suspended_too = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if suspended_too is None else time.clock_gettime_ns(suspended_too)
