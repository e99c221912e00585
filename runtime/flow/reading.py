"""Makes a typed struct of plain data, and collects everything that is wrong with it.

Decoding straight into structs stops at the first fault and speaks of types. An author wants
all faults at once, in the words of YAML, each with the path that leads to its line.
"""

import re
from collections.abc import Mapping
from itertools import islice
from types import UnionType
from typing import Any, TypeGuard, TypeVar, Union, get_args, get_origin

import msgspec

from hookledger.runtime.flow.problems import PROBLEMS_MAX, Path, Problem, suggestion

S = TypeVar("S", bound=msgspec.Struct)

# The codec's names of types, and ours.
WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
# In this order: a boolean is also an int.
KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "text"),
    (bool, "a boolean"),
    (int, "a whole number"),
    (float, "a number"),
    (type(None), "nothing"),
    (Mapping, "a mapping"),
    ((list, tuple), "a list"),
)
MISFIT = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `\$(?P<at>.*)`)?")
STEP = re.compile(r"\[(\d+)\]|\.?(\w+)")


def is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    return isinstance(value, list | tuple)


def kind(value: object) -> str:
    """Name what a value is, without showing it: it may be somebody's secret."""
    fitting = (name for types, name in KINDS if isinstance(value, types))
    return next(fitting, f"a Python `{type(value).__name__}`")


def read_struct(cls: type[S], data: object, path: Path) -> tuple[S | None, list[Problem]]:
    """Return the struct, or None and every problem. A property set to null counts as absent."""
    if not is_mapping(data):
        return None, [Problem(f"expected a mapping with properties, got {kind(data)}", path=path)]
    fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
    unknown = (str(name) for name in data if name not in fields and name != _tag_field(cls))
    problems = [_unknown(name, fields, path) for name in islice(unknown, PROBLEMS_MAX)]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if (value := data.get(name)) is not None:
            values[field.name], found = _read(field.type, value, (*path, name))
            problems += found
        elif field.required:
            problems.append(Problem(f"`{name}` is missing; add it", path=(*path, name)))
    return (None if problems else cls(**values)), problems


def _tag_field(cls: type[msgspec.Struct]) -> str | None:
    return cls.__struct_config__.tag_field


def _unknown(name: str, fields: Mapping[str, object], path: Path) -> Problem:
    message = f"unknown property `{name[:60]}`; {suggestion(name, fields)}"
    return Problem(message, path=(*path, name), on_key=True)


def _read(wanted: Any, value: object, path: Path) -> tuple[Any, list[Problem]]:
    if (nested := _struct_in(wanted)) is not None:
        return read_struct(nested, value, path)
    try:
        return msgspec.convert(value, wanted, strict=wanted is not bool), []  # "false" in quotes is no too
    except msgspec.ValidationError as error:
        return None, [_misfit(str(error), path)]


def _struct_in(wanted: Any) -> type[msgspec.Struct] | None:
    """Return the struct of a property that is one, or one or nothing."""
    options = get_args(wanted) if get_origin(wanted) in {Union, UnionType} else (wanted,)
    return next((option for option in options if _is_struct(option)), None)


def _is_struct(wanted: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)


def _misfit(report: str, path: Path) -> Problem:
    """Translate the codec's report; an unknown wording is passed on."""
    if (match := MISFIT.fullmatch(report)) is None:
        return Problem(report, path=path)
    wanted = [WORDS.get(name, name) for name in match["wanted"].split(" | ") if name != "null"]
    inner = tuple(int(index) if index else name for index, name in STEP.findall(match["at"] or ""))
    got = WORDS.get(match["got"], match["got"]).replace("true or false", "a boolean")
    hint = "; put it in quotes" if wanted == ["text"] and match["got"] in {"int", "float", "bool"} else ""
    return Problem(f"expected {' or '.join(wanted)}, got {got}{hint}", path=(*path, *inner))
