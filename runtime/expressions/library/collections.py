"""Filters on lists and maps. What comes in is never changed; a new list or map comes out."""

from collections.abc import Callable
from typing import Final

from hookledger.runtime.expressions.attributes import entry_list
from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.library.arguments import list_of, text_of, truncated
from hookledger.runtime.expressions.library.registry import FILTERS
from hookledger.runtime.expressions.operators import as_double, code_units, equal
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import string_of
from hookledger.runtime.expressions.values import (
    MapEntry,
    Value,
    entries,
    is_list,
    is_map,
    is_number,
    kind,
    made,
)


@FILTERS("length")
def length(_run: Run, value: Value) -> int:
    """How many characters, elements or entries; everything else has none."""
    if is_map(value):
        return len(entries(value))
    return len(value) if isinstance(value, str) or is_list(value) else 0


@FILTERS("first")
def first(_run: Run, value: Value) -> Value:
    """The first element or character."""
    return end_of(value, 0, "first")


@FILTERS("last")
def last(_run: Run, value: Value) -> Value:
    """The last element or character."""
    return end_of(value, -1, "last")


def end_of(value: Value, index: int, name: str) -> Value:
    """One end of a list or text; null when there is none."""
    if value is None:
        return None
    if not isinstance(value, str) and not is_list(value):
        raise WrongValue(f"`{name}` needs a list or text, not {kind(value)}")
    return value[index] if value else None


@FILTERS("join", "separator?")
def join(run: Run, value: Value, separator: Value = None) -> Value:
    """The elements as one text."""
    if value is None:
        return None
    mark = "" if separator is None else text_of(separator, "the separator of `join`")
    values = list_of(value, "`join`")
    run.spend(len(values))
    parts = [string_of(run, one) for one in values]
    run.room_for(sum(map(len, parts)) + len(mark) * len(parts))
    return mark.join(parts)


@FILTERS("sort")
def sort(run: Run, value: Value) -> Value:
    """In natural order."""
    return None if value is None else ordered(run, list_of(value, "`sort`"))


@FILTERS("rsort")
def rsort(run: Run, value: Value) -> Value:
    """In reverse natural order."""
    return None if value is None else ordered(run, list_of(value, "`rsort`"), descending=True)


def ordered(run: Run, values: list[Value], *, descending: bool = False) -> list[Value]:
    """Sort values of one kind; text by code unit."""
    if len(values) == 1:
        return values  # of any kind: there is nothing to compare
    run.spend(len(values) * max(1, len(values).bit_length()) >> 3)
    for test, key in ORDERS:
        if all(test(one) for one in values):
            return sorted(values, key=key, reverse=descending)
    raise WrongValue("only values of one kind can be sorted: numbers, texts or booleans")


def is_text(value: Value) -> bool:
    return isinstance(value, str)


def is_boolean(value: Value) -> bool:
    return isinstance(value, bool)


ORDERS: Final[tuple[tuple[Callable[[Value], bool], Callable[[Value], Value]], ...]] = (
    (is_number, as_double),
    (is_text, code_units),
    (is_boolean, bool),
)


@FILTERS("reverse")
def reverse(_run: Run, value: Value) -> Value:
    """The elements backwards."""
    return None if value is None else list_of(value, "`reverse`")[::-1]


@FILTERS("slice", "fromIndex?", "toIndex?")
def slice_(_run: Run, value: Value, start: Value = None, end: Value = None) -> Value:
    """A part of a list or text; nothing outside of it can be asked for."""
    if value is None:
        return None
    if not isinstance(value, str) and not is_list(value):
        raise WrongValue(f"`slice` needs a list or text, not {kind(value)}")
    begin = 0 if start is None else truncated(start, "the start of `slice`")
    stop = len(value) if end is None else truncated(end, "the end of `slice`")
    if begin < 0 or stop > len(value) or begin > stop or (end is not None and begin == stop):
        raise WrongValue(f"`slice` from {begin} to {stop} is not within a length of {len(value)}")
    return value[begin:stop] if isinstance(value, str) else list(value[begin:stop])


@FILTERS("keys")
def keys(_run: Run, value: Value) -> Value:
    """The keys of a map, or the indexes of a list."""
    if value is None:
        return None
    if is_map(value):
        return list(entries(value))
    if is_list(value):
        return list(range(len(value)))
    raise WrongValue(f"`keys` needs a map or a list, not {kind(value)}")


@FILTERS("values")
def values(_run: Run, value: Value) -> Value:
    """The values of a map."""
    if value is None:
        return None
    if is_map(value):
        return list(entries(value).values())
    raise WrongValue(f"`values` needs a map, not {kind(value)}")


@FILTERS("flatten")
def flatten(run: Run, value: Value) -> Value:
    """Lists in a list are replaced by their elements, one level deep."""
    if value is None:
        return None
    parts = [list(one) if is_list(one) else [one] for one in list_of(value, "`flatten`")]
    run.room_for_items(sum(map(len, parts)))
    return [one for part in parts for one in part]


@FILTERS("chunk", "size")
def chunk(run: Run, value: Value, size: Value) -> Value:
    """A list of lists of that size; the last may be shorter."""
    if value is None:
        return None
    elements, width = list_of(value, "`chunk`"), truncated(size, "the size of `chunk`")
    if width <= 0:
        raise WrongValue("the size of `chunk` must be positive")
    run.spend(len(elements))
    return [elements[at : at + width] for at in range(0, len(elements), width)]


@FILTERS("distinct")
def distinct(run: Run, value: Value) -> Value:
    """Every element once; the first of equal ones stays."""
    if value is None:
        return "null"
    found: list[Value] = []
    seen: set[Value] = set()
    for one in list_of(value, "`distinct`"):
        run.spend(1)
        if is_list(one) or is_map(one) or one is None or isinstance(one, MapEntry):
            if not any(equal(run, one, other) for other in found):
                found.append(one)
        elif (key := identity(one)) not in seen:
            seen.add(key)
            found.append(one)
    return found


def identity(value: Value) -> tuple[str, Value]:
    """What makes two simple values the same."""
    return ("number", as_double(value)) if is_number(value) else (kind(value), value)


@FILTERS("merge", "items")
def merge(run: Run, value: Value, items: Value) -> Value:
    """Two maps, two lists, or a list into a map, as one."""
    if value is None and items is None:
        raise WrongValue("both sides of `merge` are null")
    if value is None or items is None:
        return items if value is None else value
    if is_map(value):
        return made({**entries(value), **as_entries(run, items)})
    if is_list(value):
        more = as_elements(items)
        run.room_for_items(len(value) + len(more))
        return [*value, *more]
    raise WrongValue(f"`merge` needs a map or a list, not {kind(value)}")


def as_entries(run: Run, items: Value) -> dict[Value, Value]:
    """What is merged into a map: entries, or each element of a list under itself."""
    if is_map(items):
        return dict(entries(items))
    if is_list(items):
        return {one if isinstance(one, (str, int)) else string_of(run, one): one for one in items}
    raise WrongValue(f"only maps and lists can be merged into a map, not {kind(items)}")


def as_elements(items: Value) -> list[Value]:
    """What is merged into a list: elements, or the entries of a map."""
    if is_map(items):
        return entry_list(items)
    if is_list(items):
        return list(items)
    raise WrongValue(f"only maps and lists can be merged into a list, not {kind(items)}")
