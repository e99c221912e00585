"""The seam to expressions: what inputs need rendered, and how a failure comes back.

Expressions have a module of their own. Inputs only decide which texts go there, and what the
expression may see: the inputs resolved before it.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from hookledger.runtime.flow.reading import is_list, is_mapping
from hookledger.runtime.flow.source import Plain

# Renders a text, given the inputs resolved so far; raises RenderFailed.
Render: TypeAlias = Callable[[str, Mapping[str, Plain]], str]

OPENINGS = ("{{", "{%")


class RenderFailed(Exception):
    """An expression could not be rendered; the message is for the flow's author."""


def no_rendering(text: str, inputs: Mapping[str, Plain]) -> str:
    """Stand in where no expressions are expected."""
    raise RenderFailed("expressions are not available here; write the value itself")


def has_expression(value: object) -> bool:
    """Tell whether a text, or a text anywhere inside, holds an expression."""
    if isinstance(value, str):
        return any(opening in value for opening in OPENINGS)
    if is_mapping(value):
        return any(map(has_expression, value.values()))
    return is_list(value) and any(map(has_expression, value))


def render_inside(value: object, render: Callable[[str], str]) -> object:
    """Render each text that holds an expression; everything else stays as it is."""
    if isinstance(value, str):
        return render(value) if has_expression(value) else value
    if is_mapping(value):
        return {name: render_inside(item, render) for name, item in value.items()}
    return [render_inside(item, render) for item in value] if is_list(value) else value
