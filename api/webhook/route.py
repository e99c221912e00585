"""Finds the trigger a webhook URL names. Everything that is not reachable with the right key looks the same."""

import hmac
from typing import Final
from urllib.parse import unquote

import msgspec

from hookledger.actors.engine import Engine
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.flow.templates import render_tree
from hookledger.runtime.triggers.webhook import WebhookSettings

PREFIXES: Final = ("/api/v1/main/executions/webhook/", "/api/v1/executions/webhook/")
_ABSENT: Final = b"no webhook has this key"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook URL names."""

    namespace: str
    flow_id: str
    key: str


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """The trigger whose key it is. `flow` is None when the newest source no longer parses."""

    flow: Flow
    trigger: Trigger
    settings: WebhookSettings


def parse_path(raw_path: str) -> Target | None:
    """Split a webhook path; None when it has not exactly the three parts namespace, flow and key."""
    for prefix in PREFIXES:
        if raw_path.startswith(prefix):
            parts = [unquote(part) for part in raw_path[len(prefix) :].split("/")]
            if len(parts) == 3 and all(parts):
                return Target(namespace=parts[0], flow_id=parts[1], key=parts[2])
            return None
    return None


def find(engine: Engine, target: Target | None) -> Match | None:
    """Return the trigger with that key.

    Every candidate is compared in constant time, and one comparison is made even where there is no candidate.
    """
    given = (target.key if target else "").encode("utf-8", "surrogatepass")
    found: Match | None = None
    for flow, trigger, settings in _candidates(engine, target):
        key = rendered_key(engine, flow, trigger, settings)
        if key and hmac.compare_digest(given, key.encode()) and found is None:
            found = Match(flow=flow, trigger=trigger, settings=settings)
    hmac.compare_digest(given, _ABSENT)
    return found


def rendered_key(engine: Engine, flow: Flow, trigger: Trigger, settings: WebhookSettings) -> str | None:
    """A trigger's key, trimmed; None when it cannot be rendered (a missing secret), which makes it unreachable."""
    try:
        return str(
            render_tree(settings.key, key_variables(engine, flow, trigger), engine.ports.ambient())
        ).strip()
    except ExpressionError:
        return None


def key_variables(engine: Engine, flow: Flow, trigger: Trigger) -> dict[str, object]:
    """What a key's expression sees: there is no execution yet."""
    return {
        "flow": {
            "id": flow.id,
            "namespace": flow.namespace,
            "revision": flow.revision,
            "tenantId": "main",
        },
        "trigger": {"id": trigger.id, "type": trigger.type},
        "envs": engine.ports.environment,
        "vars": flow.variables,
    }


def _candidates(engine: Engine, target: Target | None) -> list[tuple[Flow, Trigger, WebhookSettings]]:
    revision = engine.flows.newest(target.namespace, target.flow_id) if target else None
    if revision is None or revision.flow is None:
        return []
    flow = revision.flow
    return [
        (flow, trigger, trigger.settings)
        for trigger in flow.triggers
        if isinstance(trigger.settings, WebhookSettings)
    ]
