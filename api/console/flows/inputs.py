"""A form from a flow's typed inputs: which control each type gets, what was typed, what is wrong with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from hookledger.api.console.forms import Form
from hookledger.runtime.flow.input_types import type_name
from hookledger.runtime.flow.inputs import (
    AnyInput,
    ArrayInput,
    EnumInput,
    MultiselectInput,
    SecretInput,
    SelectInput,
    StringInput,
)
from hookledger.runtime.flow.problems import Problem
from hookledger.runtime.flow.rendering import has_expression

LABELS: Final = "labels"
PREFIX: Final = "input."
CUSTOM: Final = ".other"
"""Ends the name of the field beside a list of choices that takes further ones."""


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """How a type is asked for."""

    kind: str
    """`text`, `area`, `choice`, `radio`, `many` or `open`."""
    input: str = "text"
    """The type of an HTML input."""
    step: str = ""
    mode: str = ""
    """The keyboard of a phone."""
    hint: str = ""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One input of the form."""

    id: str
    name: str
    label: str
    type: str
    control: Control
    required: bool
    value: str
    values: tuple[str, ...] = ()
    """Those chosen, where several may be."""
    choices: tuple[str, ...] = ()
    custom: bool = False
    """Whether others than the choices may be given."""
    hint: str = ""
    description: str = ""
    low: str = ""
    high: str = ""
    error: str = ""


_AREA: Final = Control(kind="area")
_CONTROLS: Final[Mapping[str, Control]] = {
    "STRING": Control(kind="text"),
    "SECRET": Control(kind="text", input="password", hint="Kept encrypted, shown nowhere."),
    "INT": Control(kind="text", input="number", step="1", mode="numeric"),
    "FLOAT": Control(kind="text", input="number", step="any", mode="decimal"),
    "BOOLEAN": Control(kind="choice"),
    "DATE": Control(kind="text", input="date"),
    "TIME": Control(kind="text", input="time", step="1"),
    "DATETIME": Control(kind="text", input="datetime-local", step="1", hint="In UTC."),
    "DURATION": Control(kind="text", hint="Such as PT1H30M or 1h 30min."),
    "EMAIL": Control(kind="text", input="email", mode="email"),
    "URI": Control(kind="text", mode="url", hint="With its scheme, such as https://example.com/path."),
    "FILE": Control(kind="text", mode="url", hint="The URI of a file that a webhook stored: kestra:///…"),
    "JSON": _AREA,
    "YAML": _AREA,
    "ARRAY": Control(kind="area", hint='A JSON list, such as ["a", "b"].'),
}


def fields_of(
    declared: Iterable[AnyInput], form: Form | None = None, errors: Mapping[str, str] | None = None
) -> list[Field]:
    """The form: with the defaults at first, later with what was typed and what is wrong."""
    return [_field(one, form, (errors or {}).get(one.id, "")) for one in declared]


def given_inputs(declared: Iterable[AnyInput], form: Form) -> dict[str, Any]:
    """What was typed, by id. An empty field is not given, except for a text whose default was cleared."""
    found: dict[str, Any] = {}
    for one in declared:
        value = _given(one, form)
        if value is not None:
            found[one.id] = value
    return found


def errors_of(declared: Sequence[AnyInput], problems: Iterable[Problem]) -> dict[str, str]:
    """Problems by the input they belong to; those of none are under an empty name."""
    found: dict[str, str] = {}
    for problem in problems:
        path = tuple(str(step) for step in problem.path)
        owner = next(
            (one.id for one in declared if path[: one.id.count(".") + 1] == tuple(one.id.split("."))), ""
        )
        found[owner] = f"{found[owner]}; {problem.message}" if owner in found else problem.message
    return found


def given_labels(text: str) -> tuple[dict[str, str], str]:
    """Labels, one `name: value` a line; and what is wrong with them."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not line.strip():
            continue
        if not (name and colon and value):
            return {}, f"line {number}: write a label as `name: value`"
        if name.startswith("system."):
            return {}, f"line {number}: labels that begin with `system.` are set by the engine; rename it"
        found[name] = value
    return found, ""


def _field(one: AnyInput, form: Form | None, error: str) -> Field:
    control = _control(one)
    default = _default(one)
    name = PREFIX + one.id
    value = default if form is None else form.get(name)
    many = control.kind == "many"
    return Field(
        id=one.id,
        name=name,
        label=one.display_name or one.id,
        type=type_name(one),
        control=control,
        required=one.required and one.defaults is None,
        value="" if isinstance(one, SecretInput) and form is not None else value,
        values=_chosen(one, form, name) if many else (),
        choices=_choices(one),
        custom=bool(getattr(one, "allow_custom_value", False)),
        hint=_hint(one, control),
        description=one.description or "",
        low=_bound(one, "min", "after"),
        high=_bound(one, "max", "before"),
        error=error,
    )


def _control(one: AnyInput) -> Control:
    match one:
        case SelectInput() | MultiselectInput() if one.expression:
            many = isinstance(one, MultiselectInput)
            hint = f"The choices are worked out when it starts: {one.expression}"
            return Control(kind="area" if many else "text", hint=f"A JSON list. {hint}" if many else hint)
        case MultiselectInput():
            return Control(kind="many")
        case SelectInput() if one.is_radio and not one.allow_custom_value:
            return Control(kind="radio")
        case SelectInput():
            return Control(kind="open" if one.allow_custom_value else "choice")
        case EnumInput():
            return Control(kind="choice")
        case StringInput() if isinstance(one.defaults, str) and "\n" in one.defaults:
            return _AREA
        case _:
            return _CONTROLS[type_name(one)]


def _choices(one: AnyInput) -> tuple[str, ...]:
    if type_name(one) == "BOOLEAN":
        return ("true", "false")
    choices: Callable[[], tuple[str, ...]] | None = getattr(one, "choices", None)
    return choices() if choices is not None else ()


def _default(one: AnyInput) -> str:
    """What stands in the field at first; a default that is an expression is worked out when it starts."""
    default = one.defaults
    if default is None or has_expression(default) or isinstance(one, SecretInput):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, str):
        return default.removesuffix("Z") if type_name(one) == "DATETIME" else default
    pretty = msgspec.json.format(msgspec.json.encode(default), indent=2)
    return pretty.decode() if isinstance(default, dict | list) else str(default)


def _chosen(one: AnyInput, form: Form | None, name: str) -> tuple[str, ...]:
    if form is not None:
        return tuple(form.all(name))
    default: Any = one.defaults
    return tuple(map(str, default)) if isinstance(default, list) and not has_expression(default) else ()


def _hint(one: AnyInput, control: Control) -> str:
    parts = [control.hint]
    if has_expression(one.defaults):
        parts.append(f"Left empty it is {one.defaults}")
    elif isinstance(one, SecretInput) and one.defaults is not None:
        parts.append("Left empty it has its default.")
    if isinstance(one, StringInput) and one.validator:
        parts.append(f"Must match {one.validator}")
    if isinstance(one, ArrayInput):
        parts.append(f"Its items are of type {one.item_type}.")
    if one.depends_on is not None:
        when = f" and {one.depends_on.condition}" if one.depends_on.condition else ""
        parts.append(f"Only asked for with {', '.join(one.depends_on.inputs)}{when}")
    return " ".join(part for part in parts if part)


def _bound(one: AnyInput, *names: str) -> str:
    bounds = (getattr(one, name, None) for name in names)
    text = next((str(bound) for bound in bounds if bound is not None), "")
    return text.removesuffix("Z") if type_name(one) in ("INT", "FLOAT", "DATE", "TIME", "DATETIME") else ""


def _given(one: AnyInput, form: Form) -> Any:
    name = PREFIX + one.id
    control = _control(one)
    if control.kind == "many":
        chosen = [*form.all(name), *(item for item in form.get(name + CUSTOM).split(",") if item.strip())]
        return [item.strip() for item in chosen] or None
    value = form.get(name)
    if value == "":
        cleared = name in form and isinstance(one, StringInput) and not isinstance(one, SecretInput)
        return "" if cleared and _default(one) else None
    if control.input == "datetime-local" and value[-1:] != "Z" and "+" not in value:
        return f"{value}Z"
    return value
