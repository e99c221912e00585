"""Reads labels: a map, or a list of key and value. Names that begin with `system.` are the engine's."""

from collections.abc import Iterator, Mapping
from typing import Any

from hookledger.runtime.flow.fields import Collector
from hookledger.runtime.flow.problems import Path


def read_labels(data: object, path: Path, found: Collector) -> dict[str, str]:
    """Read labels; texts, numbers and booleans are values."""
    labels: dict[str, str] = {}
    for key, value, where in label_pairs(data, path, found):
        if is_reserved(key):
            found.add(where, f"labels that begin with `system.` are set by the engine; rename `{key}`")
        elif isinstance(value, dict | list) or value is None:
            found.add(where, f"the label `{key}` needs a text")
        else:
            labels[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return labels


def is_reserved(key: str) -> bool:
    """The engine sets it, and nobody else."""
    return key.startswith("system.") and key != "system.readOnly"


def label_pairs(data: object, path: Path, found: Collector) -> Iterator[tuple[str, Any, Path]]:
    """Yield name, value and place of each label."""
    if data is None:
        return
    if isinstance(data, Mapping):
        yield from ((str(key), value, (*path, key)) for key, value in data.items())
    elif isinstance(data, list):
        yield from _listed_pairs(data, path, found)
    else:
        found.add(path, "expected labels as `name: value`, or as a list of `key:` and `value:`")


def _listed_pairs(data: list[Any], path: Path, found: Collector) -> Iterator[tuple[str, Any, Path]]:
    for index, item in enumerate(data):
        if isinstance(item, Mapping) and set(item) == {"key", "value"}:
            yield str(item["key"]), item["value"], (*path, index)
        else:
            found.add((*path, index), "expected `key:` and `value:` of a label")
