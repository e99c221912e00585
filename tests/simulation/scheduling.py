"""Runs a program under trio with a virtual clock and a scheduler that a seed decides.

Trio shuffles what is ready to run. The flag and the random source used here are the hook it keeps for Hypothesis;
both are private, so `missing_hooks` says what a trio version lacks and a canary test fails on it.
"""

import random
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import trio
import trio.testing
from trio._core import _run

from hookledger.actors.limiters import calculate_inline

T = TypeVar("T")

FLAG: Final = "_ALLOW_DETERMINISTIC_SCHEDULING"
SOURCE: Final = "_r"


def missing_hooks() -> list[str]:
    """Names that this module sets and the installed trio no longer has."""
    found: Any = _run
    missing = [name for name in (FLAG, SOURCE) if not hasattr(found, name)]
    if not isinstance(getattr(found, SOURCE, None), random.Random):
        missing.append(f"{SOURCE} as a random.Random")
    return missing


@contextmanager
def seeded_scheduler(seed: int | str) -> Generator[None]:
    """Let the seed decide the order of tasks, until the block ends."""
    module: Any = _run
    flag, state = module._ALLOW_DETERMINISTIC_SCHEDULING, module._r.getstate()
    module._ALLOW_DETERMINISTIC_SCHEDULING = True
    module._r.seed(seed)
    try:
        yield
    finally:
        module._ALLOW_DETERMINISTIC_SCHEDULING = flag
        module._r.setstate(state)


def run_seeded(seed: int | str, program: Callable[[], Awaitable[T]]) -> T:
    """Run a program; time passes only when every task waits, and threads do not share in it."""

    async def alone() -> T:
        calculate_inline()
        return await program()

    with seeded_scheduler(seed):
        return trio.run(alone, clock=trio.testing.MockClock(autojump_threshold=0))
