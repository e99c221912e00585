"""Reads the declarations of inputs and outputs, and finds every mistake in them.

Each mistake has the path of the property it belongs to, so that the caller can name its line.
"""

from collections.abc import Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from hookledger.runtime.flow.coercion import ValueRejected
from hookledger.runtime.flow.input_types import (
    INPUT_ID,
    INPUT_TYPES,
    ITEM_TYPES,
    AnyInput,
    Output,
)
from hookledger.runtime.flow.problems import Path, Problem, suggestion
from hookledger.runtime.flow.reading import is_list, is_mapping, kind, read_struct
from hookledger.runtime.flow.rendering import has_expression


def parse_inputs(
    data: object, *, path: Path = ("inputs",)
) -> tuple[tuple[AnyInput, ...], tuple[Problem, ...]]:
    """Return the inputs that can be read, in their order, and every problem."""
    items, problems = _items(data, path)
    placed: list[tuple[Path, AnyInput]] = []
    for index, item in enumerate(items):
        declared, found = _parse_input(item, (*path, index))
        problems += found
        if declared is not None:
            placed.append(((*path, index), declared))
    problems += [*_id_problems(items, path), *_dependency_problems(placed, _ids(items))]
    return tuple(declared for _, declared in placed), tuple(problems)


def parse_outputs(
    data: object, *, path: Path = ("outputs",)
) -> tuple[tuple[Output, ...], tuple[Problem, ...]]:
    """Return the outputs that can be read, in their order, and every problem."""
    items, problems = _items(data, path)
    outputs: list[Output] = []
    for index, item in enumerate(items):
        declared, found = read_struct(Output, item, (*path, index))
        problems += found
        if declared is not None:
            problems += _output_problems(declared, (*path, index))
            outputs.append(declared)
    return tuple(outputs), (*problems, *_id_problems(items, path))


def _items(data: object, path: Path) -> tuple[list[object], list[Problem]]:
    if data is None:
        return [], []
    if is_list(data):
        return list(data), []
    return [], [Problem(f"expected a list, got {kind(data)}; begin each entry with `- id:`", path=path)]


def _ids(items: Sequence[object]) -> list[str | None]:
    """Return what stands as id, also in entries that are otherwise wrong."""
    found = (item.get("id") if is_mapping(item) else None for item in items)
    return [name if isinstance(name, str) else None for name in found]


def _parse_input(item: object, path: Path) -> tuple[AnyInput | None, list[Problem]]:
    wanted = item.get("type") if is_mapping(item) else "STRING"  # what is no mapping fails below
    if wanted is None:
        return None, [Problem(f"`type` is missing; {suggestion('', INPUT_TYPES)}", path=(*path, "type"))]
    if not isinstance(wanted, str) or wanted not in INPUT_TYPES:
        name = str(wanted)[:60]
        message = f"unknown type `{name}`; {suggestion(name, INPUT_TYPES)}"
        return None, [Problem(message, path=(*path, "type"))]
    declared, problems = read_struct(INPUT_TYPES[wanted], item, path)
    return declared, problems if declared is None else _mistakes(declared, path)


def _mistakes(declared: AnyInput, path: Path) -> list[Problem]:
    found = [Problem(message, path=(*path, *inner)) for inner, message in declared.mistakes()]
    return found or [*_default_problems(declared, (*path, "defaults"))]


def _default_problems(declared: AnyInput, path: Path) -> Iterator[Problem]:
    """Check a default that can be judged now: one without expressions, and choices that are known."""
    if (
        declared.defaults is None
        or has_expression(declared.defaults)
        or getattr(declared, "expression", None)
    ):
        return
    try:
        declared.accept(declared.defaults)
    except ValueRejected as rejected:
        yield from (Problem(message, path=(*path, *inner)) for inner, message in rejected.faults)


def _output_problems(declared: Output, path: Path) -> Iterator[Problem]:
    if not INPUT_ID.fullmatch(declared.id):
        yield Problem("an id is letters, digits, `_`, `-` and dots; rename it", path=(*path, "id"))
    if declared.type is not None and declared.type not in INPUT_TYPES:
        message = f"unknown type `{declared.type[:60]}`; {suggestion(declared.type, INPUT_TYPES)}"
        yield Problem(message, path=(*path, "type"))
    if declared.item_type is not None and declared.item_type not in ITEM_TYPES:
        message = (
            f"`{declared.item_type[:60]}` is no type of an item; {suggestion(declared.item_type, ITEM_TYPES)}"
        )
        yield Problem(message, path=(*path, "itemType"))


def _id_problems(items: Sequence[object], path: Path) -> Iterator[Problem]:
    """An id stands once, and is not also the group that dotted ids form."""
    names = _ids(items)
    taken = groups(name for name in names if name)
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Problem(f"the id `{name}` stands twice; rename one", path=(*path, index, "id"))
        if name in taken:
            message = f"`{name}` cannot be a value and a group of others such as `{name}.x`; rename one"
            yield Problem(message, path=(*path, index, "id"))
        seen.update([name] if name else [])


def groups(ids: Iterable[str]) -> set[str]:
    """Return the names that dotted ids nest in: `a` and `a.b` for `a.b.c`."""
    return {
        ".".join(parts[:end]) for parts in (name.split(".") for name in ids) for end in range(1, len(parts))
    }


def _dependency_problems(placed: list[tuple[Path, AnyInput]], ids: list[str | None]) -> Iterator[Problem]:
    known = {name for name in ids if name is not None}
    for path, declared in placed:
        for index, name in enumerate(declared.depends_on.inputs if declared.depends_on else ()):
            if name not in known:
                message = f"there is no input `{name[:60]}`; {suggestion(name, known)}"
                yield Problem(message, path=(*path, "dependsOn", "inputs", index))
    yield from _cycle_problems(placed)


def _cycle_problems(placed: list[tuple[Path, AnyInput]]) -> Iterator[Problem]:
    try:
        in_order([declared for _, declared in placed])
    except CycleError as error:
        cycle: list[str] = error.args[1]
        message = f"these inputs wait for each other: {' -> '.join(reversed(cycle))}; remove one of the steps"
        yield Problem(message, path=next((*path, "dependsOn") for path, one in placed if one.id in cycle))


def in_order(declared: Sequence[AnyInput]) -> list[AnyInput]:
    """Return the inputs so that each comes after those it depends on."""
    by_id = {one.id: one for one in declared}
    graph = {one.id: one.depends_on.inputs if one.depends_on else () for one in declared}
    return [by_id[name] for name in TopologicalSorter(graph).static_order() if name in by_id]
