"""Query parameters as typed values: a Struct per route, a clear refusal for what is not in it."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from hookledger.journal.text import unknown
from hookledger.runtime.flow.problems import suggestion

PAGE_SIZE_MAX: Final = 100
_FILTER: Final = re.compile(r"filters\[(?P<field>\w+)\]\[(?P<operation>[A-Z_]+)\](?:\[(?P<key>[^\]]+)\])?$")
PAGE_MAX: Final = 1_000_000_000
_WHERE: Final = re.compile(r"(?:, got `str`)?(?: - at `\$\.?(?P<name>[^`\[]*)[^`]*`)?$")

_WORD: Final = re.compile(r"[Ii]nvalid enum value '(.*?)'(?: - at|$)", re.DOTALL)

_MISSING: Final = re.compile(r"missing required field `(?P<name>[^`]*)`")

Q = TypeVar("Q", bound=msgspec.Struct)


class QueryInvalid(Exception):
    """A query parameter is not one the route has, or not of its type."""


class Query(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of every route's parameters."""

    filters: ClassVar[Mapping[tuple[str, str], str]] = {}
    """Kestra's `filters[field][OPERATION]`, each with the parameter that says the same."""


class Nothing(Query, frozen=True, kw_only=True):
    """A route without parameters."""


class Paged(Query, frozen=True, kw_only=True):
    """Which part of a list is wanted."""

    page: Annotated[int, Meta(ge=1, le=PAGE_MAX, description="counts from 1")] = 1
    size: Annotated[int, Meta(ge=1, le=PAGE_SIZE_MAX)] = 25

    @property
    def offset(self) -> int:
        """How many results come before the page."""
        return (self.page - 1) * self.size


def read_query(kind: type[Q], given: Mapping[str, list[str]]) -> Q:
    """Read parameters as they came; a tuple takes every value, anything else exactly one.

    Raises:
        QueryInvalid: With the parameter and what it may be.
    """
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    plain: dict[str, Any] = {}
    for name, values in _unfiltered(kind, given).items():
        if name not in fields:
            raise QueryInvalid(_unknown(name, fields))
        if not is_list(fields[name]) and len(values) != 1:
            raise QueryInvalid(f"the parameter `{name}` may be given once")
        plain[name] = values if is_list(fields[name]) else values[0]
    try:
        return msgspec.convert(plain, kind, strict=False)
    except msgspec.ValidationError as error:
        raise QueryInvalid(_explained(str(error), plain, fields)) from error


def in_namespace(namespace: str, *, below: str | None, exact: str | None) -> bool:
    """Whether a namespace is, or is below, the one that is wanted: by whole segments."""
    inside = below is None or namespace == below or namespace.startswith(f"{below}.")
    return inside and exact in (None, namespace)


LabelText: TypeAlias = Annotated[str, Meta(pattern="^[^:]+:(?s:.+)$", description="`key:value`")]


def labels_of(texts: Iterable[str]) -> dict[str, str]:
    """Labels written as `key:value`."""
    return {key: value for key, _, value in (text.partition(":") for text in texts)}


def _unfiltered(kind: type[Q], given: Mapping[str, list[str]]) -> Mapping[str, list[str]]:
    """Parameters with Kestra's filters written as the parameters they stand for."""
    possible: Mapping[tuple[str, str], str] = getattr(kind, "filters", {})
    plain: dict[str, list[str]] = {}
    for name, values in given.items():
        found = _FILTER.match(name) if possible else None
        if found is None:
            plain.setdefault(name, []).extend(values)
            continue
        wanted = possible.get((found["field"], found["operation"]))
        if wanted is None:
            names = ", ".join(f"filters[{field}][{operation}]" for field, operation in possible)
            raise QueryInvalid(f"`{name[:80]}` is not possible here; possible are {names}")
        plain.setdefault(wanted, []).extend(_values(found, values))
    return plain


def _values(found: re.Match[str], values: Iterable[str]) -> Iterable[str]:
    """What a filter wants: `IN` takes several between commas, a map's members are written `key:value`."""
    if found["operation"] == "IN":
        values = (part for value in values for part in value.split(","))
    return (f"{found['key']}:{value}" for value in values) if found["key"] else values


def _unknown(name: str, known: Iterable[str]) -> str:
    names = tuple(known)
    help_ = suggestion(name, names) if names else "there are none here"
    return f"there is no parameter `{name[:80]}`; {help_}"


def _words(kind: Any) -> list[str]:
    """The words a parameter may be, when they are a few."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [word for inner in get_args(kind) for word in _words(inner)]


def is_list(kind: Any) -> bool:
    """True for a parameter that may be given more than once."""
    inner = kind.__origin__ if get_origin(kind) is Annotated else kind
    return get_origin(inner) is tuple


def _explained(message: str, plain: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """`page=x`: expected `int` >= 1; of a word that is none of a few, the nearest one."""
    if missing := _MISSING.search(message):
        return f"the parameter `{missing['name']}` is missing"
    place = _WHERE.search(message)
    name = place.group("name") if place else ""
    text = _WHERE.sub("", message, count=1)
    value = plain.get(name or "", "")
    shown = value if isinstance(value, str) else ", ".join(value)
    if (known := _words(fields.get(name or ""))) and (found := _WORD.search(message)):
        text = unknown("value", found[1], known)
    return f"the parameter `{name}={shown[:80]}` is not right: {text[:1].lower()}{text[1:]}"
