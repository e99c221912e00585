"""How the parts of a program give their outputs."""

from collections.abc import Callable

from hookledger.runtime.expressions.errors import ExpressionError, LimitExceeded
from hookledger.runtime.expressions.formats.jq.access import get, iterate
from hookledger.runtime.expressions.formats.jq.core import (
    Break,
    Closure,
    Env,
    Filter,
    Function,
    JqError,
    Outputs,
    Path,
    fail,
    number,
    refused,
    shown,
    tracked,
    truth,
    type_of,
    untracked,
    values,
)
from hookledger.runtime.expressions.formats.jq.operators import Operation
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Value


def identity(_env: Env, path: Path, value: Value) -> Outputs:
    """`.`"""
    yield path, value


def constant(known: Value) -> Filter:
    """A value that does not depend on the input."""

    def run(_env: Env, path: Path, _value: Value) -> Outputs:
        yield (() if path is not None and known is None else path), known

    return run


def variable(name: str) -> Filter:
    """`$name`."""

    def run(env: Env, _path: Path, _value: Value) -> Outputs:
        if name not in env.variables:
            raise refused(f"${name} is not defined")
        yield None, env.variables[name]

    return run


def pipe(left: Filter, right: Filter) -> Filter:
    """`left | right`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        for inner_path, one in left(env, path, value):
            env.run.spend(1)
            yield from right(env, inner_path, one)

    return run


def both(left: Filter, right: Filter) -> Filter:
    """`left, right`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        yield from left(env, path, value)
        yield from right(env, path, value)

    return run


def access(target: Filter, key: Filter) -> Filter:
    """`target[key]`; the key sees the input of the whole term."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        for found_path, found in target(env, path, value):
            for name in values(key, env, value):
                env.run.spend(1)
                yield tracked(found_path, name), get(env, found, name)

    return run


def sliced(target: Filter, start: Filter | None, end: Filter | None) -> Filter:
    """`target[start:end]`."""
    missing = constant(None)

    def run(env: Env, path: Path, value: Value) -> Outputs:
        for found_path, found in target(env, path, value):
            for last in values(end or missing, env, value):
                for first in values(start or missing, env, value):
                    key = {"start": first, "end": last}
                    yield tracked(found_path, key), get(env, found, key)

    return run


def each(target: Filter) -> Filter:
    """`target[]`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        for found_path, found in target(env, path, value):
            for one in iterate(env, found_path, found):
                env.run.spend(1)
                yield one

    return run


def attempt(body: Filter, handler: Filter | None) -> Filter:
    """`try body catch handler`, and `body?`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        try:
            yield from body(env, path, value)
        except JqError as error:
            if handler is not None:
                yield from handler(env, None, error.value)

    return run


def alternative(left: Filter, right: Filter) -> Filter:
    """`left // right`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        found = False
        try:
            for one in left(env, path, value):
                if truth(one[1]):
                    found = True
                    yield one
        except JqError:
            pass
        if not found:
            yield from right(env, path, value)

    return run


def operation(apply: Operation, left: Filter, right: Filter) -> Filter:
    """Arithmetic and comparisons: every combination, the right side outermost."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        for second in values(right, env, value):
            for first in values(left, env, value):
                env.run.spend(1)
                yield None, apply(env, first, second)

    return run


def conjunction(left: Filter, right: Filter, *, stop: bool) -> Filter:
    """`and` and `or`, which stop at false and at true."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        for first in values(left, env, value):
            if truth(first) is stop:
                yield None, stop
            else:
                for second in values(right, env, value):
                    yield None, truth(second)

    return run


def negated(body: Filter) -> Filter:
    """`-body`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        for one in values(body, env, value):
            if not isinstance(one, (int, float)) or isinstance(one, bool):
                raise fail(f"{type_of(one)} ({shown(env, one)}) cannot be negated")
            yield None, number(-one)

    return run


def conditional(test: Filter, yes: Filter, no: Filter) -> Filter:
    """`if test then yes else no end`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        for found in values(test, env, value):
            yield from (yes if truth(found) else no)(env, path, value)

    return run


def collected(body: Filter | None) -> Filter:
    """`[body]`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        found: list[Value] = []
        for one in values(body, env, value) if body is not None else ():
            env.run.spend(1)
            found.append(one)
        yield None, found

    return run


def constructed(entries: list[tuple[Filter, Filter]]) -> Filter:
    """`{key: value, ...}`: every combination."""

    def combine(env: Env, value: Value, at: int, sofar: dict[str, Value]) -> Outputs:
        if at == len(entries):
            yield None, sofar
            return
        key_of, value_of = entries[at]
        for key in values(key_of, env, value):
            if not isinstance(key, str):
                raise fail(f"Object keys must be strings, not {type_of(key)}")
            for one in values(value_of, env, value):
                env.run.spend(1)
                yield from combine(env, value, at + 1, {**sofar, key: one})

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        yield from combine(env, value, 0, {})

    return run


Binder = Callable[[Env, Value], "list[Env]"]


def bound(source: Filter, binder: Binder, body: Filter) -> Filter:
    """`source as pattern | body`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        for one in values(source, env, value):
            for inner in binder(env, one):
                env.run.spend(1)
                yield from body(inner, path, value)

    return run


def reduced(source: Filter, binder: Binder, start: Filter, step: Filter) -> Filter:
    """`reduce source as pattern (start; step)`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        for state in start(env, path, value):
            for one in values(source, env, value):
                for inner in binder(env, one):
                    env.run.spend(1)
                    results = list(step(inner, *state))
                    state = results[-1] if results else (path, None)
            yield state

    return run


def foreach(source: Filter, binder: Binder, start: Filter, step: Filter, extract: Filter) -> Filter:
    """`foreach source as pattern (start; step; extract)`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        for state in start(env, path, value):
            for one in values(source, env, value):
                for inner in binder(env, one):
                    env.run.spend(1)
                    for result in step(inner, *state):
                        state = result
                        yield from extract(inner, *result)

    return run


def labelled(name: str, body: Filter) -> Filter:
    """`label $name | body`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        mark = object()
        try:
            yield from body(env.with_variable(f"*{name}", mark), path, value)
        except Break as found:
            if found.label is not mark:
                raise

    return run


def broken(name: str) -> Filter:
    """`break $name`."""

    def run(env: Env, _path: Path, _value: Value) -> Outputs:
        if f"*{name}" not in env.variables:
            raise refused(f"$*label-{name} is not defined")
        yield from leave(env.variables[f"*{name}"])

    return run


def leave(label: object) -> Outputs:
    """Stop all outputs up to a label."""
    raise Break(label)


def defined(name: str, parameters: tuple[str, ...], body: Filter, rest: Filter) -> Filter:
    """`def name(parameters): body; rest`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        function = Function(name, parameters, body, env)
        yield from rest(env.with_functions({f"{name}/{len(parameters)}": function}), path, value)

    return run


def call(function: Function, arguments: list[Filter], env: Env, path: Path, value: Value) -> Outputs:
    """Call a function that a program defines; `$name` parameters are values, in every combination."""
    env.run.enter()
    try:
        inner = function.env.with_functions({f"{function.name}/{len(arguments)}": function})
        pairs = list(zip(function.parameters, arguments, strict=True))
        yield from with_arguments(function, pairs, inner, env, path, value)
    finally:
        env.run.leave()


def with_arguments(
    function: Function, pairs: list[tuple[str, Filter]], inner: Env, env: Env, path: Path, value: Value
) -> Outputs:
    """Bind one argument after the other, then run the body."""
    if not pairs:
        yield from function.body(inner, path, value)
        return
    (name, argument), rest = pairs[0], pairs[1:]
    if name.startswith("$"):
        for one in values(argument, env, value):
            known = inner.with_variable(name[1:], one).with_functions(
                {f"{name[1:]}/0": Closure(constant(one), env)}
            )
            yield from with_arguments(function, rest, known, env, path, value)
    else:
        known = inner.with_functions({f"{name}/0": Closure(argument, env)})
        yield from with_arguments(function, rest, known, env, path, value)


def run_jq(run: Run, program: Filter, value: Value) -> list[Value]:
    """All outputs of a program."""
    outputs: list[Value] = []
    depth = run.depth
    try:
        for one in values(program, Env(run), value):
            run.room_for_items(len(outputs))
            outputs.append(one)
    except JqError as error:
        message = error.value if isinstance(error.value, str) else "an error that is no text"
        raise refused(message[:300]) from error
    except Break as error:
        raise refused("break") from error
    except RecursionError as error:
        raise LimitExceeded("jq: the program goes too deep") from error
    except (ArithmeticError, ValueError, TypeError, LookupError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise refused(f"this cannot be computed ({type(error).__name__})") from error
    finally:
        run.depth = depth
    return outputs
