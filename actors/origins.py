"""What an execution has before its first own event: nothing, or for a fork what its origin had."""

from collections.abc import Callable, Sequence
from typing import Any

from hookledger.journal.entry import Entry
from hookledger.journal.events import ExecutionForked
from hookledger.journal.journal import Journal
from hookledger.runtime.state import State, below, fold_all, forked

Entries = Callable[[str], Sequence[Entry]]
"""Gives an execution's entries."""


async def prefix_of(journal: Journal, events: Sequence[Any]) -> State:
    """The state behind which an execution's events are folded; of those only the first is looked at."""
    if not events or not isinstance(events[0], ExecutionForked):
        return State()
    return await journal.ask(lambda reader: before(reader.entries, events))


def before(entries_of: Entries, events: Sequence[Any]) -> State:
    """The same for synchronous callers."""
    first = events[0] if events else None
    if not isinstance(first, ExecutionForked):
        return State()
    return forked(origin_state(entries_of, first.origin, first.origin_sequence), first)


def events_before(entries_of: Entries, events: Sequence[Any]) -> list[Any]:
    """What a fork keeps of its origin's events; none for others. Their sequence numbers are the origin's."""
    first = events[0] if events else None
    if not isinstance(first, ExecutionForked):
        return []
    cut, forget = first.origin_sequence, first.forget
    told = [event for entry in entries_of(first.origin) for event in entry.events() if event.sequence < cut]
    kept = [event for event in told if not any(below(getattr(event, "path", ""), root) for root in forget)]
    return [*events_before(entries_of, told), *kept]


def origin_state(entries_of: Entries, execution_id: str, cut: int) -> State:
    """An execution's state after its first `cut` events."""
    events = [event for entry in entries_of(execution_id) for event in entry.events() if event.sequence < cut]
    told: Any = events
    return fold_all(told, before(entries_of, told))
