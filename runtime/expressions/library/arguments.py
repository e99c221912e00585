"""Checks of arguments that many filters and functions share."""

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.values import Value, entries, is_integer, is_list, is_map, is_number, kind


def text_of(value: Value, what: str) -> str:
    """Require text."""
    if isinstance(value, str):
        return value
    raise WrongValue(f"{what} needs text, not {kind(value)}")


def integer_of(value: Value, what: str) -> int:
    """Require a whole number by type."""
    if is_integer(value):
        return value
    raise WrongValue(f"{what} needs a whole number, not {kind(value)}")


def truncated(value: Value, what: str) -> int:
    """Require a number and drop its fraction."""
    if not is_number(value) or value != value or value in (float("inf"), float("-inf")):
        raise WrongValue(f"{what} needs a number, not {kind(value)}")
    return int(value)


def list_of(value: Value, what: str) -> list[Value]:
    """Require a list."""
    if is_list(value):
        return list(value)
    raise WrongValue(f"{what} needs a list, not {kind(value)}")


def map_of(value: Value, what: str) -> dict[Value, Value]:
    """Require a map."""
    if is_map(value):
        return dict(entries(value))
    raise WrongValue(f"{what} needs a map, not {kind(value)}")


def boolean_of(value: Value, what: str) -> bool:
    """Require a boolean."""
    if isinstance(value, bool):
        return value
    raise WrongValue(f"{what} needs true or false, not {kind(value)}")
