"""Tables of filters, functions and tests: what a template can name, and how arguments are bound."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from hookledger.runtime.expressions.values import Value

Body = TypeVar("Body", bound=Callable[..., Value])


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of an entry."""

    name: str
    required: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One filter, function or test. The body's first argument is always the run."""

    name: str
    body: Callable[..., Value]
    parameters: tuple[Parameter, ...]
    variadic: bool = False
    scoped: bool = False  # also wants all variables in sight, as second argument
    ambient: bool = False  # draws its value from outside


class Table(Mapping[str, Entry]):
    """Entries by name. `?` marks an optional parameter, `*` alone any number of them."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, Entry] = {}

    def __call__(
        self, names: str, *parameters: str, scoped: bool = False, ambient: bool = False
    ) -> Callable[[Body], Body]:
        """Register the decorated function under one or more names."""

        def register(body: Body) -> Body:
            for name in names.split():
                self._entries[name] = Entry(
                    name=name,
                    body=body,
                    parameters=tuple(parameter(one) for one in parameters if one != "*"),
                    variadic="*" in parameters,
                    scoped=scoped,
                    ambient=ambient,
                )
            return body

        return register

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def parameter(spelled: str) -> Parameter:
    """Read `name` or `name?`."""
    return Parameter(spelled.removesuffix("?"), not spelled.endswith("?"))


FILTERS = Table("filter")
FUNCTIONS = Table("function")
TESTS = Table("test")
