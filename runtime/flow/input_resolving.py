"""Turns what a caller gave into the values of a flow's inputs, and rendered texts into outputs.

All problems are found in one pass. Their paths are those of the values, not of the flow's text.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hookledger.runtime.flow.coercion import ValueRejected, to_list, to_plain, to_text
from hookledger.runtime.flow.input_parsing import groups, in_order
from hookledger.runtime.flow.input_types import (
    AnyInput,
    MultiselectInput,
    Output,
    SelectInput,
    without_limits,
)
from hookledger.runtime.flow.problems import PROBLEMS_MAX, Problem, ProblemsFound, suggestion
from hookledger.runtime.flow.reading import is_mapping, kind
from hookledger.runtime.flow.rendering import Render, RenderFailed, no_rendering, render_inside
from hookledger.runtime.flow.source import Plain


class InputsInvalid(ProblemsFound):
    """Values that do not fit the declared inputs; the caller has to change them."""


class OutputsInvalid(ProblemsFound):
    """Rendered values that do not fit the declared outputs; the flow has to change."""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one input."""

    id: str
    value: object = None
    """Plain data; as it was given where it does not fit."""
    enabled: bool = True
    """False where its `dependsOn` does not hold, and for one that is not declared."""
    default: bool = False
    """True when the value is its `defaults`."""
    problems: tuple[Problem, ...] = ()
    unrendered: bool = False
    """True when an expression of the declaration is what failed."""


def resolve_inputs(
    declared: Sequence[AnyInput], given: Mapping[str, object], *, render: Render = no_rendering
) -> dict[str, Plain]:
    """Return every input's value as plain JSON data; the names of dotted ids nest.

    An input that was not given takes its default, or null where it is optional. One whose
    `dependsOn` does not hold is left out, even if it was given.

    Args:
        declared: What `parse_inputs` returned without problems.
        given: By id; dotted ids may also come nested.
        render: Renders defaults, conditions and choices that hold expressions.

    Raises:
        InputsInvalid: With the problems of all inputs.
    """
    examined = examine_inputs(declared, given, render=render)
    if problems := [problem for one in examined for problem in one.problems]:
        raise InputsInvalid(problems)
    known = {one.id: one.value for one in examined if one.enabled}
    return _nest({one.id: known[one.id] for one in declared if one.id in known})


def examine_inputs(
    declared: Sequence[AnyInput], given: Mapping[str, object], *, render: Render = no_rendering
) -> list[Examined]:
    """Say of every input what its value is or what is wrong with it; what nobody declared comes first.

    Args as for `resolve_inputs`.
    """
    flat, strays = _flatten({one.id for one in declared}, given)
    resolution = _Resolution(flat, render)
    return [
        *(Examined(id=".".join(map(str, one.path)), enabled=False, problems=(one,)) for one in strays),
        *map(resolution.take, in_order(declared)),
    ]


class _Resolution:
    """The values found so far, in the order of their dependencies."""

    def __init__(self, given: Mapping[str, object], render: Render) -> None:
        self._given, self._render_with = given, render
        self._values: dict[str, Plain] = {}

    def take(self, one: AnyInput) -> Examined:
        """Resolve one input, or say what is wrong with it."""
        path, given = tuple(one.id.split(".")), self._given.get(one.id)
        try:
            if not self._is_wanted(one):
                return Examined(id=one.id, enabled=False)
            value, default = self._value(one)
        except ValueRejected as rejected:
            problems = [Problem(message, path=(*path, *inner)) for inner, message in rejected.faults]
            return Examined(id=one.id, value=given, problems=tuple(problems))
        except RenderFailed as failed:
            problem = Problem(f"an expression of this input failed: {failed}", path=path)
            return Examined(id=one.id, value=given, problems=(problem,), unrendered=True)
        self._values[one.id] = value
        return Examined(id=one.id, value=value, default=default)

    def _is_wanted(self, one: AnyInput) -> bool:
        """An input waits in vain for one that was left out or has a problem of its own."""
        needs = one.depends_on
        if needs is None:
            return True
        if any(name not in self._values for name in needs.inputs):
            return False
        return needs.condition is None or self._render(needs.condition).strip() == "true"

    def _value(self, one: AnyInput) -> tuple[Plain, bool]:
        """The value, and whether it is the default."""
        one = self._with_choices(one)
        found = self._given.get(one.id)
        if missing := _is_blank(one, found):
            found = render_inside(one.defaults, self._render)
        if not _is_blank(one, found):
            return one.accept(found), missing
        if one.required:
            raise ValueRejected(((), "this required input is missing; send it, or give it `defaults`"))
        return None, False

    def _with_choices(self, one: AnyInput) -> AnyInput:
        """Replace the expression that gives choices by the choices."""
        if not isinstance(one, SelectInput | MultiselectInput) or not one.expression:
            return one
        choices = tuple(to_text(choice) for choice in to_list(self._render(one.expression)))
        return msgspec.structs.replace(one, values=choices, expression=None)

    def _render(self, text: str) -> str:
        return self._render_with(text, _nest(self._values))


def _is_blank(one: AnyInput, value: object) -> bool:
    return value is None or (value == "" and not one.takes_empty())


def _flatten(ids: Collection[str], given: Mapping[str, object]) -> tuple[dict[str, object], list[Problem]]:
    """Return what was given by id, however it was nested, and what was given to nobody."""
    flat: dict[str, object] = {}
    strays: list[tuple[tuple[str, ...], object]] = []
    for path, value in _leaves(groups(ids), given, ()):
        name = ".".join(path)
        if name in ids and name not in flat:
            flat[name] = value
        else:
            strays.append((path, value))
    return flat, [_stray(path, value, ids) for path, value in strays[:PROBLEMS_MAX]]


def _leaves(
    known: Collection[str], given: Mapping[str, object] | Mapping[object, object], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], object]]:
    """Walk into mappings given for groups; a group given as null is empty."""
    for key, value in given.items():
        path = (*above, str(key))
        if ".".join(path) not in known:
            yield path, value
        elif is_mapping(value):
            yield from _leaves(known, value, path)
        elif value is not None:
            yield path, value


def _stray(path: tuple[str, ...], value: object, ids: Collection[str]) -> Problem:
    name = ".".join(path)
    if name in ids:
        return Problem("given twice, nested and with dots; send it once", path=path)
    if name in groups(ids):
        return Problem(f"expected a mapping of inputs, got {kind(value)}", path=path)
    return Problem(f"there is no input `{name[:60]}`; {suggestion(name, ids)}", path=path, on_key=True)


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *groups, last = name.split(".")
        place = nested
        for group in groups:
            inner = place.setdefault(group, {})
            assert isinstance(inner, dict), f"{name} nests in a value; parse_inputs refuses that"
            place = inner
        place[last] = value
    return nested


def resolve_outputs(declared: Sequence[Output], rendered: Mapping[str, object]) -> dict[str, Plain]:
    """Return every output as plain JSON data of its declared type; without a type it is text.

    Args:
        declared: What `parse_outputs` returned without problems.
        rendered: The rendered `value` of each output, by id.

    Raises:
        OutputsInvalid: With the problems of all outputs.
    """
    resolved: dict[str, Plain] = {}
    problems: list[Problem] = []
    for one in declared:
        try:
            value = _output(one, rendered.get(one.id))
        except ValueRejected as rejected:
            problems += [Problem(message, path=(one.id, *inner)) for inner, message in rejected.faults]
        else:
            resolved |= {} if value is None else {one.id: value}
    if problems:
        raise OutputsInvalid(problems)
    return resolved


def _output(one: Output, value: object) -> Plain:
    if one.type is None:
        return None if value is None else _as_text(value)
    shape = without_limits(one)
    if not _is_blank(shape, value):
        return shape.accept(value)
    if one.required:
        raise ValueRejected(
            ((), f"no value for the type {one.type}; correct `value`, or set `required: false`")
        )
    return None


def _as_text(value: object) -> str:
    """Keep text; lists and mappings become their JSON text."""
    if isinstance(value, str | int | float):
        return to_text(value)
    return msgspec.json.encode(to_plain(value)).decode()
