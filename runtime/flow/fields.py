"""Reads the properties of one element against a Struct: unknown names, missing ones, wrong types, all at once.

A text that holds an expression is not checked against the property's type: what it becomes is known when it is
rendered. It is compiled, so that its syntax and the names of its filters and functions are checked now.
"""

import re
from collections.abc import Container, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar, get_args

import msgspec
import msgspec.inspect
from msgspec import NODEFAULT

from hookledger.runtime.expressions import review
from hookledger.runtime.flow.problems import Path, Problem, nearest, suggestion
from hookledger.runtime.flow.sources import PATTERNS

S = TypeVar("S", bound=msgspec.Struct)

_AT = re.compile(r" - at `\$(?P<path>.*)`$")
STRANGE = "unknown property"
UNKNOWN = "there is no choice"
UNANSWERED = frozenset({"appLink", "env", "fileURI", "http", "subflow"})
"""Functions of the expression language that no part of this product answers yet."""
_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+|\.\.\.)\]")
_NO_CHOICE = "not one of the possible values:"


class Collector:
    """Gathers problems while a flow is read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def add(self, path: Path, message: str, *, on_key: bool = False) -> None:
        """Record a problem of the value (or the key) at `path`."""
        self.problems.append(Problem(message, path=path, on_key=on_key))

    def warn(self, path: Path, message: str) -> None:
        """Record something that works but is probably not meant; what was said already is not said again."""
        warning = Problem(message, path=path)
        if warning not in self.warnings:
            self.warnings.append(warning)

    def expressions(self, value: object, path: Path) -> bool:
        """Check every expression below `value`; True when all of them compile."""
        before = len(self.problems)
        for text, where in texts(value, path):
            found = review(text, unavailable=UNANSWERED)
            for problem in found.problems:
                self.add(where, str(problem))
            for warning in found.warnings:
                self.warn(where, warning.told())
        return len(self.problems) == before


def has_expression(value: object) -> bool:
    """True when a text below `value` is rendered at run time."""
    return any("{{" in text or "{%" in text or "{#" in text for text, _ in texts(value, ()))


def texts(value: object, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield every text below `value` (keys included) and where it stands."""
    match value:
        case str():
            yield value, path
        case Mapping():
            for key, item in value.items():
                if isinstance(key, str) and "{" in key:
                    yield key, (*path, key)
                yield from texts(item, (*path, key))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from texts(item, (*path, index))
        case _:
            return


def present(data: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The same properties without those that are null: a property without a value is not there.

    That holds for the properties of `kind` and of the Structs inside it; in free data, such as
    `variables`, null is a value.
    """
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    return {
        name: present_value(value, types[name]) if name in types else value
        for name, value in data.items()
        if value is not None
    }


def present_value(value: object, kind: Any) -> object:
    """The same value without the properties that are null in the Structs of its type."""
    return _present(value, msgspec.inspect.type_info(kind)) if isinstance(value, dict | list) else value


def _present(value: object, kind: msgspec.inspect.Type) -> object:
    match kind, value:
        case msgspec.inspect.StructType(), Mapping():
            fields = {field.encode_name: field.type for field in kind.fields}
            return {
                name: _present(item, fields[name]) if name in fields else item
                for name, item in value.items()
                if item is not None
            }
        case msgspec.inspect.ListType(), list():
            return [_present(item, kind.item_type) for item in value]
        case msgspec.inspect.UnionType(), Mapping() | list():
            meant = [one for one in kind.types if _of_kind(value, one) and not _other_tag(value, one)]
            return _present(value, meant[0]) if len(meant) == 1 else value
        case _:
            return value


def _of_kind(value: object, kind: msgspec.inspect.Type) -> bool:
    wanted = msgspec.inspect.ListType if isinstance(value, list) else msgspec.inspect.StructType
    return isinstance(kind, wanted)


def check_fields(
    kind: type[msgspec.Struct],
    data: Mapping[str, Any],
    path: Path,
    found: Collector,
    *,
    elsewhere: Container[str] = (),
    known: tuple[str, ...] = (),
) -> None:
    """Check `data` against the properties of `kind`.

    Args:
        elsewhere: Names that other code reads.
        known: Those names, for suggestions.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, value in data.items():
        if name in elsewhere:
            continue
        if name not in fields:
            found.add(
                (*path, name),
                f"unknown property `{name}`; {suggestion(name, (*fields, *known))}",
                on_key=True,
            )
            continue
        if value is None:
            continue
        known_inside = _check_inside(value, fields[name].type, (*path, name), found)
        if found.expressions(value, (*path, name)) and known_inside and not has_expression(value):
            convert(present_value(value, fields[name].type), fields[name].type, (*path, name), found)
    for name, field in fields.items():
        needed = field.default is NODEFAULT and field.default_factory is NODEFAULT and name not in elsewhere
        if needed and data.get(name) is None:
            found.add((*path, name), f"`{name}` is missing; add it")


def _check_inside(value: object, kind: Any, path: Path, found: Collector) -> bool:
    """Check the names of what is nested in a property, also where expressions keep its values for later."""
    before = len(found.problems)
    for where, what, name, names in _strangers(value, msgspec.inspect.type_info(kind), path):
        hint = suggestion(name, names)
        if what == UNKNOWN and nearest(name, names) is not None:
            hint += f" known here: {', '.join(sorted(names))}"  # few, and only one of them is what was meant
        found.add(where, f"{what} `{name}`; {hint}", on_key=what == STRANGE)
    return len(found.problems) == before


def _strangers(
    value: object, kind: msgspec.inspect.Type, path: Path
) -> Iterator[tuple[Path, str, str, list[str]]]:
    """Yield each name and choice that there is not: where it stands, what it is, the word itself, the known ones."""
    match kind, value:
        case msgspec.inspect.StructType(), Mapping():
            fields = {field.encode_name: field.type for field in kind.fields}
            for name, item in value.items():
                if name in fields:
                    yield from _strangers(item, fields[name], (*path, name))
                elif kind.forbid_unknown_fields and name != kind.tag_field:
                    yield (*path, name), STRANGE, str(name), list(fields)
        case msgspec.inspect.LiteralType(), str():
            if value not in kind.values and not has_expression(value):
                yield path, UNKNOWN, value, list(map(str, kind.values))
        case msgspec.inspect.ListType(), list():
            for index, item in enumerate(value):
                yield from _strangers(item, kind.item_type, (*path, index))
        case msgspec.inspect.UnionType(), _:
            meant = [one for one in kind.types if not _other_tag(value, one)]
            yield from _unknown_tag(value, [one for one in kind.types if one not in meant], meant, path)
            if sum(isinstance(one, msgspec.inspect.StructType) for one in meant) <= 1:
                for one in meant:
                    yield from _strangers(value, one, path)
        case _:
            return


def _unknown_tag(
    value: object, others: list[Any], meant: list[Any], path: Path
) -> Iterator[tuple[Path, str, str, list[str]]]:
    """A map that says it is something of which there is no kind."""
    if others and not any(isinstance(one, msgspec.inspect.StructType) for one in meant):
        name = others[0].tag_field
        if isinstance(value, Mapping) and isinstance(value.get(name), str):
            yield (*path, name), UNKNOWN, value[name], [str(one.tag) for one in others]


def _other_tag(value: object, kind: msgspec.inspect.Type) -> bool:
    """True when the value says that it is another Struct of the union."""
    tagged = isinstance(kind, msgspec.inspect.StructType) and kind.tag_field is not None
    return tagged and isinstance(value, Mapping) and value.get(kind.tag_field) != kind.tag  # type: ignore[attr-defined]


def flags(
    kind: type[msgspec.Struct], data: Mapping[str, Any], path: Path, found: Collector
) -> dict[str, bool]:
    """The properties that are yes or no, also where they were written as text.

    An expression is refused: they are needed before anything can be rendered.
    """
    values: dict[str, bool] = {}
    for field in msgspec.structs.fields(kind):
        value = data.get(field.encode_name)
        if field.type is not bool or value is None:
            continue
        if has_expression(value):
            found.add((*path, field.encode_name), "must be true or false; an expression cannot decide this")
        values[field.encode_name] = str(value).lower() in ("true", "1")
    return values


def read_struct(
    kind: type[S],
    data: object,
    path: Path,
    found: Collector,
    *,
    elsewhere: Container[str] = (),
) -> S | None:
    """Read an element without expressions; None when it has problems."""
    if not isinstance(data, Mapping):
        found.add(path, "expected properties here, one `name: value` a line")
        return None
    before = len(found.problems)
    check_fields(kind, data, path, found, elsewhere=elsewhere)
    if len(found.problems) > before:
        return None
    own = {name: value for name, value in present(data, kind).items() if name not in elsewhere}
    made: S | None = convert(own, kind, path, found)
    return made


def convert(value: object, kind: Any, path: Path, found: Collector) -> Any:
    """Convert plain data to a type; a problem at the precise place when it does not fit."""
    try:
        return convert_lax(value, kind)
    except msgspec.ValidationError as error:
        message, where = explain(error)
        found.add((*path, *where), message if where else message + one_of(kind))
        return None


def one_of(kind: Any) -> str:
    """The possible values of an enumeration as the end of a message; empty for other types."""
    known = list(dict.fromkeys(choices(kind)))
    return f"; use {', '.join(known[:-1])} or {known[-1]}" if len(known) > 1 else ""


def choices(kind: Any) -> Iterator[str]:
    """The texts a type names: those of its `Literal`, the values of its enumeration."""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        yield from map(str, kind)
    for argument in get_args(kind):
        if isinstance(argument, str):
            yield argument
        else:
            yield from choices(argument)


def in_upper_case(kind: type[msgspec.Struct], data: Mapping[str, Any]) -> dict[str, Any]:
    """The same properties with `none` as `NONE` where `NONE` is a choice: Kestra takes them in any case."""
    known = {field.encode_name: frozenset(choices(field.type)) for field in msgspec.structs.fields(kind)}
    return {
        name: value.upper() if isinstance(value, str) and value.upper() in known.get(name, ()) else value
        for name, value in data.items()
    }


def convert_lax(value: object, kind: Any) -> Any:
    """As msgspec's lax mode; where a text is wanted, numbers and booleans are taken as their YAML text.

    Raises:
        msgspec.ValidationError: It does not fit.
    """
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        texted = scalar_texts(value)
        if texted == value:
            raise
        try:
            return msgspec.convert(texted, kind, strict=False)
        except msgspec.ValidationError:
            pass
        raise


def scalar_texts(value: object) -> object:
    """The same data with numbers and booleans as text."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case Mapping():
            return {key: scalar_texts(item) for key, item in value.items()}
        case list() | tuple():
            return [scalar_texts(item) for item in value]
        case _:
            return value


def explain(error: msgspec.ValidationError) -> tuple[str, Path]:
    """Split msgspec's message into words for an author and the path it names."""
    text = str(error)
    match = _AT.search(text)
    if match is None:
        return _plain(text), ()
    return _plain(text[: match.start()]), tuple(_steps(match["path"]))


def _steps(path: str) -> Iterator[str | int]:
    for step in _STEP.finditer(path):
        if step["name"] is not None:
            yield step["name"]
        elif step["index"] != "...":
            yield int(step["index"])


_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "properties",
    "array": "a list",
    "null": "nothing",
}
_TERM = re.compile(r"`(?P<names>\w+(?: \| \w+)*)`")
_MATCHING = "a text matching regex "


def _plain(message: str) -> str:
    """msgspec's message in words for an author."""
    message = _TERM.sub(lambda found: _in_words(found["names"]), message)
    for pattern, words in PATTERNS.items():
        message = message.replace(f"{_MATCHING}{pattern!r}", words)
    return message.replace("Expected", "expected").replace("Invalid enum value", _NO_CHOICE)


def _in_words(names: str) -> str:
    """`str | null` as "a text": that a property may also be absent is not what its author got wrong."""
    terms = [name for name in names.split(" | ") if name != "null"] or ["null"]
    return " or ".join(_WORDS.get(name, f"`{name}`") for name in terms)
