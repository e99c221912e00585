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
        )
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
            msgspec.DecodeError: The rest is not JSON.
            TypeError: It has a field that is none.
        """
        *columns, more = values
        return self._kind(**dict(zip(self._columns, columns, strict=True)), **_decode(more))


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return field.default


EXECUTION: Final = Columns(
    ExecutionRow, "execution", "namespace", "flow", "trigger", "started", "ended", "state", "waits"
)
DELIVERY: Final = Columns(DeliveryRow, "delivery", "at", "namespace", "flow", "trigger", "kind", "execution")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
