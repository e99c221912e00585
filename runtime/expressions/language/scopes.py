"""Which names a template can see at a place, and which Python variable holds each.

The dialect's scopes are dynamic: `set` changes the innermost variable that exists when it runs, and one that
does not exist yet is made in the innermost loop. Every name that may live in a scope gets a Python
local there which holds MISSING until it exists; a look-up tests them from the inside out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from jinja2 import nodes

LOOP: Final = "loop"


@dataclass(slots=True)
class Scope:
    """One scope: the template's or macro's own, or one loop's."""

    prefix: str
    slots: dict[str, str] = field(default_factory=dict[str, str])  # name in the template, name in Python
    certain: set[str] = field(default_factory=set[str])  # names that exist whenever this scope does
    counter: str | None = None  # of a loop whose position is asked for
    shadowed: bool = False  # the loop's body gives `loop` another value

    def slot(self, name: str) -> str:
        """The Python variable for a name; numbered, because Python folds some letters in names."""
        return self.slots.setdefault(name, f"{self.prefix}_{len(self.slots)}")


def walk(body: Iterable[nodes.Node]) -> Iterator[nodes.Node]:
    """Every node below, without looking into macros: they see nothing of their surroundings."""
    pending = list(body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, nodes.Macro):
            pending.extend(node.iter_child_nodes())


def names_read(body: Iterable[nodes.Node]) -> set[str]:
    """Every name used as a variable anywhere below."""
    called = {id(node.node) for node in walk(body) if isinstance(node, nodes.Call)}
    return {
        node.name
        for node in walk(body)
        if isinstance(node, nodes.Name) and node.name and id(node) not in called
    }


def names_set(body: Iterable[nodes.Node]) -> set[str]:
    """Every name given a value by `set`, not counting what nested loops keep to themselves."""
    pending, found = list(body), set[str]()
    while pending:
        node = pending.pop()
        if isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name):
            found.add(node.target.name)
        elif isinstance(node, nodes.For):
            pending.extend(node.else_)
        elif not isinstance(node, nodes.Macro):
            pending.extend(node.iter_child_nodes())
    return found


def calls(body: Iterable[nodes.Node], names: frozenset[str]) -> bool:
    """Whether a function of one of these names is called anywhere below."""
    return any(
        isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in names
        for node in walk(body)
    )
