"""Finds the trigger a webhook URL names. Everything that is not reachable with the right key looks the same."""

import hmac
from collections.abc import Iterator, Mapping
from typing import Final, TypeGuard
from urllib.parse import quote, unquote

import msgspec

from hookledger.actors.engine import Engine
from hookledger.actors.flows import Revision
from hookledger.runtime.expressions import ExpressionError, Template
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.flow.templates import Tree, compile_tree, render_tree, source_of
from hookledger.runtime.triggers.webhook import WebhookSettings

PREFIXES: Final = ("/api/v1/main/executions/webhook/", "/api/v1/executions/webhook/")
KEYS_ALIKE: Final = 8
"""Flows with up to so many keys cannot be told from each other, nor from none."""
_ABSENT: Final = b"no webhook has this key"
_NONE: Final[frozenset[str]] = frozenset()


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook URL names."""

    namespace: str
    flow_id: str
    key: str


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """The trigger whose key it is."""

    flow: Flow
    trigger: Trigger
    settings: WebhookSettings
    unusable: str = ""
    """Why the newest source no longer parses; `flow` is then what remains of it."""
    key_index: int = 0
    """0 for the key, 1, 2, ... for `previousKeys`."""
    expired: bool = False
    """It is a previous key whose time is over."""
    secret_headers: frozenset[str] = frozenset()
    """Lower-case names of headers whose values are never written down."""
    secret_parameters: frozenset[str] = frozenset()


def webhook_path(namespace: str, flow_id: str, key: str) -> str:
    """The canonical path of a webhook."""
    return PREFIXES[0] + "/".join(quote(part, safe="") for part in (namespace, flow_id, key))


def parse_path(raw_path: str) -> Target | None:
    """Split a webhook path; None when it has not exactly the three parts namespace, flow and key.

    One slash behind them is none of the key, as Kestra has it.
    """
    for prefix in PREFIXES:
        if raw_path.startswith(prefix):
            parts = [unquote(part) for part in raw_path[len(prefix) :].removesuffix("/").split("/")]
            if len(parts) == 3 and all(parts):
                return Target(namespace=parts[0], flow_id=parts[1], key=parts[2])
            return None
    return None


def find(engine: Engine, target: Target | None) -> Match | None:
    """Return the trigger with that key.

    Every candidate is compared in constant time. A request that finds nothing costs the same number of renderings and
    comparisons whatever it asked for, so that time says nothing about which flows exist and how many keys they have.
    """
    given = (target.key if target else "").encode("utf-8", "surrogatepass")
    revision = engine.flows.newest(target.namespace, target.flow_id) if target else None
    unusable = revision.error if revision is not None else ""
    found: Match | None = None
    rendered = compared = 0
    for flow, trigger, settings in _candidates(revision):
        for index, tree, expires in _keys(settings):
            rendered += not is_literal(tree)
            key = _rendered(engine, flow, trigger, tree)
            compared += bool(key)
            if key and hmac.compare_digest(given, key.encode("utf-8", "surrogatepass")) and found is None:
                expired = bool(expires) and engine.ports.clock.now() >= expires
                found = matched(flow, trigger, settings, key_index=index, expired=expired, unusable=unusable)
    if found is None:
        _level(engine, given, rendered=rendered, compared=compared)
    return found


_NOBODY: Final = Flow(namespace="none", id="none", source="", sha256="")
_NOTHING: Final = Trigger(id="none", type="none", settings=None)
_DECOY: Final = compile_tree("{{ flow.id | upper }}")


def _level(engine: Engine, given: bytes, *, rendered: int, compared: int) -> None:
    """Do what was not done for want of candidates, up to the next multiple of `KEYS_ALIKE`."""
    for _ in range(_short_of(rendered)):
        _rendered(engine, _NOBODY, _NOTHING, _DECOY)
    for _ in range(_short_of(compared)):
        hmac.compare_digest(given, _ABSENT)


def _short_of(done: int) -> int:
    return -done % KEYS_ALIKE or (0 if done else KEYS_ALIKE)


def matched(
    flow: Flow,
    trigger: Trigger,
    settings: WebhookSettings,
    *,
    key_index: int = 0,
    expired: bool = False,
    unusable: str = "",
) -> Match:
    """A trigger ready for the pipeline."""
    return Match(
        flow=flow,
        trigger=trigger,
        settings=settings,
        unusable=unusable,
        key_index=key_index,
        expired=expired,
        secret_headers=settings.redaction.headers | _secret_headers(settings) | _signed_by(settings),
        secret_parameters=settings.redaction.parameters | _secret_names(settings, "QUERY"),
    )


def _keys(settings: WebhookSettings) -> Iterator[tuple[int, Tree, int]]:
    yield 0, settings.key, 0
    for index, previous in enumerate(settings.previous_keys, 1):
        yield index, previous.key, previous.expires


def _secret_headers(settings: WebhookSettings) -> frozenset[str]:
    """A certificate is no secret, but it names a person or a machine: the journal keeps its subject alone."""
    ways = [source_of(way) for way in settings.authentication]
    certificates = (str(way.get("header", "Client-Cert")) for way in ways if way.get("type") == "MTLS")
    return _secret_names(settings, "HEADER") | {name.lower() for name in certificates}


def _secret_names(settings: WebhookSettings, kind: str) -> frozenset[str]:
    """The headers or parameters that `authentication` reads its secrets from."""
    if not settings.authentication:
        return _NONE
    ways = [source_of(way) for way in settings.authentication]
    names = (str(way.get("name", "")) for way in ways if way.get("type") == kind)
    return frozenset(name.lower() if kind == "HEADER" else name for name in names)


def _signed_by(settings: WebhookSettings) -> frozenset[str]:
    """The headers that carry signatures: whoever reads the journal must not be able to send a delivery again."""
    if settings.signature is None:
        return _NONE
    families = settings.signature.scheme.recipe.families
    return frozenset(name.lower() for family in families for name in family.signature)


def rendered_key(engine: Engine, flow: Flow, trigger: Trigger, settings: WebhookSettings) -> str | None:
    """A trigger's key, trimmed; None when it cannot be rendered (a missing secret), which makes it unreachable."""
    return _rendered(engine, flow, trigger, settings.key)


def is_literal(tree: Tree) -> TypeGuard[Template]:
    """There is nothing to render in it."""
    return isinstance(tree, Template) and "{" not in tree.source


def _rendered(engine: Engine, flow: Flow, trigger: Trigger, tree: Tree) -> str | None:
    if is_literal(tree):
        return tree.source.strip()
    try:
        return str(render_tree(tree, key_variables(engine, flow, trigger), engine.ports.ambient())).strip()
    except ExpressionError:
        return None


def key_variables(engine: Engine, flow: Flow, trigger: Trigger) -> dict[str, object]:
    """What a key's expression sees: there is no execution yet."""
    return early_variables(flow, trigger, engine.ports.environment)


def early_variables(flow: Flow, trigger: Trigger, environment: Mapping[str, str]) -> dict[str, object]:
    """The same without an engine."""
    return {
        "flow": {
            "id": flow.id,
            "namespace": flow.namespace,
            "revision": flow.revision,
            "tenantId": "main",
        },
        "trigger": {"id": trigger.id, "type": trigger.type},
        "envs": environment,
        "vars": flow.variables,
    }


def _candidates(revision: Revision | None) -> list[tuple[Flow, Trigger, WebhookSettings]]:
    flow = None if revision is None else revision.flow or revision.remains
    if flow is None:
        return []
    return [
        (flow, trigger, trigger.settings)
        for trigger in flow.triggers
        if isinstance(trigger.settings, WebhookSettings)
    ]
