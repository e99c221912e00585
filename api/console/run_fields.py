"""The form of a paused execution: what a person is asked for, and what was answered. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hookledger.api.console.forms import Form
from hookledger.runtime.flow.input_types import type_name
from hookledger.runtime.flow.inputs import AnyInput, parse_inputs

PREFIX: Final = "input."
_NUMBERS: Final = {"INT": "1", "FLOAT": "any"}
_KINDS: Final = {
    "BOOLEAN": "choice",
    "SELECT": "choice",
    "ENUM": "choice",
    "MULTISELECT": "choices",
    "JSON": "area",
    "YAML": "area",
    "ARRAY": "area",
    "SECRET": "password",
    "DATE": "date",
    "INT": "number",
    "FLOAT": "number",
    "EMAIL": "email",
}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One question of the form."""

    id: str
    name: str
    label: str
    type: str
    kind: str
    """choice, choices, area, or a type of HTML's `input`."""
    required: bool
    hint: str
    value: str
    values: Sequence[str] = ()
    step: str = ""


def fields_of(on_resume: Sequence[Mapping[str, Any]], given: Form | None = None) -> tuple[Field, ...]:
    """What a Pause asks for; with what somebody had typed before, when that was refused."""
    declared, _ = parse_inputs([dict(one) for one in on_resume], path=("onResume",))
    return tuple(_field(one, given) for one in declared)


def answers(on_resume: Sequence[Mapping[str, Any]], form: Form) -> dict[str, Any]:
    """The typed answers by input id; what was left empty is not given."""
    found: dict[str, Any] = {}
    for field in fields_of(on_resume):
        values = [value for value in form.all(field.name) if value]
        if values:
            found[field.id] = values if field.kind == "choices" else values[0]
    return found


def _field(one: AnyInput, given: Form | None) -> Field:
    kind = type_name(one)
    name = f"{PREFIX}{one.id}"
    default = "" if one.defaults is None else _text(one.defaults)
    return Field(
        id=one.id,
        name=name,
        label=one.display_name or one.id,
        type=kind,
        kind=_KINDS.get(kind, "text"),
        required=one.required and one.defaults is None,
        hint=one.description or "",
        value=given.get(name, default) if given is not None else default,
        values=("true", "false") if kind == "BOOLEAN" else _values(one),
        step=_NUMBERS.get(kind, ""),
    )


def _values(one: AnyInput) -> tuple[str, ...]:
    return tuple(_text(value) for value in getattr(one, "values", None) or ())


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else msgspec.json.encode(value).decode()
