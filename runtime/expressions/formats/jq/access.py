"""Reading and changing values by key, index, slice and path."""

from collections.abc import Callable
from itertools import islice

from hookledger.runtime.expressions.errors import LimitExceeded
from hookledger.runtime.expressions.formats.jq.core import (
    Env,
    Outputs,
    Path,
    fail,
    is_array,
    is_object,
    tracked,
    type_of,
)
from hookledger.runtime.expressions.values import Value

INDEX_MAX = 1_000_000


def is_number(value: Value) -> bool:
    """A number, not a boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def get(env: Env, value: Value, key: Value) -> Value:
    """`.[key]`."""
    if value is None and (key is None or isinstance(key, (str, dict)) or is_number(key)):
        return None
    if is_object(value) and isinstance(key, str):
        return value.get(key)
    if is_array(value) and is_number(key):
        return element(value, key)
    if (is_array(value) or isinstance(value, str)) and is_object(key):
        return slice_of(value, key.get("start"), key.get("end"))
    if is_array(value) and is_array(key):
        return positions(env, value, key)
    name = f'"{key}"' if isinstance(key, str) else type_of(key)
    raise fail(f"Cannot index {type_of(value)} with {name}")


def element(values: list[Value], key: float) -> Value:
    """An element by its number; negative ones count from the end."""
    if key != key or abs(key) > INDEX_MAX * 10:
        return None
    index = int(key // 1)
    index += len(values) if index < 0 else 0
    return values[index] if 0 <= index < len(values) else None


def bounds(length: int, start: Value, end: Value) -> tuple[int, int]:
    """The bounds of a slice within a length."""
    for one in (start, end):
        if one is not None and not is_number(one):
            raise fail("Start and end indices of an array slice must be numbers")
    first = 0 if start is None else clamped(start, length, up=False)
    last = length if end is None else clamped(end, length, up=True)
    return first, max(first, last)


def clamped(value: float, length: int, *, up: bool) -> int:
    """A bound within a length: starts are rounded down, ends up."""
    if value != value:
        return 0
    value = max(-length, min(length, value))
    index = int(-(-value // 1) if up else value // 1)
    return max(0, index + length) if index < 0 else index


def slice_of(value: Value, start: Value, end: Value) -> Value:
    """`.[start:end]`."""
    if value is None:
        return None
    first, last = bounds(len(value), start, end)
    return value[first:last]


def positions(env: Env, values: list[Value], wanted: list[Value]) -> Value:
    """Where a list occurs in another."""
    if not wanted:
        return None
    env.run.spend(len(values))
    width = len(wanted)
    return [at for at in range(len(values) - width + 1) if values[at : at + width] == wanted]


def iterate(_env: Env, path: Path, value: Value) -> Outputs:
    """`.[]`."""
    if is_object(value):
        for key, one in value.items():
            yield tracked(path, key), one
    elif is_array(value):
        for index, one in enumerate(value):
            yield tracked(path, index), one
    else:
        raise fail(f"Cannot iterate over {type_of(value)}")


def get_path(env: Env, value: Value, path: "tuple[Value, ...] | list[Value]") -> Value:
    """The value at a path; null where it ends early."""
    for key in path:
        if value is None:
            return None
        value = get(env, value, key)
    return value


def update(env: Env, value: Value, path: "tuple[Value, ...]", change: Callable[[Value], Value]) -> Value:
    """A copy with the value at a path changed."""
    env.run.spend(1)
    if not path:
        return change(value)
    key = path[0]
    return put(env, value, key, update(env, get(env, value, key), path[1:], change))


def put(env: Env, value: Value, key: Value, new: Value) -> Value:
    """A copy with one entry set."""
    if isinstance(key, str) and (value is None or is_object(value)):
        return {**(value or {}), key: new}
    if is_number(key) and (value is None or is_array(value)):
        return put_element(env, value or [], int(key), new)
    if is_object(key) and (value is None or is_array(value)):
        if not is_array(new):
            raise fail("A slice of an array can only be assigned another array")
        first, last = bounds(len(value or []), key.get("start"), key.get("end"))
        return [*(value or [])[:first], *new, *(value or [])[last:]]
    get(env, value, key)
    raise fail(f"Cannot update field at {type_of(key)} index of {type_of(value)}")


def put_element(env: Env, values: list[Value], index: int, new: Value) -> list[Value]:
    """A copy of a list with one element set; gaps are filled with null."""
    index += len(values) if index < 0 else 0
    if index < 0:
        raise fail("Out of bounds negative array index")
    if index > INDEX_MAX:
        raise LimitExceeded(f"jq: a list would have more than {INDEX_MAX} elements")
    env.run.room_for_items(max(len(values), index))
    return [*values[:index], *[None] * (index - len(values)), new, *values[index + 1 :]]


def delete(env: Env, value: Value, path: "tuple[Value, ...]") -> Value:
    """A copy without what is at a path."""
    env.run.spend(1)
    if not path or value is None:
        return None
    key = path[0]
    if len(path) > 1:
        inner = get(env, value, key)
        return value if inner is None else put(env, value, key, delete(env, inner, path[1:]))
    return without(env, value, key)


def without(env: Env, value: Value, key: Value) -> Value:
    """A copy without one entry."""
    if is_object(value) and isinstance(key, str):
        return {name: one for name, one in value.items() if name != key}
    if is_array(value) and is_number(key):
        index = int(key) + (len(value) if key < 0 else 0)
        return [one for at, one in enumerate(value) if at != index]
    if is_array(value) and is_object(key):
        first, last = bounds(len(value), key.get("start"), key.get("end"))
        return [*value[:first], *value[last:]]
    get(env, value, key)
    raise fail(f"Cannot delete field at {type_of(key)} index of {type_of(value)}")


def first_of(outputs: Outputs) -> list[Value]:
    """At most one output."""
    return [one for _, one in islice(outputs, 1)]
