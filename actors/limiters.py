"""How much work beside the event loop goes on at once, each kind by itself: one that hangs keeps no other waiting."""

from typing import Final, Literal, TypeAlias

import trio

Kind: TypeAlias = Literal["deciding", "names", "files", "processes"]

AT_ONCE: Final[dict[Kind, int]] = {"deciding": 2, "names": 64, "files": 16, "processes": 32}

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
