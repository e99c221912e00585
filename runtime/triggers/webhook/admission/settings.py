"""Reads one mapping of a flow's YAML into a typed value, and says everything that is wrong with it.

msgspec stops at the first mistake; an author wants the whole list. So each
property is converted on its own and every failure becomes a `Problem` with the
path of the property. Leaves the meaning of the values to whoever owns them.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, cast, get_type_hints

import msgspec

from hookledger.runtime.flow.fields import explain, one_of
from hookledger.runtime.flow.problems import path_text

DURATION = re.compile(
    r"P(?:(?P<weeks>[0-9]{1,6})W|(?:(?P<days>[0-9]{1,7})D)?"
    r"(?:T(?:(?P<hours>[0-9]{1,9})H)?(?:(?P<minutes>[0-9]{1,9})M)?(?:(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,6})?)S)?)?)"
)
SECONDS_OF = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
SIZE = re.compile(r"([0-9]{1,15})\s?(B|KB|MB|GB|KiB|MiB|GiB)?")
BYTES_OF = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of every typed configuration here: camelCase in YAML, unknown names refused."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing an author has to change before the flow can be used."""

    path: str  # property path from the trigger, e.g. `signature.tolerance`
    message: str  # what is wrong and what to write instead
    warning: bool = False  # true: the flow loads, the author is told


S = TypeVar("S", bound=Settings)


def read_settings(kind: type[S], raw: object, path: str) -> tuple[S | None, list[Problem]]:
    """Convert `raw` to `kind`; with the value, or None and every problem found. Null counts as absent."""
    if not isinstance(raw, Mapping):
        return None, [Problem(path, f"expected a mapping of properties, found {_name_of(raw)}")]
    given = cast("Mapping[object, object]", raw)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    problems = [_unknown(str(name), fields, path) for name in given if name not in fields]
    for name, field in fields.items():
        if given.get(name) is not None:
            try:
                values[field.name] = msgspec.convert(given[name], hints[field.name])
            except msgspec.ValidationError as error:
                message, inside = explain(error)
                where = _join(path, path_text((name, *inside)))
                problems.append(Problem(where, message + one_of(hints[field.name])))
        elif field.required:
            problems.append(Problem(_join(path, name), "is required; add it"))
    return (None, problems) if problems else (kind(**values), [])


def duration_seconds(text: str) -> float:
    """Return the seconds of an ISO-8601 duration (weeks to seconds; no months, no years).

    Raises:
        ValueError: The text is not such a duration; the message shows a right one.
    """
    found = DURATION.fullmatch(text)
    parts = {name: value for name, value in found.groupdict().items() if value} if found else {}
    if not parts or text.endswith("T"):
        raise ValueError(f"{text!r} is not an ISO-8601 duration; write for example PT5M or PT30S")
    return sum(float(value) * SECONDS_OF[name] for name, value in parts.items())


def size_bytes(value: str | int) -> int:
    """Return the bytes of `16MiB`, `500KB` or a plain number.

    Raises:
        ValueError: The text is not a size; the message shows a right one.
    """
    found = SIZE.fullmatch(str(value))
    if found is None:
        raise ValueError(f"{value!r} is not a size; write for example 1MiB or 65536")
    return int(found[1]) * BYTES_OF[found[2] or "B"]


def check(problems: list[Problem], path: str, wrong: object, message: str) -> None:
    """Add a problem at `path` when `wrong` is true."""
    if wrong:
        problems.append(Problem(path, message))


def check_duration(problems: list[Problem], path: str, text: str | None) -> None:
    """Add a problem when `text` is set and is not a duration."""
    if text is None:
        return
    try:
        duration_seconds(text)
    except ValueError as error:
        problems.append(Problem(path, str(error)))


def is_template(text: str) -> bool:
    """Say whether the value is only known when it is rendered."""
    return "{{" in text or "{%" in text


def _unknown(name: str, fields: Mapping[str, object], path: str) -> Problem:
    near = get_close_matches(name, fields, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else f"; known: {', '.join(sorted(fields))}"
    return Problem(_join(path, name), f"is not a property here{hint}")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _name_of(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
