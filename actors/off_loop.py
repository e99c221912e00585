"""Work whose size a stranger chooses runs in threads of its own, a few at a time, while the event loop goes on."""

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from hookledger.actors.limiters import calculated
from hookledger.runtime.expressions.limits import Interrupted, brief

SMALL_BYTES: Final = 32 * 1024

LARGE: Final = 256 * 1024
"""Weight from which on encoding and hashing is felt by others."""

AT_ONCE: Final = 16
"""Items of one piece of work that are done before others may go on."""

Result = TypeVar("Result")


async def turn(number: int) -> None:
    """Behind item `number` (from 1) of many: after every few of them all other tasks have their turn."""
    if not number % AT_ONCE:
        await trio.lowlevel.checkpoint()


async def off_loop(work: Callable[[], Result], *, size: int = SMALL_BYTES) -> Result:
    """Run work in a thread. It must not touch anything that changes, and is bound to end.

    Args:
        size: Bytes it works on, where that says how long it takes; few are worked on at once.
    """
    if size < SMALL_BYTES:
        return work()
    return await calculated("calculating", work)


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
