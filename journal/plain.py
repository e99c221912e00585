"""The journal as plain data, for programs: one shape for the command line and the API."""

import base64
from collections.abc import Sequence
from typing import Any

import msgspec

from hookledger.journal.entry import Entry
from hookledger.journal.events import AnyEvent


def history_fields(execution: str, entries: Sequence[Entry]) -> dict[str, Any]:
    """An execution's events, and the entries that prove them."""
    return {
        "execution": execution,
        "events": [event_fields(event) for entry in entries for event in entry.events()],
        "entries": [entry_fields(entry) for entry in entries],
    }


def event_fields(event: AnyEvent) -> dict[str, Any]:
    """An event: `sequence`, `type`, `at`, then its own fields."""
    plain: dict[str, Any] = msgspec.to_builtins(event)
    return {"sequence": event.sequence, "type": plain["type"], "at": event.at} | plain


def entry_fields(entry: Entry) -> dict[str, Any]:
    """An entry's header and leaf; the payload is what its events say."""
    return {"header": msgspec.to_builtins(entry.header), "leaf": base64.b64encode(entry.leaf).decode()}
