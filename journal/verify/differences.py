"""How stored rows and counts differ from rebuilt ones, in words."""

from collections.abc import Mapping
from typing import Any, Final

from hookledger.journal.figures import MinuteKey
from hookledger.journal.index import ExecutionRow

NO_ROW: Final = "there is no row"


def difference(stored: ExecutionRow | None, rebuilt: ExecutionRow) -> str:
    """Name the first field in which two index rows differ; empty when they are equal."""
    if stored is None:
        return NO_ROW
    for name in ExecutionRow.__struct_fields__:
        has, wants = getattr(stored, name), getattr(rebuilt, name)
        if has != wants:
            return f"`{name}` is {has!r}, the entries say {wants!r}"
    return ""


def together(counts: dict[MinuteKey, int]) -> dict[str, int]:
    """Counts of all flows together, by state."""
    found: dict[str, int] = {}
    for (_, _, _, state), count in counts.items():
        found[state] = found.get(state, 0) + count
    return found


def unequal(stored: Mapping[Any, int], rebuilt: Mapping[Any, int]) -> str:
    """Name the first count that differs; empty when they are equal."""
    for key in [*rebuilt, *stored]:
        has, wants = stored.get(key, 0), rebuilt.get(key, 0)
        if has != wants:
            return f"{key} is counted {has} times, the entries have {wants}"
    return ""
