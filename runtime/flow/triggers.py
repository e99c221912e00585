"""Reads the triggers of a flow."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from hookledger.runtime.flow.conditions import read_conditions
from hookledger.runtime.flow.fields import Collector, check_fields, flags, in_upper_case, present
from hookledger.runtime.flow.labels import is_reserved, label_pairs
from hookledger.runtime.flow.model import Trigger
from hookledger.runtime.flow.problems import Path, suggestion
from hookledger.runtime.flow.sources import IGNORED_OF_TRIGGERS, TriggerSource
from hookledger.runtime.flow.templates import Tree, compile_tree, source_of
from hookledger.runtime.triggers.after_flow import AfterFlowSource, read_after_flow
from hookledger.runtime.triggers.schedule import ScheduleSource, read_schedule
from hookledger.runtime.triggers.webhook import WebhookSettings, WebhookSource, read_webhook

_COMMON = TriggerSource.__struct_encode_fields__

CORRELATION = "system.correlationId"
"""The engine's label that a trigger may set: what a delivery belongs to is known to its author alone."""

Reader = Callable[[dict[str, Any], Path, Collector], Any]

KINDS: tuple[tuple[type[msgspec.Struct], Reader], ...] = (
    (WebhookSource, read_webhook),
    (ScheduleSource, read_schedule),
    (AfterFlowSource, read_after_flow),
)


def trigger_types() -> dict[str, tuple[type[msgspec.Struct], Reader, str]]:
    """Every name of a trigger type, with its shape, its reader and its canonical name."""
    return {
        name: (source, reader, source.types[0])  # type: ignore[attr-defined]
        for source, reader in KINDS
        for name in source.types  # type: ignore[attr-defined]
    }


def read_triggers(data: object, path: Path, found: Collector) -> tuple[Trigger, ...]:
    """Read a flow's `triggers`."""
    if data is None:
        return ()
    if not isinstance(data, list):
        found.add(path, "expected a list of triggers, each beginning with `- id:`")
        return ()
    triggers = [_trigger(item, (*path, index), found) for index, item in enumerate(data)]
    _unique([trigger for trigger in triggers if trigger is not None], path, found)
    return tuple(trigger for trigger in triggers if trigger is not None)


def _trigger(data: object, path: Path, found: Collector) -> Trigger | None:
    if not isinstance(data, Mapping):
        found.add(path, "expected a trigger with `id:` and `type:`")
        return None
    known = trigger_types()
    name = data.get("type")
    if not isinstance(name, str) or name not in known:
        what = f"unknown trigger type `{name}`" if name is not None else "`type` is missing"
        found.add((*path, "type"), f"{what}; {suggestion(str(name), known)}")
        return None
    source, reader, canonical = known[name]
    data = in_upper_case(source, present(present(data, source), TriggerSource))
    before = len(found.problems)
    check_fields(TriggerSource, {n: v for n, v in data.items() if n in _COMMON}, path, found)
    check_fields(source, data, path, found, elsewhere=_COMMON, known=_COMMON)
    plain = {**data, **flags(TriggerSource, data, path, found), **flags(source, data, path, found)}
    settings = reader(plain, path, found) if len(found.problems) == before else None
    _ignored(data, path, found)
    if settings is None:
        return None
    return Trigger(
        id=str(data["id"]),
        type=canonical,
        settings=settings,
        disabled=bool(plain.get("disabled", False)),
        when=_condition(data.get("when")),
        conditions=read_conditions(data.get("conditions"), (*path, "conditions"), found),
        inputs=compile_tree(data.get("inputs")),
        labels=compile_tree(_label_map(data.get("labels"), (*path, "labels"), found)),
        stop_after=tuple(data.get("stopAfter") or ()),
        fail_on_error=plain.get("failOnTriggerError") is True,
    )


def _condition(value: object) -> Tree | None:
    if value is None:
        return None
    return compile_tree(str(value).lower() if isinstance(value, bool) else value)


def _label_map(labels: object, path: Path, found: Collector) -> dict[str, Any] | None:
    """Values may be expressions, so only the names are judged now."""
    read: dict[str, Any] = {}
    for key, value, where in label_pairs(labels, path, found):
        if is_reserved(key) and key != CORRELATION:
            found.add(where, f"labels that begin with `system.` are set by the engine; rename `{key}`")
        read[key] = value
    return read or None


def _unique(triggers: list[Trigger], path: Path, found: Collector) -> None:
    """Ids are unique; so are the keys of a flow's webhooks, or one of them could never be reached."""
    ids: set[str] = set()
    keys: dict[str, str] = {}
    for index, trigger in enumerate(triggers):
        if trigger.id in ids:
            found.add((*path, index, "id"), f"the trigger id `{trigger.id}` is used twice")
        ids.add(trigger.id)
        if isinstance(trigger.settings, WebhookSettings):
            for place, tree in _keys(trigger.settings):
                key = str(source_of(tree)).strip()
                if key in keys:
                    message = (
                        f"`{keys[key]}` has the same key, so this could never be reached; give it another"
                    )
                    found.add((*path, index, *place), message)
                keys.setdefault(key, trigger.id)


def _keys(settings: WebhookSettings) -> Iterator[tuple[Path, Tree]]:
    """A webhook's keys and where they stand."""
    yield ("key",), settings.key
    for index, previous in enumerate(settings.previous_keys):
        yield ("previousKeys", index, "key"), previous.key


def _ignored(data: Mapping[str, Any], path: Path, found: Collector) -> None:
    for name, why in IGNORED_OF_TRIGGERS.items():
        if name in data:
            found.warn((*path, name), f"`{name}` has no effect: {why}")
