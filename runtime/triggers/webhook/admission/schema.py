"""`schema`: JSON Schema 2020-12, with a readable list of problems and a bound on the work.

No reference leaves the schema: the registry has no way to fetch anything. Each keyword that looks at a value counts,
and what is applied to one value is counted when the schema is read, so that neither references nor `allOf` multiply
without end. Patterns are matched by a clock, and `uniqueItems` compares by hashes. It may still take a second, so
it belongs into a thread.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final, cast
from urllib.parse import unquote

import msgspec
import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from hookledger.runtime.regexes import SECONDS_MAX as PATTERN_SECONDS_MAX
from hookledger.runtime.regexes import PatternTooLarge, check_size
from hookledger.runtime.triggers.webhook.admission.settings import Problem

PROBLEMS_MAX = 20
NODES_MAX = 100_000
MESSAGE_CHARS_MAX = 300
STEPS_MAX: Final = 1_000_000
"""Keywords applied to values, larger values counting more."""
ERROR_STEPS: Final = 2_000
"""Of a value that does not fit: it is written into a message that may be thrown away."""
SECONDS_MAX: Final = 2.0
"""Of the processor: a second line of defence behind the count."""
APPLIED_MAX: Final = 2_000
"""Subschemas that are applied to one value at the same time."""
IN_PLACE: Final = (
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "$ref",
    "$dynamicRef",
)


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
        self._validator = _Counted(document, registry=registry)

    def violations(self, value: object, *, problems_max: int = PROBLEMS_MAX) -> list[SchemaViolation]:
        """Return the first places where `value` does not fit; none when it does."""
        if _nodes(value, NODES_MAX) > NODES_MAX:
            message = f"has more than {NODES_MAX} values; too many to validate"
            return [SchemaViolation(pointer="", keyword="limit", message=message)]
        try:
            _work.start()
            errors: Iterator[ValidationError] = self._validator.iter_errors(value)
            return [_violation(error) for error in islice(errors, problems_max)]
        except TooMuchWork as error:
            return [
                SchemaViolation(pointer="", keyword="limit", message=f"takes too long to validate: {error}")
            ]
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
        for pattern in _patterns(document):
            _pattern(pattern)
        Draft202012Validator.check_schema(cast(Any, document))
    except SchemaError as error:
        where = "".join(f".{part}" for part in error.absolute_path)
        return None, [Problem(path + where, _short(error.message))]
    except (RecursionError, OverflowError):
        return None, [Problem(path, "is nested too deeply")]
    except PatternTooLarge as error:
        return None, [Problem(path, str(error))]
    except regex.error as error:
        return None, [Problem(path, f"has a pattern that is no regular expression: {error}")]
    outside = sorted(ref for ref in _references(document) if not ref.startswith("#"))
    if outside:
        return None, [Problem(path, f"refers to {outside[0]!r}; only references within it (#...) work")]
    if (problem := _too_wide(document)) is not None:
        return None, [Problem(path, problem)]
    return Schema(document), []


class TooMuchWork(Exception):
    """A value is not validated to its end."""


class _Work(threading.local):
    """What one validation may still do; each thread has its own."""

    left: int = 0
    ends: float = 0.0

    def start(self) -> None:
        self.left, self.ends = STEPS_MAX, time.thread_time() + SECONDS_MAX

    def spend(self, steps: int) -> None:
        before, self.left = self.left, self.left - steps
        if self.left < 0:
            raise TooMuchWork(f"more than {STEPS_MAX} steps")
        if before >> 12 != self.left >> 12 and time.thread_time() > self.ends:
            raise TooMuchWork(f"more than {SECONDS_MAX:g} s")


_work: Final = _Work()
Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


def _counted(keyword: Keyword) -> Keyword:
    def run(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _work.spend(1 + _size(instance) + _size(value))
        for error in keyword(validator, value, instance, schema) or ():
            _work.spend(ERROR_STEPS if isinstance(instance, dict | list) else 1 + _size(instance))
            yield error

    return run


def _size(value: Any) -> int:
    return len(value) >> 3 if isinstance(value, str | list | dict) else 0


@lru_cache(maxsize=512)
def _pattern(pattern: str) -> "regex.Pattern[str]":
    check_size(pattern)
    return regex.compile(pattern, regex.VERSION0)


def _matches(pattern: str, text: str) -> bool:
    try:
        return _pattern(pattern).search(text, timeout=PATTERN_SECONDS_MAX) is not None
    except TimeoutError:
        raise TooMuchWork(f"the pattern `{pattern[:60]}` takes more than {PATTERN_SECONDS_MAX} s") from None


def _by_pattern(_: Any, pattern: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield ValidationError(f"{instance[:MESSAGE_CHARS_MAX]!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            _work.spend(1)
            if _matches(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, rest: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [
        name for name in instance if name not in known and not any(_matches(one, name) for one in patterns)
    ]
    if isinstance(rest, dict):
        for name in extra:
            yield from validator.descend(instance[name], rest, path=name)
    elif not rest and extra:
        shown = ", ".join(repr(name) for name in extra[:10])
        yield ValidationError(f"Additional properties are not allowed ({shown} unexpected)")


def _unique_items(_: Any, wanted: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    if not wanted or not isinstance(instance, list):
        return
    seen: set[Any] = set()
    for index, item in enumerate(instance):
        _work.spend(1)
        key = _identity(item)
        if key in seen:
            yield ValidationError(f"has non-unique elements: the one at {index} was there before")
            return
        seen.add(key)


def _identity(value: Any) -> Any:
    """Equal for values that JSON Schema takes for equal: 1 and 1.0 are, 1 and true are not."""
    _work.spend(1)
    match value:
        case bool():
            return ("bool", value)
        case dict():
            return ("object", frozenset((name, _identity(item)) for name, item in value.items()))
        case list():
            return ("array", *map(_identity, value))
        case _:
            return value


_OWN: Final[dict[str, Keyword]] = {
    "pattern": _by_pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}
_Counted: Final[Any] = cast(Any, extend)(
    Draft202012Validator,
    {
        name: _counted(_OWN.get(name, keyword))
        for name, keyword in cast("dict[str, Keyword]", cast(Any, Draft202012Validator).VALIDATORS).items()
    },
)


def _patterns(document: object) -> Iterator[str]:
    for fields in _mappings(document):
        if isinstance(pattern := fields.get("pattern"), str):
            yield pattern
        if isinstance(patterns := fields.get("patternProperties"), Mapping):
            yield from filter(lambda one: isinstance(one, str), patterns)


def _too_wide(document: object) -> str | None:
    """What is wrong with a schema whose parts multiply, or cannot be matched by the clock."""
    mappings = list(_mappings(document))
    if any("unevaluatedProperties" in one for one in mappings) and any(
        "patternProperties" in one for one in mappings
    ):
        return "has both patternProperties and unevaluatedProperties; use additionalProperties"
    applied = _Applied(document)
    try:
        widest = max(map(applied.count, mappings), default=1)
    except RecursionError:
        return "nests or refers too deeply"
    return f"applies more than {APPLIED_MAX} subschemas to one value" if widest > APPLIED_MAX else None


class _Applied:
    """Counts the subschemas that one value meets in the same place."""

    def __init__(self, document: object) -> None:
        self._document = document
        self._known: dict[int, int] = {}

    def count(self, schema: object) -> int:
        if not isinstance(schema, Mapping):
            return 1
        if id(schema) not in self._known:
            self._known[id(schema)] = 1  # a loop of references ends at the interpreter's own depth
            inner = sum(self._within(schema[name], name) for name in IN_PLACE if name in schema)
            self._known[id(schema)] = min(1 + inner, APPLIED_MAX + 1)
        return self._known[id(schema)]

    def _within(self, value: Any, name: str) -> int:
        if name.startswith("$"):
            return self.count(self._target(value))
        if isinstance(value, list):
            return sum(map(self.count, value))
        return sum(map(self.count, value.values())) if name == "dependentSchemas" else self.count(value)

    def _target(self, reference: Any) -> Any:
        if not isinstance(reference, str):
            return None
        found: Any = self._document
        if not reference.startswith("#/"):
            name = reference.removeprefix("#")
            named = (
                one
                for one in _mappings(found)
                if name and name in (one.get("$anchor"), one.get("$dynamicAnchor"))
            )
            return next(named, found if reference == "#" else None)
        for step in reference[2:].split("/"):
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            else:
                found = found.get(step) if isinstance(found, Mapping) else None
        return found


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
    for fields in _mappings(document):
        yield from (ref for key in ("$ref", "$dynamicRef") if isinstance(ref := fields.get(key), str))


def _mappings(document: object) -> Iterator[Mapping[str, Any]]:
    """Every map in a schema, at any depth."""
    open_values: list[object] = [document]
    while open_values:
        value = open_values.pop()
        if isinstance(value, Mapping):
            yield cast("Mapping[str, Any]", value)
        open_values.extend(_children(cast(Any, value)))
