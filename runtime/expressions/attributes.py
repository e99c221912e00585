"""What `a.b`, `a[b]` and `a.b()` reach.

Only the entries of maps, the elements of lists and a short table of harmless members. Python's own
attributes are never looked at, so nothing but plain data can be reached from a template.
"""

from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from hookledger.runtime.expressions.errors import MissingValue, WrongValue
from hookledger.runtime.expressions.nearest import nearest
from hookledger.runtime.expressions.text import need_text
from hookledger.runtime.expressions.values import (
    MISSING,
    CaseInsensitive,
    Missing,
    Value,
    is_integer,
    is_list,
    is_map,
    is_number,
    kind,
)

BLANKS: Final = "".join(map(chr, range(33)))  # what Java's trim removes


def attribute(value: Value, key: Value) -> Value:
    """Return an entry, or say what was missing."""
    if value.__class__ is dict and key.__class__ is str:
        try:
            return value[key]
        except KeyError:
            raise absent(value, key) from None
    found = find(value, key)
    if found is MISSING:
        raise absent(value, key)
    return found


def soft_attribute(value: Value, key: Value) -> Value:
    """Return an entry or MISSING; a missing parent or key gives MISSING too."""
    if value.__class__ is dict and key.__class__ is str:
        return value.get(key, MISSING)
    if value.__class__ is Missing or key.__class__ is Missing:
        return MISSING
    return find(value, key)


def find(value: Value, key: Value) -> Value:
    """Look an entry up in whatever has entries."""
    if is_list(value):
        return element(value, key)
    if isinstance(value, CaseInsensitive):
        return value.lookup(key) if isinstance(key, str) else entry(value, key)
    if is_map(value):
        return entry(value, key)
    return member(value, key)


def entry(value: Mapping[Value, Value], key: Value) -> Value:
    """Look a key up in a map; a number also finds the text of itself."""
    if isinstance(key, str) or is_integer(key):
        found = value.get(key, MISSING)
        return value.get(str(key), MISSING) if found is MISSING and is_integer(key) else found
    return MISSING


def element(value: "list[Value] | tuple[Value, ...]", key: Value) -> Value:
    """Look an element up by a whole number or by its digits."""
    index = key if is_integer(key) else index_from(key)
    if index is None:
        return member(value, key)
    return value[index] if 0 <= index < len(value) else MISSING


def index_from(key: Value) -> int | None:
    """Read an index from text such as `1`."""
    if isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) <= 10:
        return int(key)
    return None


def absent(value: Value, key: Value) -> MissingValue:
    """The error for an entry that does not exist."""
    if isinstance(key, Missing):
        return MissingValue("a key that does not exist was used")
    name = short(key)
    if is_map(value):
        return MissingValue(
            f"there is no `{name}`", name=name, nearest=nearest(name, (str(known) for known in value))
        )
    if is_list(value):
        return MissingValue(f"there is no element `{name}` in a list of {len(value)}", name=name)
    return MissingValue(f"there is no `{name}` in {kind(value)}", name=name)


def short(key: Value) -> str:
    """Name a key in a message."""
    return key[:60] if isinstance(key, str) else str(key)[:60] if is_number(key) else kind(key)


def no_variable(variables: Mapping[str, Value], name: str, offset: int) -> NoReturn:
    """Raise the error for a variable that does not exist."""
    known = nearest(name, (key for key in variables if isinstance(key, str)))  # pyright: ignore[reportUnnecessaryIsInstance]
    raise MissingValue(f"unable to find `{name}`", name=name, nearest=known, offset=offset)


Member = Callable[..., Value]


def no_argument(member: Callable[[Value], Value]) -> tuple[int, Member]:
    """A member that is also reached without parentheses."""
    return 0, member


def one_argument(member: Callable[[Value, Value], Value]) -> tuple[int, Member]:
    """A member that takes one argument."""
    return 1, member


# Each with its number of arguments.
TEXT_MEMBERS: Final[Mapping[str, tuple[int, Member]]] = {
    "length": no_argument(len),
    "isEmpty": no_argument(lambda value: not value),
    "empty": no_argument(lambda value: not value),
    "isBlank": no_argument(lambda value: not value.strip()),
    "toUpperCase": no_argument(lambda value: value.upper()),
    "toLowerCase": no_argument(lambda value: value.lower()),
    "trim": no_argument(lambda value: value.strip(BLANKS)),
    "startsWith": one_argument(lambda value, other: value.startswith(need_text(other, "`startsWith()`"))),
    "endsWith": one_argument(lambda value, other: value.endswith(need_text(other, "`endsWith()`"))),
    "indexOf": one_argument(lambda value, other: value.find(need_text(other, "`indexOf()`"))),
}
MAP_MEMBERS: Final[Mapping[str, tuple[int, Member]]] = {
    "size": no_argument(len),
    "isEmpty": no_argument(lambda value: not value),
    "get": one_argument(lambda value, key: null_if_missing(entry(value, key))),
    "containsKey": one_argument(lambda value, key: entry(value, key) is not MISSING),
}
LIST_MEMBERS: Final[Mapping[str, tuple[int, Member]]] = {
    "size": no_argument(len),
    "isEmpty": no_argument(lambda value: not value),
    "empty": no_argument(lambda value: not value),
    "get": one_argument(lambda value, key: attribute(value, key)),
}


def null_if_missing(value: Value) -> Value:
    """`get` of a map gives null for a key that is not there."""
    return None if value is MISSING else value


def members(value: Value) -> Mapping[str, tuple[int, Member]]:
    """The members of a kind of value."""
    if isinstance(value, str):
        return TEXT_MEMBERS
    if is_map(value):
        return MAP_MEMBERS
    return LIST_MEMBERS if is_list(value) else {}


def member(value: Value, key: Value) -> Value:
    """`l.size` and `s.length` without parentheses; never for maps, whose names are keys."""
    found = None if is_map(value) or not isinstance(key, str) else members(value).get(key)
    return MISSING if found is None or found[0] != 0 else found[1](value)


def call_member(value: Value, name: str, *arguments: Value) -> Value:
    """`l.size()` and its like."""
    found = members(value).get(name)
    if found is None:
        raise MissingValue(
            f"{kind(value)} has no `{name}()`", name=name, nearest=nearest(name, members(value))
        )
    if found[0] != len(arguments):
        raise WrongValue(f"`{name}()` takes {found[0]} argument(s), not {len(arguments)}")
    return found[1](value, *arguments)
