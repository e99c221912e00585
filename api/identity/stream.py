"""The system stream, asked for a few kinds of events."""

from collections.abc import Sequence
from typing import Any

from hookledger.journal.entry import SYSTEM
from hookledger.journal.events import AnyEvent
from hookledger.journal.journal import Journal
from hookledger.journal.store import Reader


async def system_events(
    journal: Journal, kinds: Sequence[type[AnyEvent]], *, limit: int | None = None, offset: int = 0
) -> tuple[list[Any], int]:
    """Durable system events of these kinds, newest first, and how many there are.

    Erased entries are left out. Only the headers of other entries are looked at.
    """
    names = frozenset(kind.__name__ for kind in kinds)

    def question(reader: Reader) -> tuple[list[Any], int]:
        entries = [entry for entry in reader.entries(SYSTEM) if names.intersection(entry.header.types)]
        wanted = [entry for entry in reversed(entries) if entry.payload is not None]
        end = None if limit is None else offset + limit
        events = [event for entry in wanted[offset:end] for event in entry.events()]
        return events, len(wanted)

    return await journal.ask(question)
