"""jq's functions that take filters, or give several outputs. Loops are real loops, not recursion."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final

from hookledger.runtime.expressions.formats.jq.access import delete, get_path, is_number, iterate, update
from hookledger.runtime.expressions.formats.jq.core import (
    Env,
    Filter,
    JqError,
    Outputs,
    Path,
    always,
    fail,
    is_array,
    is_object,
    order_key,
    tracked,
    truth,
    type_of,
    untracked,
    values,
)
from hookledger.runtime.expressions.values import Value


def empty(_env: Env, _path: Path, _value: Value) -> Outputs:
    yield from ()


def error(env: Env, _path: Path, value: Value, message: Filter | None = None) -> Outputs:
    for one in values(message, env, value) if message is not None else (value,):
        raise JqError(one)
    yield from ()


def select(env: Env, path: Path, value: Value, test: Filter) -> Outputs:
    for found in values(test, env, value):
        if truth(found):
            yield path, value


def of_type(*names: str, negated: bool = False) -> Callable[..., Outputs]:
    """`numbers`, `strings` and their like."""

    def run(_env: Env, path: Path, value: Value) -> Outputs:
        if (type_of(value) in names) is not negated:
            yield path, value

    return run


def recurse(env: Env, path: Path, value: Value, step: Filter | None = None) -> Outputs:
    """The input, then everything reached by a step, depth first."""
    pending = [iter([(path, value)])]
    while pending:
        found = next(pending[-1], None)
        if found is None:
            pending.pop()
            continue
        env.run.spend(1)
        env.run.room_for_items(len(pending))
        yield found
        pending.append(step(env, *found) if step is not None else children(env, *found))


def children(env: Env, path: Path, value: Value) -> Outputs:
    """The elements of a collection; nothing else has any."""
    return iterate(env, path, value) if isinstance(value, (list, dict)) else iter(())


def range_(env: Env, path: Path, value: Value, *bounds: Filter) -> Outputs:
    """Numbers from a start up to an end by a step."""
    from hookledger.runtime.expressions.formats.jq.builtins import combinations

    untracked(path)
    for combination in combinations(env, value, bounds):
        start, end, step = {1: (0, *combination, 1), 2: (*combination, 1), 3: tuple(combination)}[len(bounds)]
        if not all(is_number(one) for one in (start, end, step)):
            raise fail("Range bounds must be numeric")
        while step and (start < end if step > 0 else start > end):
            env.run.spend(1)
            yield None, start
            start = start + step


def while_(env: Env, path: Path, value: Value, test: Filter, step: Filter) -> Outputs:
    """Outputs as long as a test holds."""

    def go_on(inner: Env, one_path: Path, one: Value) -> Outputs:
        for result in step(inner, one_path, one):
            yield from select(inner, *result, test)

    for first in select(env, path, value, test):
        yield from recurse(env, *first, go_on)


def until(env: Env, path: Path, value: Value, test: Filter, step: Filter) -> Outputs:
    """The first value for which a test holds."""
    pending = [iter([(path, value)])]
    while pending:
        found = next(pending[-1], None)
        if found is None:
            pending.pop()
            continue
        env.run.spend(1)
        env.run.room_for_items(len(pending))
        if any(truth(one) for one in islice(values(test, env, found[1]), 1)):
            yield found
        else:
            pending.append(step(env, *found))


def repeat(env: Env, path: Path, value: Value, step: Filter) -> Outputs:
    """A step taken again and again; the input itself is not among the outputs."""
    for first_path, one in step(env, path, value):
        yield from recurse(env, first_path, one, step)


def limit(env: Env, path: Path, value: Value, count: Filter, body: Filter) -> Outputs:
    for number in values(count, env, value):
        if is_number(number) and number > 0:
            yield from islice(body(env, path, value), int(min(number, 1e9)))


def first(env: Env, path: Path, value: Value, body: Filter) -> Outputs:
    yield from islice(body(env, path, value), 1)


def last(env: Env, path: Path, value: Value, body: Filter) -> Outputs:
    found = None
    for found in body(env, path, value):  # noqa: B007 - the last one is wanted
        env.run.spend(1)
    if found is not None:
        yield found


def nth(env: Env, path: Path, value: Value, count: Filter, body: Filter) -> Outputs:
    for number in values(count, env, value):
        if not is_number(number) or number < 0:
            raise fail("Out of bounds negative array index")
        yield from islice(body(env, path, value), int(min(number, 1e9)), int(min(number, 1e9)) + 1)


def is_empty(env: Env, path: Path, value: Value, body: Filter) -> Outputs:
    untracked(path)
    yield None, next(values(body, env, value), MISSING) is MISSING


MISSING: Final = object()


def path_(env: Env, path: Path, value: Value, body: Filter) -> Outputs:
    untracked(path)
    for found, _ in body(env, (), value):
        if found is None:
            raise fail("Invalid path expression")
        yield None, list(found)


def paths(env: Env, path: Path, value: Value) -> Outputs:
    untracked(path)
    for found, _ in recurse(env, (), value):
        if found:
            yield None, list(found)


def getpath(env: Env, path: Path, value: Value, where: Filter) -> Outputs:
    for found in values(where, env, value):
        if not is_array(found):
            raise fail("Path must be specified as an array")
        inner = path
        for key in found:
            inner = tracked(inner, key)
        yield inner, get_path(env, value, found)


def setpath(env: Env, path: Path, value: Value, where: Filter, new: Filter) -> Outputs:
    untracked(path)
    for one in values(new, env, value):
        for found in values(where, env, value):
            if not is_array(found):
                raise fail("Path must be specified as an array")
            yield None, update(env, value, tuple(found), always(one))


def delpaths(env: Env, path: Path, value: Value, where: Filter) -> Outputs:
    untracked(path)
    for found in values(where, env, value):
        if not is_array(found) or not all(is_array(one) for one in found):
            raise fail("Paths must be specified as an array")
        result = value
        for one in sorted(found, key=lambda one: order_key(env.run, one), reverse=True):
            result = delete(env, result, tuple(one))
        yield None, result


def keyed(env: Env, value: Value, body: Filter) -> list[tuple[Value, Value]]:
    """The elements of a list with what they are ordered by."""
    if not is_array(value):
        raise fail(f"Cannot index {type_of(value)} with number")
    env.run.spend(len(value))
    return [(order_key(env.run, list(values(body, env, one))), one) for one in value]


def ordered(finish: Callable[[list[tuple[Value, Value]]], Value]) -> Callable[..., Outputs]:
    """`sort_by` and its like."""

    def run(env: Env, path: Path, value: Value, body: Filter) -> Outputs:
        untracked(path)
        yield None, finish(sorted(keyed(env, value, body), key=lambda pair: pair[0]))

    return run


def groups(pairs: list[tuple[Value, Value]]) -> list[list[Value]]:
    """Neighbours with the same key together."""
    found: list[list[Value]] = []
    before: Value = MISSING
    for key, one in pairs:
        if key == before:
            found[-1].append(one)
        else:
            found.append([one])
        before = key
    return found


def smallest(pairs: list[tuple[Value, Value]]) -> Value:
    return pairs[0][1] if pairs else None


def largest(pairs: list[tuple[Value, Value]]) -> Value:
    return pairs[-1][1] if pairs else None


def walk(env: Env, path: Path, value: Value, body: Filter) -> Outputs:
    """Change every part of a value, the inner ones first."""
    untracked(path)
    env.run.enter()
    try:
        if is_object(value):
            value = {
                key: inner
                for key, one in value.items()
                for inner in islice(values_of(walk, env, one, body), 1)
            }
        elif is_array(value):
            value = [inner for one in value for inner in values_of(walk, env, one, body)]
        yield from body(env, None, value)
    finally:
        env.run.leave()


def values_of(function: Callable[..., Outputs], env: Env, value: Value, body: Filter) -> "list[Value]":
    env.run.spend(1)
    return [one for _, one in function(env, None, value, body)]


SCALARS: Final = ("null", "boolean", "number", "string")
GENERATORS: Final[Mapping[str, Callable[..., Outputs]]] = {
    "empty/0": empty,
    "error/0": error,
    "error/1": error,
    "select/1": select,
    "recurse/0": recurse,
    "recurse/1": recurse,
    "recurse_down/0": recurse,
    "range/1": range_,
    "range/2": range_,
    "range/3": range_,
    "while/2": while_,
    "until/2": until,
    "repeat/1": repeat,
    "limit/2": limit,
    "first/1": first,
    "last/1": last,
    "nth/2": nth,
    "isempty/1": is_empty,
    "path/1": path_,
    "paths/0": paths,
    "getpath/1": getpath,
    "setpath/2": setpath,
    "delpaths/1": delpaths,
    "walk/1": walk,
    "sort_by/1": ordered(lambda pairs: [one for _, one in pairs]),
    "group_by/1": ordered(groups),
    "unique_by/1": ordered(lambda pairs: [group[0] for group in groups(pairs)]),
    "min_by/1": ordered(smallest),
    "max_by/1": ordered(largest),
    "values/0": of_type("null", negated=True),
    "nulls/0": of_type("null"),
    "booleans/0": of_type("boolean"),
    "numbers/0": of_type("number"),
    "strings/0": of_type("string"),
    "arrays/0": of_type("array"),
    "objects/0": of_type("object"),
    "iterables/0": of_type("array", "object"),
    "scalars/0": of_type(*SCALARS),
}
