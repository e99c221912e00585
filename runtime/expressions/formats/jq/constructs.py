"""What the parser puts together: binary operators, patterns after `as`, texts with interpolations, calls."""

from collections.abc import Callable

from hookledger.runtime.expressions.formats.jq import evaluation as make
from hookledger.runtime.expressions.formats.jq.access import get
from hookledger.runtime.expressions.formats.jq.builtins import BUILTINS
from hookledger.runtime.expressions.formats.jq.core import (
    Closure,
    Env,
    Filter,
    JqError,
    Outputs,
    Path,
    refused,
    untracked,
    values,
)
from hookledger.runtime.expressions.formats.jq.operators import ARITHMETIC, COMPARISONS
from hookledger.runtime.expressions.values import Value

Pattern = Callable[[Env, Value], "list[Env]"]


def binary(mark: str, left: Filter, right: Filter) -> Filter:
    """A binary operator's filter."""
    if mark in ("and", "or"):
        return make.conjunction(left, right, stop=mark == "or")
    return make.operation(ARITHMETIC.get(mark) or COMPARISONS[mark], left, right)


def simple(name: str) -> Pattern:
    """`as $name`."""
    return lambda env, value: [env.with_variable(name, value)]


def destructured(parts: list[tuple[Filter, Pattern]]) -> Pattern:
    """`as [$a, {b: $c}]`: every combination of keys."""

    def bind(env: Env, value: Value) -> list[Env]:
        found = [env]
        for key, pattern in parts:
            found = [
                inner
                for outer in found
                for name in values(key, outer, value)
                for inner in pattern(outer, get(outer, value, name))
            ]
        return found

    return bind


def either(first: Pattern, second: Pattern) -> Pattern:
    """`as $a ?// [$a]`: the second pattern when the first does not fit."""

    def bind(env: Env, value: Value) -> list[Env]:
        try:
            return first(env, value)
        except JqError:
            return second(env, value)

    return bind


def interpolated(pieces: "list[str | Filter]", format_: Filter) -> Filter:
    """A text with interpolations: every combination."""

    def combine(env: Env, value: Value, at: int, sofar: str) -> Outputs:
        env.run.room_for(len(sofar))
        if at == len(pieces):
            yield None, sofar
            return
        piece = pieces[at]
        if isinstance(piece, str):
            yield from combine(env, value, at + 1, sofar + piece)
            return
        for one in values(piece, env, value):
            for text in values(format_, env, one):
                yield from combine(env, value, at + 1, sofar + text)

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        yield from combine(env, value, 0, "")

    return run


def called(name: str, arguments: list[Filter]) -> Filter:
    """A call: of an argument, of a function of the program, or of one that comes with jq."""
    key = f"{name}/{len(arguments)}"
    builtin = BUILTINS.get(key)

    def run(env: Env, path: Path, value: Value) -> Outputs:
        env.run.spend(1)
        function = env.functions.get(key)
        if isinstance(function, Closure):
            yield from function.body(function.env, path, value)
        elif function is not None:
            yield from make.call(function, arguments, env, path, value)
        elif builtin is not None:
            yield from builtin(env, path, value, *arguments)
        else:
            raise refused(f"{key} is not defined")

    return run
