"""How rows of lists are stored: columns for what lists ask by, one JSON object for the rest.

Nothing stands in both, so that nothing can contradict itself; a field at its default is left out.
"""

from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import msgspec

from hookledger.journal.deliveries import DeliveryRow
from hookledger.journal.index import ExecutionRow

T = TypeVar("T", bound=msgspec.Struct)


class Columns(Generic[T]):
    """Takes a struct apart into the columns of its table, and puts it together again."""

    def __init__(self, kind: type[T], *columns: str) -> None:
        """Name the fields that are columns of their own; `more` holds the others."""
        self._kind = kind
        self._columns = columns
        rest = [field for field in msgspec.structs.fields(kind) if field.name not in columns]
        self._more = msgspec.defstruct(
            f"{kind.__name__}More",
            [(field.name, field.type, _default(field)) for field in rest],
            omit_defaults=True,
            forbid_unknown_fields=True,
        )
        kinds = {field.name: int if field.type is int else str for field in msgspec.structs.fields(kind)}
        self._types = tuple(kinds[name] for name in columns)
        self._decode_more = msgspec.json.Decoder(self._more).decode
        self._column_values = attrgetter(*columns)
        self._more_values = attrgetter(*(field.name for field in rest))
        self.names = ", ".join((*columns, "more"))
        """The columns of a SELECT that `read` understands."""

    def write(self, row: T) -> tuple[Any, ...]:
        """The values of the columns, in their order."""
        return *self._column_values(row), _encode(self._more(*self._more_values(row))).decode()

    def read(self, values: tuple[Any, ...]) -> T:
        """The struct that was written.

        Raises:
            msgspec.DecodeError: A column or the rest holds what it cannot, as in a damaged or changed file.
        """
        *columns, more = values
        if not isinstance(more, str) or tuple(map(type, columns)) != self._types:
            raise msgspec.DecodeError("a column holds another type than its own")
        rest = msgspec.structs.asdict(self._decode_more(more))
        return self._kind(**dict(zip(self._columns, columns, strict=True)), **rest)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return field.default


EXECUTION: Final = Columns(
    ExecutionRow, "execution", "namespace", "flow", "trigger", "started", "ended", "state", "waits"
)
DELIVERY: Final = Columns(DeliveryRow, "delivery", "at", "namespace", "flow", "trigger", "kind", "execution")

_encode = msgspec.json.Encoder().encode
