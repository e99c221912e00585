"""What `a.b`, `a[b]` and `a.b()` reach.

Only the entries of maps, the elements of lists and a short table of harmless members. Python's own
attributes are never looked at, so nothing but plain data can be reached from a template.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final, NoReturn

from hookledger.runtime.expressions.errors import MissingValue, WrongValue
from hookledger.runtime.expressions.formats.javaregex import matches_all, split
from hookledger.runtime.expressions.nearest import nearest
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import need_text, string_of
from hookledger.runtime.expressions.values import (
    MISSING,
    CaseInsensitive,
    MapEntry,
    Missing,
    Value,
    WithNulls,
    entries,
    is_integer,
    is_list,
    is_map,
    is_number,
    kind,
)

BLANKS: Final = "".join(map(chr, range(33)))  # what Java's trim removes
WHITESPACE: Final = "\t\n\v\f\r\x1c\x1d\x1e\x1f \u1680\u2028\u2029\u205f\u3000" + "".join(
    chr(code) for code in range(0x2000, 0x200B) if code != 0x2007
)  # what Java's strip removes


def attribute(run: Run, value: Value, key: Value) -> Value:
    """Return an entry, or say what was missing."""
    if value.__class__ is dict and key.__class__ is str:
        found = value.get(key)
        if found is None:
            raise absent(value, key)
        return found
    found = find(run, value, key)
    if found is MISSING:
        raise absent(value, key)
    return found


def soft_attribute(run: Run, value: Value, key: Value) -> Value:
    """Return an entry or MISSING; a missing parent or key gives MISSING too."""
    if value.__class__ is dict and key.__class__ is str:
        found = value.get(key)
        return MISSING if found is None else found
    if value.__class__ is Missing or key.__class__ is Missing:
        return MISSING
    return find(run, value, key)


def find(run: Run, value: Value, key: Value) -> Value:
    """Look an entry up in whatever has entries."""
    if is_list(value):
        return element(run, value, key)
    if is_map(value):
        return entry(value, key)
    if isinstance(value, MapEntry) and key in ("key", "value"):
        return value.key if key == "key" else value.value
    return member(run, value, key)


def entry(value: Mapping[Value, Value], key: Value) -> Value:
    """Look a key up in a map; a number also finds the text of itself. A null from outside is not there."""
    if not isinstance(key, str) and not is_integer(key):
        return MISSING
    found: Value = MISSING
    if isinstance(value, CaseInsensitive):
        found = value.lookup(str(key))
    elif key in value:
        found = value[key]
    elif is_integer(key):
        found = value.get(str(key), MISSING)
    return MISSING if found is None and not isinstance(value, WithNulls) else found


def element(run: Run, value: "list[Value] | tuple[Value, ...]", key: Value) -> Value:
    """Look an element up by a whole number or by its digits."""
    index = key if is_integer(key) else index_from(key)
    if index is None:
        return member(run, value, key)
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
        null = value.get(key, MISSING) is None if isinstance(key, str) else False
        return MissingValue(
            f"`{name}` is null, which counts as absent" if null else f"there is no `{name}`",
            name=name,
            nearest=None if null else nearest(name, (str(known) for known in entries(value))),
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


Member = Callable[..., Value]  # of the run, the value and the arguments
ANY_MEMBERS: Final[Mapping[str, tuple[Collection[int], Member]]] = {
    "toString": ((0,), lambda run, value: string_of(run, value)),
}
"""Each with the numbers of arguments it takes; those that need none are also reached without parentheses."""

TEXT_MEMBERS: Final[Mapping[str, tuple[Collection[int], Member]]] = {
    "length": ((0,), lambda _run, value: len(value)),
    **dict.fromkeys(("isEmpty", "empty"), ((0,), lambda _run, value: not value)),
    **dict.fromkeys(("isBlank", "blank"), ((0,), lambda _run, value: not value.strip(WHITESPACE))),
    "toUpperCase": ((0,), lambda _run, value: value.upper()),
    "toLowerCase": ((0,), lambda _run, value: value.lower()),
    "trim": ((0,), lambda _run, value: value.strip(BLANKS)),
    "strip": ((0,), lambda _run, value: value.strip(WHITESPACE)),
    "startsWith": ((1,), lambda _run, value, other: value.startswith(need_text(other, "`startsWith()`"))),
    "endsWith": ((1,), lambda _run, value, other: value.endswith(need_text(other, "`endsWith()`"))),
    "indexOf": ((1,), lambda _run, value, other: value.find(need_text(other, "`indexOf()`"))),
    "concat": ((1,), lambda run, value, other: run.concat((value, need_text(other, "`concat()`")))),
    "replace": ((2,), lambda run, value, old, new: replaced(run, value, old, new)),
    "matches": ((1,), lambda run, value, pattern: matches_all(run, need_text(pattern, "`matches()`"), value)),
    "split": ((1, 2), lambda run, value, *how: parts(run, value, *how)),
    **ANY_MEMBERS,
}
MAP_MEMBERS: Final[Mapping[str, tuple[Collection[int], Member]]] = {
    "size": ((0,), lambda _run, value: len(entries(value))),
    "isEmpty": ((0,), lambda _run, value: not entries(value)),
    "get": ((1,), lambda _run, value, key: null_if_missing(entry(value, key))),
    "containsKey": ((1,), lambda _run, value, key: entry(value, key) is not MISSING),
    "getOrDefault": (
        (2,),
        lambda _run, value, key, other: other if entry(value, key) is MISSING else entry(value, key),
    ),
    "keySet": ((0,), lambda _run, value: list(entries(value))),
    "values": ((0,), lambda _run, value: list(entries(value).values())),
    "entrySet": ((0,), lambda _run, value: entry_list(value)),
    **ANY_MEMBERS,
}
LIST_MEMBERS: Final[Mapping[str, tuple[Collection[int], Member]]] = {
    "size": ((0,), lambda _run, value: len(value)),
    **dict.fromkeys(("isEmpty", "empty"), ((0,), lambda _run, value: not value)),
    **dict.fromkeys(("first", "getFirst"), ((0,), lambda _run, value: value[0] if value else MISSING)),
    **dict.fromkeys(("last", "getLast"), ((0,), lambda _run, value: value[-1] if value else MISSING)),
    "reversed": ((0,), lambda _run, value: list(value[::-1])),
    "get": ((1,), lambda run, value, key: element(run, value, key)),
    **ANY_MEMBERS,
}
ENTRY_MEMBERS: Final[Mapping[str, tuple[Collection[int], Member]]] = {
    "getKey": ((0,), lambda _run, value: value.key),
    "getValue": ((0,), lambda _run, value: value.value),
    **ANY_MEMBERS,
}


def null_if_missing(value: Value) -> Value:
    """`get` of a map gives null for a key that is not there."""
    return None if value is MISSING else value


def entry_list(value: Mapping[Value, Value]) -> list[Value]:
    """The entries of a map, each as a value."""
    return [MapEntry(key, one) for key, one in entries(value).items()]


def replaced(run: Run, value: str, old: Value, new: Value) -> str:
    """`replace()` of a text."""
    before, after = (need_text(one, "`replace()`") for one in (old, new))
    run.room_for(len(value) + value.count(before) * max(0, len(after) - len(before)))
    return value.replace(before, after)


def parts(run: Run, value: str, pattern: Value, limit: Value = 0) -> list[Value]:
    """`split()` of a text at a regular expression."""
    if not is_integer(limit):
        raise WrongValue(f"the limit of `split()` is a whole number, not {kind(limit)}")
    return [*split(run, need_text(pattern, "`split()`"), value, limit)]


def members(value: Value) -> Mapping[str, tuple[Collection[int], Member]]:
    """The members of a kind of value."""
    if isinstance(value, str):
        return TEXT_MEMBERS
    if is_map(value):
        return MAP_MEMBERS
    if isinstance(value, MapEntry):
        return ENTRY_MEMBERS
    return LIST_MEMBERS if is_list(value) else {} if value is None else ANY_MEMBERS


def member(run: Run, value: Value, key: Value) -> Value:
    """`l.size` and `s.length` without parentheses; never for maps, whose names are keys."""
    found = None if is_map(value) or not isinstance(key, str) else members(value).get(key)
    return MISSING if found is None or 0 not in found[0] else found[1](run, run.charge(value))


def call_member(run: Run, value: Value, name: str, *arguments: Value) -> Value:
    """`l.size()` and its like."""
    found = members(value).get(name)
    if found is None:
        raise MissingValue(
            f"{kind(value)} has no `{name}()`", name=name, nearest=nearest(name, members(value))
        )
    counts, body = found
    if len(arguments) not in counts:
        takes = " or ".join(map(str, counts))
        raise WrongValue(f"`{name}()` takes {takes} argument(s), not {len(arguments)}")
    result = body(run, run.charge(value), *arguments)
    if result is MISSING:
        raise MissingValue(f"there is nothing for `{name}()` to give", name=name)
    return result
