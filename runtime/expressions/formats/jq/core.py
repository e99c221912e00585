"""The parts jq programs are built from.

A filter takes an input and gives any number of outputs. Each output carries the path that led to it when
paths are asked for (`path(..)`, assignments), else None in its place.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeGuard

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import to_json
from hookledger.runtime.expressions.values import Value

Path: TypeAlias = tuple[Value, ...] | None
Result: TypeAlias = tuple[Path, Value]
Outputs: TypeAlias = Iterator[Result]
Filter: TypeAlias = Callable[["Env", Path, Value], Outputs]


class JqError(Exception):
    """An error inside a jq program, which `try` and `?` catch."""

    def __init__(self, value: Value) -> None:
        super().__init__(value)
        self.value = value


class Break(Exception):
    """`break $label`."""

    def __init__(self, label: object) -> None:
        super().__init__()
        self.label = label


@dataclass(frozen=True, slots=True)
class Function:
    """A function a program defines; its body sees the names around its definition."""

    name: str
    parameters: tuple[str, ...]
    body: Filter
    env: "Env"


@dataclass(frozen=True, slots=True)
class Closure:
    """An argument: a filter with the names around the call."""

    body: Filter
    env: "Env"


@dataclass(frozen=True, slots=True)
class Env:
    """The names in sight of a part of a program."""

    run: Run
    variables: dict[str, Value] = field(default_factory=dict[str, Value])
    functions: "dict[str, Function | Closure]" = field(default_factory=dict[str, "Function | Closure"])

    def with_variable(self, name: str, value: Value) -> "Env":
        """One more variable."""
        return Env(self.run, {**self.variables, name: value}, self.functions)

    def with_functions(self, more: "dict[str, Function | Closure]") -> "Env":
        """More functions."""
        return Env(self.run, self.variables, {**self.functions, **more})


TYPES: Final[tuple[tuple[type, str, int], ...]] = (
    (type(None), "null", 0),
    (bool, "boolean", 1),
    (int, "number", 3),
    (float, "number", 3),
    (str, "string", 4),
    (list, "array", 5),
    (dict, "object", 6),
)


def is_object(value: object) -> TypeGuard[dict[str, Value]]:
    """An object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Value]]:
    """An array."""
    return isinstance(value, list)


def one_argument(function: "Callable[[Env, Value], Value]") -> Callable[..., Value]:
    """Gives a lambda in a table its types."""
    return function


def two_arguments(function: "Callable[[Env, Value, Value], Value]") -> Callable[..., Value]:
    """Gives a lambda in a table its types."""
    return function


def always(new: Value) -> Callable[[Value], Value]:
    """Whatever was there, the new value."""
    return lambda _old: new


def type_of(value: Value) -> str:
    """jq's name of a value's type."""
    return next(name for type_, name, _ in TYPES if isinstance(value, type_))


def order_key(run: Run, value: Value) -> Value:
    """A key that sorts values of all types as jq does."""
    run.spend(1)
    if isinstance(value, bool):
        return (2 if value else 1,)
    if is_array(value):
        return (5, [order_key(run, one) for one in value])
    if is_object(value):
        keys = sorted(value)
        return (6, keys, [order_key(run, value[key]) for key in keys])
    if value is None:
        return (0,)
    return (3, value) if isinstance(value, (int, float)) else (4, value)


def truth(value: Value) -> bool:
    """Everything but false and null."""
    return value is not None and value is not False


def number(value: float) -> Value:
    """The result of arithmetic: a whole number where it is one."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e17:
        return int(value)
    return value


def fail(message: str) -> JqError:
    """An error with a message."""
    return JqError(message)


def shown(env: Env, value: Value) -> str:
    """A value in a message, shortened."""
    text = to_json(env.run, [value])[1:-1]
    return text if len(text) <= 11 else text[:10] + "..."


def tracked(path: Path, key: Value) -> Path:
    """One step further along a path."""
    return None if path is None else (*path, key)


def untracked(path: Path) -> None:
    """Refuse what gives new values where a path is wanted."""
    if path is not None:
        raise fail("Invalid path expression")


def values(body: Filter, env: Env, value: Value) -> Iterator[Value]:
    """The outputs of a filter without paths."""
    for _, one in body(env, None, value):
        yield one


def refused(message: str) -> WrongValue:
    """The error for a program that cannot be run at all."""
    return WrongValue(f"jq: {message}")
