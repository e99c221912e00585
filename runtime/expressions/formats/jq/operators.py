"""jq's arithmetic and comparisons."""

import math
from collections.abc import Callable, Mapping
from typing import Final

from hookledger.runtime.expressions.formats.jq.access import is_number
from hookledger.runtime.expressions.formats.jq.core import (
    Env,
    fail,
    is_array,
    is_object,
    number,
    order_key,
    shown,
    type_of,
)
from hookledger.runtime.expressions.values import Value

Operation = Callable[[Env, Value, Value], Value]


def cannot(env: Env, left: Value, right: Value, what: str) -> Exception:
    """The error for two values that do not go together."""
    return fail(
        f"{type_of(left)} ({shown(env, left)}) and {type_of(right)} ({shown(env, right)}) cannot be {what}"
    )


def calculated(operation: Callable[[Value, Value], Value], left: Value, right: Value) -> Value:
    """Arithmetic; whole numbers beyond 64 bit go on as doubles, as everywhere in jq."""
    try:
        result = operation(left, right)
        return float(result) if isinstance(result, int) and abs(result) > 2**63 else number(result)
    except OverflowError:
        return math.inf


def add(env: Env, left: Value, right: Value) -> Value:
    """`+`."""
    if left is None or right is None:
        return right if left is None else left
    if is_number(left) and is_number(right):
        return calculated(lambda a, b: a + b, left, right)
    if isinstance(left, str) and isinstance(right, str):
        env.run.room_for(len(left) + len(right))
        return left + right
    if is_array(left) and is_array(right):
        env.run.room_for_items(len(left) + len(right))
        return [*left, *right]
    if is_object(left) and is_object(right):
        env.run.room_for_items(len(left) + len(right))
        return {**left, **right}
    raise cannot(env, left, right, "added")


def subtract(env: Env, left: Value, right: Value) -> Value:
    """`-`."""
    if is_number(left) and is_number(right):
        return calculated(lambda a, b: a - b, left, right)
    if is_array(left) and is_array(right):
        env.run.spend(len(left) * len(right))
        return [one for one in left if not any(equal(env, one, other) for other in right)]
    raise cannot(env, left, right, "subtracted")


def multiply(env: Env, left: Value, right: Value) -> Value:
    """`*`: numbers, a text so many times, two objects merged at all depths."""
    if is_number(left) and is_number(right):
        return calculated(lambda a, b: a * b, left, right)
    if isinstance(left, str) and is_number(right):
        return repeated(env, left, right)
    if is_object(left) and is_object(right):
        return merged(env, left, right)
    raise cannot(env, left, right, "multiplied")


def repeated(env: Env, text: str, times: float) -> Value:
    """A text several times; null for none."""
    if not times > 0:
        return None
    count = max(1, math.ceil(min(times, 1e12)))
    env.run.room_for(len(text) * count)
    return text * count


def merged(env: Env, left: dict[str, Value], right: dict[str, Value]) -> dict[str, Value]:
    """Objects within objects are merged too."""
    env.run.spend(1 + len(left) + len(right))
    result = dict(left)
    for key, one in right.items():
        both = is_object(one) and is_object(result.get(key))
        result[key] = merged(env, result[key], one) if both else one
    return result


def divide(env: Env, left: Value, right: Value) -> Value:
    """`/`: numbers, or a text into parts."""
    if is_number(left) and is_number(right):
        if right == 0:
            raise cannot(env, left, right, "divided because the divisor is zero")
        return calculated(lambda a, b: a / b, left, right)
    if isinstance(left, str) and isinstance(right, str):
        return split_text(left, right)
    raise cannot(env, left, right, "divided")


def split_text(text: str, mark: str) -> list[Value]:
    """The parts between marks; without a mark, the characters."""
    if not text:
        return []
    return list(text.split(mark)) if mark else list(text)


def remainder(env: Env, left: Value, right: Value) -> Value:
    """`%`: of whole numbers, with the sign of the dividend."""
    if not is_number(left) or not is_number(right):
        raise cannot(env, left, right, "divided")
    if not math.isfinite(left) or not math.isfinite(right) or int(right) == 0:
        raise cannot(env, left, right, "divided because the divisor is zero")
    return int(math.fmod(int(left), int(right)))


def equal(env: Env, left: Value, right: Value) -> bool:
    """`==`."""
    return bool(order_key(env.run, left) == order_key(env.run, right))


def less(env: Env, left: Value, right: Value) -> bool:
    """`<`: values of all types have an order."""
    return bool(order_key(env.run, left) < order_key(env.run, right))


ARITHMETIC: Final[Mapping[str, Operation]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
}
COMPARISONS: Final[Mapping[str, Operation]] = {
    "==": equal,
    "!=": lambda env, left, right: not equal(env, left, right),
    "<": less,
    "<=": lambda env, left, right: not less(env, right, left),
    ">": lambda env, left, right: less(env, right, left),
    ">=": lambda env, left, right: not less(env, left, right),
}
