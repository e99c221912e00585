"""The functions compiled templates call.

A compiled template has no builtins and no globals but these: the table is all that generated code can reach.
"""

from collections.abc import Callable, Mapping
from typing import Final

from hookledger.runtime.expressions import operators
from hookledger.runtime.expressions.attributes import (
    attribute,
    call_member,
    entry_list,
    no_variable,
    soft_attribute,
)
from hookledger.runtime.expressions.errors import MissingValue, WrongValue
from hookledger.runtime.expressions.library import FILTERS, FUNCTIONS, TESTS
from hookledger.runtime.expressions.library.sequences import span
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import java_text, string_of, text
from hookledger.runtime.expressions.values import MISSING, Missing, Value, is_list, is_map, kind, made

Body = Callable[..., Value]


class HardMissing(WrongValue):
    """A missing value inside an operation which `??` does not look into."""

    code = "E003"


def caught(compute: Callable[[], Value]) -> Value:
    """Compute an operand of `??`; a missing value in it is MISSING."""
    try:
        return compute()
    except MissingValue:
        return MISSING


def hard(compute: Callable[[], Value]) -> Value:
    """Compute something whose missing values are errors for everyone."""
    try:
        return compute()
    except MissingValue as error:
        raise HardMissing(
            error.message, name=error.name, nearest=error.nearest, offset=error.offset
        ) from error


def items(run: Run, value: Value) -> list[Value] | None:
    """The elements `for` goes through: of a list, or the entries of a map; null has none."""
    if value is None:
        return None
    if is_list(value):
        return value if isinstance(value, list) else list(value)
    if is_map(value):
        run.spend(len(value))
        return entry_list(value)
    raise WrongValue(f"`for` goes through lists and maps, not through {kind(value)}")


def loop_map(index: int, length: int) -> dict[str, Value]:
    """`loop` as a value."""
    return {
        "last": index == length - 1,
        "length": length,
        "index": index,
        "revindex": length - 1 - index,
        "first": index == 0,
    }


def map_key(run: Run, key: Value) -> Value:
    """A key of a map literal: text and whole numbers as they are, everything else as text."""
    return key if key.__class__ in (str, int) else string_of(run, key)


def filtered(run: Run, body: Body, value: Value, *arguments: Value) -> Value:
    """Apply a filter, counting what goes in and what comes out."""
    run.charge(value)
    for argument in arguments:
        run.charge(argument)
    return measured(run, body(run, value, *arguments))


def called(run: Run, body: Body, *arguments: Value) -> Value:
    """Call a function, counting it, what goes in and what comes out."""
    run.spend(1)
    for argument in arguments:
        run.charge(argument)
    return measured(run, body(run, *arguments))


def measured(run: Run, result: Value) -> Value:
    """Count a value that was just made."""
    if result.__class__ is str:
        run.room_for(len(result))
    elif result.__class__ is list:
        run.room_for_items(len(result))
    return result


def macro(run: Run, body: Callable[[Run, Mapping[str, Value]], str], given: Mapping[str, Value]) -> str:
    """Call a macro, one level deeper."""
    run.enter()
    try:
        return body(run, given)
    finally:
        run.leave()


def printed_block(
    run: Run, blocks: Mapping[str, Callable[[], str]], around: tuple[str, ...], name: Value
) -> str:
    """Print a block once more; of one that does not exist there is nothing."""
    run.spend(1)
    if name is None:
        return ""
    if name in around or not isinstance(name, str):
        raise WrongValue("`block()` needs the name of a block which is not being printed already")
    return blocks[name]() if name in blocks else ""


def content(run: Run, parts: "list[str] | Missing") -> str:
    """The content of a filter tag."""
    if isinstance(parts, Missing):
        raise MissingValue("something in this `filter` is missing")
    return run.join(parts)


def soft_content(run: Run, parts: "list[str] | Missing") -> Value:
    """The content of a filter tag, MISSING when something in it is missing."""
    return parts if isinstance(parts, Missing) else run.join(parts)


def in_sight(variables: Mapping[str, Value], local: tuple[tuple[str, Value], ...]) -> Mapping[str, Value]:
    """All variables at a place: those handed in, and those set by the template."""
    present = {name: value for name, value in local if value is not MISSING}
    return {**variables, **present}


NOTHING: Final[Mapping[str, Value]] = {}
NAMESPACE: Final[Mapping[str, object]] = {
    "__builtins__": {},
    "enumerate": enumerate,
    "len": len,
    "str": str,
    "INFINITY": float("inf"),
    "MISSING": MISSING,
    "MissingValue": MissingValue,
    "NOTHING": NOTHING,
    **{
        function.__name__: function
        for function in (
            attribute,
            soft_attribute,
            call_member,
            no_variable,
            text,
            java_text,
            span,
            caught,
            hard,
            items,
            loop_map,
            map_key,
            made,
            filtered,
            called,
            macro,
            printed_block,
            content,
            soft_content,
            in_sight,
        )
    },
    **{
        name: vars(operators)[name]
        for name in (
            *("add", "subtract", "multiply", "divide", "remainder", "negate", "affirm"),
            *("equal", "unequal", "less", "less_or_equal", "greater", "greater_or_equal"),
            *("contains", "is_in", "truth", "choice"),
        )
    },
    **{f"f_{name}": entry.body for name, entry in FILTERS.items()},
    **{f"c_{name}": entry.body for name, entry in FUNCTIONS.items()},
    **{f"t_{name}": entry.body for name, entry in TESTS.items()},
}
