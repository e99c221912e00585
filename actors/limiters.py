"""How much work beside the event loop goes on at once, each kind by itself: one that hangs keeps no other waiting."""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, TypeVar

import trio

Result = TypeVar("Result")

Kind: TypeAlias = Literal[
    "calculating", "deciding", "names", "files", "flows", "sources", "opening", "processes"
]

AT_ONCE: Final[dict[Kind, int]] = {
    "calculating": 2,
    "deciding": 2,
    "names": 64,
    "files": 16,
    "flows": 2,
    "sources": 2,
    "opening": 1,
    "processes": 32,
}
"""`files` are stored bodies, `flows` the files of the flows directory, which may lie on another, slower disk;
`sources` are flows that people check, compare or look at, `opening` is the journal's.
More threads that calculate would only share the interpreter's lock."""

_limiters: trio.lowlevel.RunVar[dict[Kind, trio.CapacityLimiter]] = trio.lowlevel.RunVar("limiters")


def limiter(kind: Kind) -> trio.CapacityLimiter:
    """The limiter of a kind of work in this run of trio."""
    try:
        found = _limiters.get()
    except LookupError:
        found = {}
        _limiters.set(found)
    if kind not in found:
        found[kind] = trio.CapacityLimiter(AT_ONCE[kind])
    return found[kind]


_inline: trio.lowlevel.RunVar[bool] = trio.lowlevel.RunVar("inline", False)


def calculate_inline() -> None:
    """From here on this run of trio calculates without threads: a virtual clock would run ahead of them."""
    _inline.set(True)


async def calculated(kind: Kind, work: Callable[[], Result]) -> Result:
    """Do a calculation that leaves nothing behind, beside the event loop."""
    if _inline.get():
        await trio.lowlevel.checkpoint()
        return work()
    return await trio.to_thread.run_sync(work, limiter=limiter(kind), abandon_on_cancel=True)
