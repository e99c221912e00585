"""Plain data as a tree that a template can draw: bounded in depth and width, whatever somebody sent. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from hookledger.journal.text import brief

DEPTH_MAX: Final = 24
CHILDREN_MAX: Final = 200
TEXT_CHARS_MAX: Final = 4000
JSON_CHARS_MAX: Final = 60_000


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its name; a map or a list has children."""

    name: str
    kind: str
    """text, number, word (true, false, null), map or list."""
    text: str
    """The value, or how much there is in it."""
    children: tuple["Node", ...] = ()
    more: int = 0
    """Children that are not shown."""


def tree(value: Any, name: str = "", depth: int = 0) -> Node:
    """A value as a tree."""
    if isinstance(value, Mapping):
        return _branch(name, "map", list(_named(value)), depth)
    if isinstance(value, list | tuple):
        return _branch(name, "list", [(str(index), item) for index, item in enumerate(value)], depth)
    if isinstance(value, str):
        return Node(name=name, kind="text", text=_cut(value))
    if isinstance(value, bool) or value is None:
        return Node(name=name, kind="word", text=brief(value))
    return Node(name=name, kind="number", text=_cut(str(value)))


def json_text(value: Any) -> str:
    """A value as indented JSON for copying; of a huge one only the beginning, which says so."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    if len(text) <= JSON_CHARS_MAX:
        return text
    return f"{text[:JSON_CHARS_MAX]}\n… {len(text) - JSON_CHARS_MAX} characters more; the API has all of it"


def _named(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        yield str(key), item


def _branch(name: str, kind: str, items: list[tuple[str, Any]], depth: int) -> Node:
    unit = "key" if kind == "map" else "item"
    text = f"{len(items)} {unit}{'s' * (len(items) != 1)}"
    if depth >= DEPTH_MAX:
        return Node(name=name, kind="text", text=f"{text}, nested too deep to show")
    children = tuple(tree(item, key, depth + 1) for key, item in items[:CHILDREN_MAX])
    return Node(name=name, kind=kind, text=text, children=children, more=max(0, len(items) - CHILDREN_MAX))


def _cut(text: str) -> str:
    if len(text) <= TEXT_CHARS_MAX:
        return text
    return f"{text[:TEXT_CHARS_MAX]}… ({len(text) - TEXT_CHARS_MAX} characters more)"
