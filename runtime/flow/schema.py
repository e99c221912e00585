"""A JSON Schema of flows, for editors: `hookledger flow schema`.

Made from the very Structs that check flows, so it cannot say something else than the loader. A property of a task
also accepts a text with an expression.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from hookledger.runtime.flow.inputs import INPUT_TYPES
from hookledger.runtime.flow.sources import FlowSource, TaskSource, TriggerSource
from hookledger.runtime.flow.triggers import KINDS
from hookledger.runtime.tasks.base import TaskKind
from hookledger.runtime.tasks.registry import TaskRegistry

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/{name}"
_TASKS: Final = {"type": "array", "items": {"$ref": "#/$defs/Task"}}
_EXPRESSION: Final = {"type": "string", "pattern": r"\{\{|\{%"}


def flow_schema(registry: TaskRegistry) -> dict[str, Any]:
    """The schema of a whole flow file."""
    definitions: dict[str, Any] = {}
    kinds = registry.kinds()
    flow = _object(FlowSource, definitions)
    flow["properties"] |= dict.fromkeys(("tasks", "errors", "finally", "afterExecution"), _TASKS)
    flow["properties"]["triggers"] = {"type": "array", "items": {"$ref": "#/$defs/Trigger"}}
    flow["properties"]["inputs"] = {"type": "array", "items": _input()}
    definitions["Task"] = _chosen((kind.types, _task(kind, definitions)) for kind in kinds)
    definitions["Trigger"] = _chosen(
        (source.types, _merged(TriggerSource, source, definitions))  # type: ignore[attr-defined]
        for source, _ in KINDS
    )
    return {"$schema": DIALECT, "title": "Hookledger flow", **flow, "$defs": definitions}


def _task(kind: type[TaskKind], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _merged(TaskSource, kind, definitions)
    derived = set(kind.derived({}))
    own = set(kind.__struct_encode_fields__)
    for name in own:
        schema["properties"][name] = {"anyOf": [schema["properties"][name], _EXPRESSION]}
    for block in kind.blocks:
        name, star, _ = block.partition(".")
        many = {"type": "object", "additionalProperties": _TASKS}
        schema["properties"][name] = many if star else _block(kind, name)
    schema["properties"] = {
        name: value for name, value in schema["properties"].items() if name not in derived
    }
    return schema


def _block(kind: type[TaskKind], name: str) -> dict[str, Any]:
    if name in kind.single:
        return {"$ref": "#/$defs/Task"}
    if name not in kind.wrapped:
        return dict(_TASKS)
    item = {
        "type": "object",
        "properties": {
            "task": {"$ref": "#/$defs/Task"},
            "dependsOn": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["task"],
        "additionalProperties": False,
    }
    return {"type": "array", "items": item}


def _merged(
    common: type[msgspec.Struct], own: type[msgspec.Struct], definitions: dict[str, Any]
) -> dict[str, Any]:
    first, second = _object(common, definitions), _object(own, definitions)
    schema = {**first, "properties": {**first["properties"], **second["properties"]}}
    schema["required"] = sorted({*first.get("required", ()), *second.get("required", ())})
    for name, kind in getattr(own, "blocks", dict)().items() if common is TriggerSource else ():
        (block,), components = msgspec.json.schema_components([kind], ref_template=_REF)
        definitions.update(components)
        schema["properties"][name] = block
    if own.__doc__:
        schema["description"] = own.__doc__.strip()
    return schema


def _object(struct: type[msgspec.Struct], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a Struct, its parts put into `definitions`, unknown properties refused."""
    schema, components = _components(struct)
    definitions.update(components)
    schema = definitions.pop(schema["$ref"].rpartition("/")[2])
    return {**schema, "additionalProperties": False}


def _components(struct: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components([struct], ref_template=_REF)
    return schema, components


def _chosen(choices: Iterable[tuple[tuple[str, ...], dict[str, Any]]]) -> dict[str, Any]:
    """An element whose `type` says which schema it follows: editors then complain about the right one."""
    listed = list(choices)
    names = [name for types, _ in listed for name in types]
    rules = [
        {
            "if": {"properties": {"type": {"enum": list(types)}}, "required": ["type"]},
            "then": {**schema, "properties": {**schema["properties"], "type": {"enum": list(types)}}},
        }
        for types, schema in listed
    ]
    base = {"type": "object", "required": ["id", "type"], "properties": {"type": {"enum": names}}}
    return {**base, "allOf": rules}


def _input() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["id", "type"],
        "properties": {"id": {"type": "string"}, "type": {"enum": sorted(INPUT_TYPES)}},
    }
