"""Property values whose texts may be expressions, compiled once per flow revision."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from hookledger.runtime.expressions import Ambient, Template
from hookledger.runtime.expressions import compile as compile_expression
from hookledger.runtime.expressions.limits import DEFAULT
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.template import render_nested

Tree: TypeAlias = Template | Mapping[Any, Any] | Sequence[Any] | int | float | bool | None
"""Plain data in which every text is a compiled template."""


def compile_tree(value: object) -> Tree:
    """Compile every text below `value`, keys of maps included when they hold an expression.

    Raises:
        ExpressionSyntaxError: A text is no valid template.
    """
    match value:
        case str():
            return compile_expression(value)
        case Mapping():
            return {_key(key): compile_tree(item) for key, item in value.items()}
        case list() | tuple():
            return [compile_tree(item) for item in value]
        case int() | float() | None:
            return value
        case _:
            raise TypeError(f"not plain data: {type(value).__name__}")


def render_tree(tree: Tree, variables: Mapping[str, object], ambient: Ambient | None = None) -> Any:
    """Render every template; other values keep their type. On a clash of rendered keys the first one wins.

    The limits of a rendering hold for all of them together.
    """
    return _rendered(tree, Run(ambient, DEFAULT, render_nested), variables)


def _rendered(tree: Tree, run: Run, variables: Mapping[str, object]) -> Any:
    match tree:
        case Template():
            return tree.rendered(run, variables)
        case Mapping():
            made: dict[str, Any] = {}
            for key, item in tree.items():
                name = key.rendered(run, variables) if isinstance(key, Template) else key
                if name not in made:
                    made[name] = _rendered(item, run, variables)
            return made
        case list() | tuple():
            return [_rendered(item, run, variables) for item in tree]
        case _:
            return tree


def source_of(tree: Tree) -> Any:
    """Return the value as the author wrote it."""
    match tree:
        case Template():
            return tree.source
        case Mapping():
            return {source_of(key): source_of(item) for key, item in tree.items()}
        case list() | tuple():
            return [source_of(item) for item in tree]
        case _:
            return tree


def templates_in(tree: Tree) -> Iterator[Template]:
    """Yield every template below `tree` that is not plain text."""
    match tree:
        case Template():
            if not tree.is_static:
                yield tree
        case Mapping():
            for key, item in tree.items():
                yield from templates_in(key)
                yield from templates_in(item)
        case list() | tuple():
            for item in tree:
                yield from templates_in(item)
        case _:
            return


def _key(key: object) -> object:
    return compile_expression(key) if isinstance(key, str) and "{" in key else key
