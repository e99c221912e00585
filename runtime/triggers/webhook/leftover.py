"""The webhook keys of a flow that no longer parses here: its callers learn that it is broken, and nobody else does.

A source that was fine when it was registered can stop parsing when a task type is uninstalled. Its YAML still says
which keys its webhooks have.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.flow.source import SourceInvalid, load
from hookledger.runtime.flow.templates import Tree, compile_tree
from hookledger.runtime.triggers.webhook.source import WebhookSource

SOURCES_KEPT = 64
"""Anybody can ask for a broken flow; reading its source again and again would cost more than a wrong key does."""


@lru_cache(maxsize=SOURCES_KEPT)
def leftover_keys(source: str) -> tuple[tuple[str, Tree], ...]:
    """Trigger id and key, still to be rendered, of each webhook that can be made out."""
    try:
        data: Any = load(source).data
    except SourceInvalid:
        return ()
    triggers = data.get("triggers") if isinstance(data, Mapping) else None
    listed: list[Any] = triggers if isinstance(triggers, list) else []
    return tuple(found for one in listed if isinstance(one, Mapping) and (found := _key(one)) is not None)


def _key(trigger: Mapping[Any, Any]) -> tuple[str, Tree] | None:
    key = trigger.get("key")
    if trigger.get("type") not in WebhookSource.types or not isinstance(key, str):
        return None
    try:
        return str(trigger.get("id", "")), compile_tree(key)
    except ExpressionError:
        return None
