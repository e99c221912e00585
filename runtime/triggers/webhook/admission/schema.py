"""`schema`: JSON Schema 2020-12, with a readable list of problems and a bound on the work.

No reference leaves the schema: the registry has no way to fetch anything.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, cast

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from hookledger.runtime.triggers.webhook.admission.settings import Problem

PROBLEMS_MAX = 20
NODES_MAX = 100_000
MESSAGE_CHARS_MAX = 300


class SchemaViolation(msgspec.Struct, frozen=True, kw_only=True):
    """One place where a body does not fit; goes into the `errors` of a 422."""

    pointer: str  # JSON Pointer (RFC 6901) into the body; "" is the whole body
    keyword: str  # e.g. `required`
    message: str


class Schema:
    """A schema ready for use."""

    def __init__(self, document: Mapping[str, Any] | bool) -> None:
        registry: Registry[Any] = Registry()
        self.document = document
        """As the author wrote it."""
        self._validator = Draft202012Validator(cast(Any, document), registry=registry)

    def violations(self, value: object, *, problems_max: int = PROBLEMS_MAX) -> list[SchemaViolation]:
        """Return the first places where `value` does not fit; none when it does."""
        if _nodes(value, NODES_MAX) > NODES_MAX:
            message = f"has more than {NODES_MAX} values; too many to validate"
            return [SchemaViolation(pointer="", keyword="limit", message=message)]
        try:
            errors: Iterator[ValidationError] = cast(Any, self._validator).iter_errors(value)
            return [_violation(error) for error in islice(errors, problems_max)]
        except RecursionError:
            return [SchemaViolation(pointer="", keyword="limit", message="nested too deeply to validate")]
        except Unresolvable as error:
            return [SchemaViolation(pointer="", keyword="$ref", message=f"the schema refers to {error.ref}")]


def parse_schema(raw: object, *, path: str = "schema") -> tuple[Schema | None, list[Problem]]:
    """Read a `schema:` block; with the schema, or None and what is wrong with it."""
    if not isinstance(raw, Mapping | bool):
        advice = (
            "; paste the schema, for a revision of a flow is its source alone" if isinstance(raw, str) else ""
        )
        return None, [Problem(path, f"must be a JSON Schema: a mapping, true or false{advice}")]
    document = cast("Mapping[str, Any] | bool", raw)
    try:
        Draft202012Validator.check_schema(cast(Any, document))
    except SchemaError as error:
        where = "".join(f".{part}" for part in error.absolute_path)
        return None, [Problem(path + where, _short(error.message))]
    except RecursionError:
        return None, [Problem(path, "is nested too deeply")]
    outside = sorted(ref for ref in _references(document) if not ref.startswith("#"))
    if outside:
        return None, [Problem(path, f"refers to {outside[0]!r}; only references within it (#...) work")]
    return Schema(document), []


def _violation(error: ValidationError) -> SchemaViolation:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in error.absolute_path)
    return SchemaViolation(
        pointer="".join(f"/{part}" for part in parts),
        keyword=str(error.validator),
        message=_short(error.message),
    )


def _short(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARS_MAX else message[: MESSAGE_CHARS_MAX - 1] + "…"


def _children(value: Any) -> list[object]:
    if isinstance(value, Mapping):
        return list(cast("Mapping[str, object]", value).values())
    return cast("list[object]", value) if isinstance(value, list) else []


def _nodes(value: object, stop_after: int) -> int:
    count, open_values = 0, [value]
    while open_values and count <= stop_after:
        count += 1
        open_values.extend(_children(open_values.pop()))
    return count


def _references(document: object) -> Iterator[str]:
    open_values: list[object] = [document]
    while open_values:
        value = open_values.pop()
        if isinstance(value, Mapping):
            fields = cast("Mapping[str, object]", value)
            yield from (ref for key in ("$ref", "$dynamicRef") if isinstance(ref := fields.get(key), str))
        open_values.extend(_children(cast(Any, value)))
