"""`=`, `|=`, `+=` and their like: every path of the left side gets a new value, in a copy."""

from functools import partial

from hookledger.runtime.expressions.formats.jq.access import delete, get_path, update
from hookledger.runtime.expressions.formats.jq.core import (
    Env,
    Filter,
    Outputs,
    Path,
    always,
    fail,
    truth,
    untracked,
    values,
)
from hookledger.runtime.expressions.formats.jq.operators import ARITHMETIC, Operation
from hookledger.runtime.expressions.values import Value


def assigned(target: Filter, source: Filter) -> Filter:
    """`target = source`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        for new in values(source, env, value):
            result = value
            for where in paths_of(target, env, value):
                result = update(env, result, where, always(new))
            yield None, result

    return run


def updated(target: Filter, change: Filter) -> Filter:
    """`target |= change`: the first output is kept; without one the target is deleted."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        result, gone = value, list[tuple[Value, ...]]()
        for where in list(paths_of(target, env, value)):
            new = next(values(change, env, get_path(env, result, where)), NOTHING)
            if new is NOTHING:
                gone.append(where)
            else:
                result = update(env, result, where, always(new))
        for where in reversed(gone):
            result = delete(env, result, where)
        yield None, result

    return run


NOTHING: Value = object()


def modified(apply: Operation, target: Filter, source: Filter) -> Filter:
    """`target += source` and its like."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        for right in values(source, env, value):
            result = value
            for where in paths_of(target, env, value):
                result = update(env, result, where, partial(combined, apply, env, right))
            yield None, result

    return run


def combined(apply: Operation, env: Env, right: Value, old: Value) -> Value:
    """The old value and another one put together."""
    return apply(env, old, right)


def defaulted(_env: Env, left: Value, right: Value) -> Value:
    """`//=`."""
    return left if truth(left) else right


ASSIGNMENTS = {f"{mark}=": apply for mark, apply in ARITHMETIC.items()} | {"//=": defaulted}


def paths_of(body: Filter, env: Env, value: Value) -> "list[tuple[Value, ...]]":
    """The paths a filter leads to."""
    found: list[tuple[Value, ...]] = []
    for path, _ in body(env, (), value):
        env.run.spend(1)
        if path is None:
            raise fail("Invalid path expression")
        found.append(path)
    return found
