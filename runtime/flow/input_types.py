"""The declarations of a flow's inputs and outputs, one struct for each type.

A declaration knows three things: what is wrong with itself (`mistakes`, asked once when the
flow is loaded), how to convert a value (`convert`) and whether it allows it (`faults`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

import msgspec

from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.expressions.formats.javaregex import compiled, fullmatch
from hookledger.runtime.flow import coercion
from hookledger.runtime.flow.problems import Path, suggestion
from hookledger.runtime.flow.source import Plain
from hookledger.runtime.regexes import SECONDS_MAX

Mistake: TypeAlias = tuple[Path, str]  # the property, and what to do about it
Word: TypeAlias = str | int | float | bool  # a choice as authors write it; compared as text

INPUT_ID = re.compile(r"[a-zA-Z0-9][.a-zA-Z0-9_-]*")
DISPLAY_NAME_CHARS_MAX = 64
ITEM_TYPES = tuple(name for name in coercion.CONVERT if name not in {"SECRET", coercion.ANY})


class DependsOn(msgspec.Struct, frozen=True, kw_only=True):
    """An input that is asked for only when others have been given."""

    inputs: tuple[str, ...] = ()
    condition: str | None = None  # an expression; the input is dropped unless it renders `true`


class Input(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type"):
    """What every input declares."""

    id: str
    description: str | None = None
    required: bool = True
    defaults: Any = None
    depends_on: DependsOn | None = None
    display_name: str | None = None

    def mistakes(self) -> Iterator[Mistake]:
        if not INPUT_ID.fullmatch(self.id) or "" in self.id.split("."):
            yield ("id",), "an id is letters, digits, `_`, `-` and single dots between names; rename it"
        if len(self.display_name or "") > DISPLAY_NAME_CHARS_MAX:
            yield ("displayName",), f"longer than {DISPLAY_NAME_CHARS_MAX} characters; shorten it"

    def convert(self, value: object) -> Plain:
        return coercion.CONVERT[type_name(self)](value)

    def faults(self, value: Any) -> Iterator[str]:
        """Say why a converted value is not allowed."""
        yield from ()

    def accept(self, value: object) -> Plain:
        """Return the converted value, or refuse it with everything that is wrong.

        Raises:
            ValueRejected: The value does not fit the type or its limits.
        """
        converted = self.convert(value)
        if faults := [((), fault) for fault in self.faults(converted)]:
            raise coercion.ValueRejected(*faults)
        return converted

    def takes_empty(self) -> bool:
        """Whether empty text is a value; elsewhere it means that nothing was given."""
        return False


def type_name(declared: Input) -> str:
    return str(declared.__struct_config__.tag)


class StringInput(Input, frozen=True, kw_only=True, tag="STRING"):
    validator: str | None = None  # the whole text must match

    def mistakes(self) -> Iterator[Mistake]:
        yield from super().mistakes()
        if self.validator is not None and (reason := _regex_mistake(self.validator)):
            yield ("validator",), f"not a regular expression ({reason}); correct it"

    def faults(self, value: Any) -> Iterator[str]:
        if self.validator is None:
            return
        try:
            fits = fullmatch(self.validator, value, SECONDS_MAX)
        except TimeoutError:
            yield f"it takes longer than {SECONDS_MAX} s to match this text with `{self.validator}`"
        else:
            if not fits:
                yield f"the whole text must match `{self.validator}`"

    def takes_empty(self) -> bool:
        return True


def _regex_mistake(pattern: str) -> str:
    try:
        compiled(pattern)
    except ExpressionError as error:
        return error.message
    return ""


class SecretInput(StringInput, frozen=True, kw_only=True, tag="SECRET"):
    """Text that must not be shown or kept in the clear; keeping it out is the caller's part."""


class _Ranged(Input, frozen=True, kw_only=True):
    """A type with an order. Both bounds belong to the range."""

    LOW: ClassVar = "min"
    HIGH: ClassVar = "max"

    def order(self, value: Any) -> Any:
        """Return what to compare instead of the converted value."""
        return value

    def bounds(self) -> dict[str, Any]:
        """Return the declared bounds by property."""
        named = {name: getattr(self, name) for name in (self.LOW, self.HIGH)}
        return {name: bound for name, bound in named.items() if bound is not None}

    def mistakes(self) -> Iterator[Mistake]:
        yield from super().mistakes()
        placed: dict[str, Any] = {}
        for name, bound in self.bounds().items():
            try:
                placed[name] = self.order(self.convert(bound))
            except coercion.ValueRejected as rejected:
                yield (name,), str(rejected)
        if len(placed) == 2 and placed[self.LOW] > placed[self.HIGH]:
            yield (self.LOW,), f"`{self.LOW}` lies above `{self.HIGH}`, so no value fits; correct one"

    def faults(self, value: Any) -> Iterator[str]:
        at = self.order(value)
        for name, bound in self.bounds().items():
            limit = self.order(self.convert(bound))
            if at < limit if name == self.LOW else at > limit:
                yield f"must not be {'below' if name == self.LOW else 'above'} `{name}` ({bound})"


class IntInput(_Ranged, frozen=True, kw_only=True, tag="INT"):
    min: int | None = None
    max: int | None = None


class FloatInput(_Ranged, frozen=True, kw_only=True, tag="FLOAT"):
    min: float | None = None
    max: float | None = None


class DurationInput(_Ranged, frozen=True, kw_only=True, tag="DURATION"):
    min: str | None = None
    max: str | None = None


class _Timed(_Ranged, frozen=True, kw_only=True):
    LOW: ClassVar = "after"
    HIGH: ClassVar = "before"

    after: str | None = None
    before: str | None = None

    def order(self, value: Any) -> Any:
        return value.rstrip("Z")  # then text in ISO 8601 sorts as time does


class DatetimeInput(_Timed, frozen=True, kw_only=True, tag="DATETIME"):
    pass


class DateInput(_Timed, frozen=True, kw_only=True, tag="DATE"):
    pass


class TimeInput(_Timed, frozen=True, kw_only=True, tag="TIME"):
    pass


class BooleanInput(Input, frozen=True, kw_only=True, tag="BOOLEAN"):
    pass


class JsonInput(Input, frozen=True, kw_only=True, tag="JSON"):
    pass


class YamlInput(Input, frozen=True, kw_only=True, tag="YAML"):
    pass


class FileInput(Input, frozen=True, kw_only=True, tag="FILE"):
    extension: str | None = None  # of the file that an upload creates; a URI is not checked against it


class UriInput(Input, frozen=True, kw_only=True, tag="URI"):
    pass


class EmailInput(Input, frozen=True, kw_only=True, tag="EMAIL"):
    """An address; empty text that was given on purpose stays empty."""

    def convert(self, value: object) -> Plain:
        return "" if value == "" else super().convert(value)

    def takes_empty(self) -> bool:
        return True


class _Choice(Input, frozen=True, kw_only=True):
    """A type with a list of values to choose from. Membership is checked, required or not."""

    values: tuple[Word, ...] = ()

    def choices(self) -> tuple[str, ...]:
        return tuple(coercion.to_text(value) for value in self.values)

    def is_open(self) -> bool:
        """Whether other values are allowed as well."""
        return False

    def source(self) -> str | None:
        """Return the expression that gives the choices."""
        return None

    def mistakes(self) -> Iterator[Mistake]:
        yield from super().mistakes()
        if not self.choices() and not self.source():
            yield (), "there is nothing to choose from; add `values`"
        if self.choices() and self.source():
            yield ("expression",), "choices come from `values` or from `expression`; remove one"

    def faults(self, value: Any) -> Iterator[str]:
        if not self.is_open() and value not in self.choices():
            yield f"not one of the choices; {suggestion(value, self.choices())}"

    def takes_empty(self) -> bool:
        return "" in self.choices()


class EnumInput(_Choice, frozen=True, kw_only=True, tag="ENUM"):
    def convert(self, value: object) -> Plain:
        return coercion.to_text(value)


class SelectInput(_Choice, frozen=True, kw_only=True, tag="SELECT"):
    expression: str | None = None
    allow_custom_value: bool = False
    is_radio: bool = False  # how a form shows it

    def source(self) -> str | None:
        return self.expression

    def is_open(self) -> bool:
        return self.allow_custom_value

    def convert(self, value: object) -> Plain:
        return coercion.to_text(value)


class MultiselectInput(_Choice, frozen=True, kw_only=True, tag="MULTISELECT"):
    options: tuple[Word, ...] = ()  # an older name of `values`
    expression: str | None = None
    item_type: str = "STRING"
    allow_custom_value: bool = False

    def choices(self) -> tuple[str, ...]:
        return tuple(coercion.to_text(value) for value in (*self.values, *self.options))

    def source(self) -> str | None:
        return self.expression

    def is_open(self) -> bool:
        return self.allow_custom_value

    def takes_empty(self) -> bool:
        return False

    def mistakes(self) -> Iterator[Mistake]:
        yield from super().mistakes()
        yield from _item_type_mistakes(self.item_type)
        if self.item_type in ITEM_TYPES:
            yield from self._misfits()

    def _misfits(self) -> Iterator[Mistake]:
        try:
            coercion.convert_items(self.item_type, list(self.choices()))
        except coercion.ValueRejected as rejected:
            yield ("values",), f"not every choice fits the `itemType`: {rejected}"

    def convert(self, value: object) -> Plain:
        return list(coercion.convert_items(self.item_type, coercion.to_list(value)))

    def faults(self, value: Any) -> Iterator[str]:
        known = coercion.convert_items(self.item_type, list(self.choices()))
        strange = [str(position) for position, item in enumerate(value) if item not in known]
        if strange and not self.is_open():
            yield f"items {', '.join(strange)} are not among the choices; known: {', '.join(self.choices())}"


class ArrayInput(Input, frozen=True, kw_only=True, tag="ARRAY"):
    item_type: str

    def mistakes(self) -> Iterator[Mistake]:
        yield from super().mistakes()
        yield from _item_type_mistakes(self.item_type)

    def convert(self, value: object) -> Plain:
        return list(coercion.convert_items(self.item_type, coercion.to_list(value)))


def _item_type_mistakes(name: str) -> Iterator[Mistake]:
    if name not in ITEM_TYPES:
        yield ("itemType",), f"`{name[:60]}` is no type of an item; {suggestion(name, ITEM_TYPES)}"


AnyInput: TypeAlias = (
    StringInput
    | SecretInput
    | IntInput
    | FloatInput
    | BooleanInput
    | DatetimeInput
    | DateInput
    | TimeInput
    | DurationInput
    | EnumInput
    | SelectInput
    | MultiselectInput
    | ArrayInput
    | JsonInput
    | YamlInput
    | FileInput
    | UriInput
    | EmailInput
)
INPUT_TYPES: Mapping[str, type[AnyInput]] = {str(cls.__struct_config__.tag): cls for cls in AnyInput.__args__}


class Output(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A value that a finished execution hands out."""

    id: str
    value: Any
    type: str | None = None  # without one the value is text
    item_type: str | None = None  # of an ARRAY; without one its items stay as they are
    required: bool = True
    description: str | None = None
    display_name: str | None = None


def without_limits(output: Output) -> AnyInput:
    """Return an input that converts as the output's type asks, and allows every value of it."""
    wanted = output.type or "STRING"
    name = "STRING" if wanted in {"ENUM", "SELECT"} else wanted  # a choice without a list is any text
    item_type = output.item_type or (coercion.ANY if name == "ARRAY" else "STRING")
    shape = {"type": name, "id": output.id, "itemType": item_type, "allowCustomValue": True}
    return msgspec.convert(shape, INPUT_TYPES[name])
