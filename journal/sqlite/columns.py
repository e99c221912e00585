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
        self._rest = tuple(name for name in kind.__struct_fields__ if name not in columns)
        self._column_values = attrgetter(*columns)
        self._rest_values = attrgetter(*self._rest)
        self.names = ", ".join((*columns, "more"))
        """The columns of a SELECT that `read` understands."""

    def write(self, row: T) -> tuple[Any, ...]:
        """The values of the columns, in their order."""
        rest = {name: value for name, value in zip(self._rest, self._rest_values(row), strict=True) if value}
        return *self._column_values(row), _encode(rest).decode()

    def read(self, values: tuple[Any, ...]) -> T:
        """The struct that was written.

        Raises:
            msgspec.DecodeError: The rest is not JSON.
            TypeError: It has a field that is none.
        """
        *columns, more = values
        return self._kind(**dict(zip(self._columns, columns, strict=True)), **_decode(more))


EXECUTION: Final = Columns(
    ExecutionRow, "execution", "namespace", "flow", "trigger", "started", "ended", "state", "waits"
)
DELIVERY: Final = Columns(DeliveryRow, "delivery", "at", "namespace", "flow", "trigger", "kind", "execution")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
