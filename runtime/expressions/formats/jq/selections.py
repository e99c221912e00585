"""jq's functions on lists and objects that compute one value."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Final

from hookledger.runtime.expressions.formats.jq.access import get, is_number
from hookledger.runtime.expressions.formats.jq.core import (
    Env,
    fail,
    is_array,
    is_object,
    number,
    one_argument,
    order_key,
    shown,
    truth,
    type_of,
)
from hookledger.runtime.expressions.formats.jq.operators import add, equal
from hookledger.runtime.expressions.values import Value


def need_list(env: Env, value: Value, what: str) -> list[Value]:
    """Require a list."""
    if not is_array(value):
        raise fail(f"{type_of(value)} ({shown(env, value)}) cannot be {what}, as it is not an array")
    env.run.spend(1 + (len(value) >> 3))
    return value


def length(env: Env, value: Value) -> Value:
    """Characters, elements or entries; of a number, its distance from zero."""
    if value is None:
        return 0
    if isinstance(value, bool):
        raise fail(f"boolean ({shown(env, value)}) has no length")
    return number(abs(value)) if is_number(value) else len(value)


def keys(env: Env, value: Value) -> Value:
    """Keys in order, or indexes."""
    found = keys_unsorted(env, value)
    return sorted(found) if is_object(value) else found


def keys_unsorted(env: Env, value: Value) -> list[Value]:
    """Keys as they come, or indexes."""
    if is_object(value):
        return list(value)
    if is_array(value):
        return list(range(len(value)))
    raise fail(f"{type_of(value)} ({shown(env, value)}) has no keys")


def has(env: Env, value: Value, key: Value) -> bool:
    """Whether a key or index exists."""
    if is_object(value) and isinstance(key, str):
        return key in value
    if is_array(value) and is_number(key):
        return bool(0 <= key < len(value))
    raise fail(f"Cannot check whether {type_of(value)} has a {type_of(key)} key")


def contains(env: Env, value: Value, other: Value) -> bool:
    """Whether all of another value is somewhere in this one."""
    env.run.spend(1)
    if is_object(value) and is_object(other):
        return all(key in value and contains(env, value[key], one) for key, one in other.items())
    if is_array(value) and is_array(other):
        return all(any(contains_or_equal(env, mine, one) for mine in value) for one in other)
    if isinstance(value, str) and isinstance(other, str):
        return other in value
    if type_of(value) == type_of(other):
        return equal(env, value, other)
    raise fail(
        f"{type_of(value)} ({shown(env, value)}) and {type_of(other)} ({shown(env, other)}) "
        "cannot have their containment checked"
    )


def contains_or_equal(env: Env, value: Value, other: Value) -> bool:
    """Containment of values of the same type; others contain nothing of each other."""
    return type_of(value) == type_of(other) and contains(env, value, other)


def total(env: Env, value: Value) -> Value:
    """All elements added."""
    parts = list(value.values()) if is_object(value) else need_list(env, value, "added")
    if parts and all(isinstance(one, str) for one in parts):
        env.run.room_for(sum(map(len, parts)))
        return "".join(parts)
    if parts and all(is_array(one) for one in parts):
        env.run.room_for_items(sum(map(len, parts)))
        return [one for part in parts for one in part]
    env.run.spend(len(parts))
    return reduce(lambda left, right: add(env, left, right), parts, None)


def sort(env: Env, value: Value) -> Value:
    """In jq's order of all values."""
    return sorted(need_list(env, value, "sorted"), key=lambda one: order_key(env.run, one))


def unique(env: Env, value: Value) -> Value:
    """Every value once, in order."""
    found: list[Value] = []
    for one in sort(env, value):
        if not found or not equal(env, found[-1], one):
            found.append(one)
    return found


def least(env: Env, value: Value) -> Value:
    """The smallest element."""
    values = need_list(env, value, "ordered")
    return min(values, key=lambda one: order_key(env.run, one)) if values else None


def greatest(env: Env, value: Value) -> Value:
    """The largest element, the last of equal ones."""
    values = need_list(env, value, "ordered")
    return max(reversed(values), key=lambda one: order_key(env.run, one)) if values else None


def reverse(env: Env, value: Value) -> Value:
    """Backwards, also text."""
    if isinstance(value, str) or value is None:
        return value[::-1] if value else []
    return need_list(env, value, "reversed")[::-1]


def flatten(env: Env, value: Value, depth: Value = 1000) -> Value:
    """Lists within a list dissolved, down to a depth."""
    if not is_number(depth) or depth < 0:
        raise fail("flatten depth must not be negative")
    found: list[Value] = []
    pending: list[tuple[Value, float]] = [
        (one, depth) for one in reversed(need_list(env, value, "flattened"))
    ]
    while pending:
        env.run.spend(1)
        one, left = pending.pop()
        if is_array(one) and left > 0:
            pending.extend((inner, left - 1) for inner in reversed(one))
        else:
            found.append(one)
    return found


def first(env: Env, value: Value) -> Value:
    """The first element."""
    return get(env, value, 0)


def last(env: Env, value: Value) -> Value:
    """The last element."""
    return get(env, value, -1)


def nth(env: Env, value: Value, number: Value) -> Value:
    """One element."""
    return get(env, value, number)


def from_entries(env: Env, value: Value) -> Value:
    """An object from keys and values, under any of the usual names."""
    result: dict[str, Value] = {}
    for one in need_list(env, value, "made an object"):
        env.run.spend(1)
        if not is_object(one):
            raise fail(f"Cannot index {type_of(one)} with key")
        result[entry_key(one)] = next((one[name] for name in VALUE_NAMES if name in one), None)
    return result


def entry_key(entry: dict[str, Value]) -> str:
    """The key of an entry, as text."""
    key = next((entry[name] for name in KEY_NAMES if entry.get(name) not in (None, False)), None)
    if key is None:
        key = next((entry[name] for name in KEY_NAMES if name in entry), None)
    if isinstance(key, str):
        return key
    if isinstance(key, (bool, type(None))):
        return {True: "true", False: "false", None: "null"}[key]
    if is_number(key):
        return str(key)
    raise fail(f"Cannot use {type_of(key)} as object key")


KEY_NAMES: Final = ("key", "k", "name", "Name", "K", "Key")
VALUE_NAMES: Final = ("value", "v", "Value", "V")


def transpose(env: Env, value: Value) -> Value:
    """Rows become columns; short rows are filled with null."""
    rows = [need_list(env, one, "transposed") for one in need_list(env, value, "transposed")]
    width = max(map(len, rows), default=0)
    env.run.room_for_items(width * len(rows))
    return [[row[at] if at < len(row) else None for row in rows] for at in range(width)]


def bsearch(env: Env, value: Value, wanted: Value) -> int:
    """Where a value is in a sorted list, or -1 minus where it would be."""
    values, low = need_list(env, value, "searched"), 0
    high, key = len(values), order_key(env.run, wanted)
    while low < high:
        middle = (low + high) // 2
        if order_key(env.run, values[middle]) < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(values) and equal(env, values[low], wanted) else -1 - low


def join(env: Env, value: Value, mark: Value) -> Value:
    """Elements as one text; null is empty."""
    from hookledger.runtime.expressions.formats.jq.strings import tostring

    parts: list[str] = []
    for one in need_list(env, value, "joined"):
        if isinstance(one, (list, dict)):
            raise fail(f"{type_of(one)} ({shown(env, one)}) cannot be joined")
        parts.append("" if one is None else tostring(env, one))
    if not isinstance(mark, str):
        raise fail("join needs a string")
    env.run.room_for(sum(map(len, parts)) + len(mark) * len(parts))
    return mark.join(parts)


PLAIN: Final[Mapping[str, Callable[..., Value]]] = {
    "length/0": length,
    "not/0": one_argument(lambda _env, value: not truth(value)),
    "keys/0": keys,
    "keys_unsorted/0": keys_unsorted,
    "has/1": has,
    "contains/1": contains,
    "add/0": total,
    "sort/0": sort,
    "unique/0": unique,
    "min/0": least,
    "max/0": greatest,
    "reverse/0": reverse,
    "flatten/0": flatten,
    "flatten/1": flatten,
    "first/0": first,
    "last/0": last,
    "nth/1": nth,
    "from_entries/0": from_entries,
    "transpose/0": transpose,
    "bsearch/1": bsearch,
    "join/1": join,
    "type/0": one_argument(lambda _env, value: type_of(value)),
    "toarray/0": one_argument(lambda _env, value: value if is_array(value) else [value]),
}
