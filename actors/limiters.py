"""How much work beside the event loop goes on at once, each kind by itself: one that hangs keeps no other waiting."""

from typing import Final, Literal, TypeAlias

import trio

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
