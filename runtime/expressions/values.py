"""The plain data a template works with, and how it tells the kinds apart.

A template sees text, numbers, booleans, null, lists and maps. Everything else that gets in has no
attributes, no text and no truth: that is what keeps Python objects out of reach.
"""

import struct
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeGuard

Value: TypeAlias = Any  # plain data; the helpers below tell which kind


class Missing:
    """Stands for a value that does not exist, while `??` or `is defined` decides what to do about it."""

    __slots__ = ("name",)

    def __init__(self, name: str = "") -> None:
        self.name = name


MISSING: Final = Missing()


class Float32(float):
    """A number of single precision, as `number` makes from text with up to seven decimals."""

    __slots__ = ()

    def __new__(cls, value: float) -> "Float32":
        """Round to the nearest single-precision number."""
        try:
            return super().__new__(cls, struct.unpack("<f", struct.pack("<f", value))[0])
        except OverflowError:
            return super().__new__(cls, float("inf") if value > 0 else float("-inf"))


class WithNulls(dict[Value, Value]):
    """A map that a template has made: its null entries exist. Those of maps from outside count as absent."""

    __slots__ = ()


def made(value: dict[Value, Value]) -> dict[Value, Value]:
    """A map that was just made in a template, so that its null entries exist."""
    return WithNulls(value) if None in value.values() else value


def entries(value: "Mapping[Value, Value]") -> "Mapping[Value, Value]":
    """The entries of a map that exist."""
    if isinstance(value, WithNulls) or None not in value.values():
        return value
    return {key: one for key, one in value.items() if one is not None}


class MapEntry:
    """One entry of a map as a value: it has a key and a value, and is no map itself."""

    __slots__ = ("key", "value")

    def __init__(self, key: Value, value: Value) -> None:
        self.key, self.value = key, value

    def as_map(self) -> dict[Value, Value]:
        """The map of this entry alone, as JSON, YAML and Ion show it."""
        return made({self.key: self.value})


class CaseInsensitive(dict[str, Value]):
    """A map whose keys are found without regard to case; they are shown as they were written.

    HTTP header names are such keys. Of two names that differ only in case the first wins a look-up; an
    exact match always does.
    """

    __slots__ = ("_folded",)

    def __init__(self, items: Mapping[str, Value]) -> None:
        super().__init__(items)
        self._folded: dict[str, str] = {}
        for key in self:
            self._folded.setdefault(key.casefold(), key)

    def lookup(self, key: str) -> Value:
        """Return the value for `key` in any spelling, or MISSING."""
        if key in self:
            return self[key]
        actual = self._folded.get(key.casefold())
        return MISSING if actual is None else self.get(actual, MISSING)


def is_map(value: object) -> TypeGuard[Mapping[str, Value]]:
    """Say whether a template sees this as a map."""
    return isinstance(value, Mapping)


def is_list(value: object) -> "TypeGuard[list[Value] | tuple[Value, ...]]":
    """Say whether a template sees this as a list."""
    return isinstance(value, (list, tuple))


def is_number(value: object) -> "TypeGuard[int | float | Decimal]":
    """Say whether a template sees this as a number; booleans are none."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def is_integer(value: object) -> TypeGuard[int]:
    """Say whether this is a whole number by type, not by value: 2.0 is none."""
    return isinstance(value, int) and not isinstance(value, bool)


KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "boolean"),
    (str, "text"),
    (int, "integer"),
    (float, "decimal number"),
    (Decimal, "decimal number"),
    (Mapping, "map"),
    (list, "list"),
    (tuple, "list"),
    (datetime, "date"),
    (MapEntry, "entry of a map"),
)


def kind(value: object) -> str:
    """Name the kind of a value for a message, without showing the value or its Python type."""
    if value is None:
        return "null"
    return next((name for type_, name in KINDS if isinstance(value, type_)), "foreign object")
