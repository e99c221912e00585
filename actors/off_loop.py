"""Work whose size a stranger chooses runs in threads of its own, a few at a time, while the event loop goes on."""

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from hookledger.runtime.expressions.limits import Interrupted, brief

THREADS_MAX: Final = 2
"""More would only share the interpreter's lock; what waits for a turn waits without holding anybody up."""
SMALL_BYTES: Final = 32 * 1024

LARGE: Final = 256 * 1024
"""Weight from which on encoding and hashing is felt by others."""

Result = TypeVar("Result")
_limiters: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("off_loop")


async def off_loop(work: Callable[[], Result], *, size: int = SMALL_BYTES) -> Result:
    """Run work in a thread. It must not touch anything that changes, and is bound to end.

    Args:
        size: Bytes it works on, where that says how long it takes; few are worked on at once.
    """
    if size < SMALL_BYTES:
        return work()
    try:
        limiter = _limiters.get()
    except LookupError:
        limiter = trio.CapacityLimiter(THREADS_MAX)
        _limiters.set(limiter)
    return await trio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)


async def rendering(work: Callable[[], Result]) -> Result:
    """Run work that renders templates: here as long as it is little, else once more from its beginning in a thread.

    Args:
        work: Leaves nothing behind when it is interrupted; what it draws from outside it draws anew.
    """
    try:
        with brief():
            return work()
    except Interrupted:
        pass
    return await off_loop(work)
