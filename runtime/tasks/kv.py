"""`kv.Set`, `kv.Get` and `kv.Delete`: values that outlive an execution, by namespace and key."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, ClassVar, Final, Literal, Protocol

import msgspec

from hookledger.runtime.durations import parse_duration
from hookledger.runtime.tasks.base import Effect, Outputs, TaskContext, TaskFailed, TaskKind
from hookledger.runtime.tasks.flow.waits import duration_of

KEY_CHARS_MAX: Final = 512
VALUE_BYTES_MAX: Final = 1024 * 1024
Kind = Literal["STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON"]


class KeyTaken(Exception):
    """There is a value already, and it was not to be replaced."""


class KeyValues(Protocol):
    """Stored values. What a method did is durable when it returns."""

    async def get(self, namespace: str, key: str) -> Any:
        """The value.

        Raises:
            LookupError: There is none, or its time is over.
        """
        ...

    async def set(
        self, namespace: str, key: str, value: Any, *, ttl: int = 0, overwrite: bool = True, by: str = ""
    ) -> None:
        """Store a value.

        Args:
            ttl: Microseconds; 0 for ever.
            by: Idempotency key; a second run, or a retry, finds its own value there and leaves it.

        Raises:
            KeyTaken: There is one, and `overwrite` is false.
        """
        ...

    async def delete(self, namespace: str, key: str, *, by: str = "") -> bool:
        """Delete a value; False when there was none. A second run, or a retry, gives the same answer."""
        ...


class Set(TaskKind, frozen=True, kw_only=True):
    """Stores a value."""

    types: ClassVar[tuple[str, ...]] = ("io.kestra.plugin.core.kv.Set", "io.kestra.core.tasks.kv.Set")
    durations: ClassVar[tuple[str, ...]] = ("ttl",)
    effect: ClassVar[Effect] = "idempotent"

    key: str
    value: Any
    namespace: str | None = None
    ttl: str | None = None
    kv_type: Kind | None = None
    """How to read a value that is a text; without it a text is stored as it is."""
    overwrite: bool = True

    async def run(self, context: TaskContext) -> Outputs:
        store: KeyValues = context.port("kv")
        key, ttl, value = _checked(self.key), self._ttl(), self._value()
        space = self.namespace or context.namespace
        if context.holds_secret(value):
            message = (
                "the value holds a secret, and stored values are in the journal in plain; keep it a secret"
            )
            raise TaskFailed(message, kind="SecretInValue")
        try:
            await store.set(space, key, value, ttl=ttl, overwrite=self.overwrite, by=context.idempotency_key)
        except KeyTaken:
            message = f"`{key}` has a value in {space} already, and `overwrite` is false"
            raise TaskFailed(message, kind="KeyTaken") from None
        return None

    def _ttl(self) -> int:
        if self.ttl is None:
            return 0
        ttl = duration_of(self.ttl)
        if ttl <= 0:
            raise TaskFailed("property `ttl`: give the value some time", kind="InvalidProperty")
        return ttl

    def _value(self) -> Any:
        value = self.value
        if self.kv_type is not None and isinstance(value, str):
            value = _read(value, self.kv_type)
        if len(msgspec.json.encode(value)) > VALUE_BYTES_MAX:
            raise TaskFailed(
                f"property `value`: more than {VALUE_BYTES_MAX} bytes as JSON", kind="InvalidProperty"
            )
        return value


class Get(TaskKind, frozen=True, kw_only=True):
    """Outputs `value`; null when there is none, unless that is an error."""

    types: ClassVar[tuple[str, ...]] = ("io.kestra.plugin.core.kv.Get", "io.kestra.core.tasks.kv.Get")
    effect: ClassVar[Effect] = "read"

    key: str
    namespace: str | None = None
    error_on_missing: bool = False

    async def run(self, context: TaskContext) -> Outputs:
        store: KeyValues = context.port("kv")
        space = self.namespace or context.namespace
        try:
            return {"value": await store.get(space, _checked(self.key))}
        except LookupError:
            if self.error_on_missing:
                raise _missing(space, self.key) from None
            return {"value": None}


class Delete(TaskKind, frozen=True, kw_only=True):
    """Deletes a value; outputs `deleted`."""

    types: ClassVar[tuple[str, ...]] = ("io.kestra.plugin.core.kv.Delete", "io.kestra.core.tasks.kv.Delete")
    effect: ClassVar[Effect] = "idempotent"

    key: str
    namespace: str | None = None
    error_on_missing: bool = False

    async def run(self, context: TaskContext) -> Outputs:
        store: KeyValues = context.port("kv")
        space = self.namespace or context.namespace
        deleted = await store.delete(space, _checked(self.key), by=context.idempotency_key)
        if not deleted and self.error_on_missing:
            raise _missing(space, self.key)
        return {"deleted": deleted}


def _missing(namespace: str, key: str) -> TaskFailed:
    return TaskFailed(f"there is no value `{key}` in {namespace}", kind="KeyMissing")


def _checked(key: str) -> str:
    if not key or len(key) > KEY_CHARS_MAX or not key.isprintable():
        raise TaskFailed(
            f"property `key`: 1 to {KEY_CHARS_MAX} printable characters, please", kind="InvalidProperty"
        )
    return key


def _number(text: str) -> int | float:
    number = msgspec.convert(text, int | float, strict=False)
    if isinstance(number, float) and number in (float("inf"), float("-inf")):
        raise ValueError("it is infinite")
    return number


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _unchanged(check: Callable[[str], object]) -> Callable[[str], str]:
    """Text that has to be readable but is kept as the author wrote it."""

    def reader(text: str) -> str:
        check(text)
        return text

    return reader


_READERS: Final[dict[Kind, Callable[[str], Any]]] = {
    "STRING": str,
    "NUMBER": _number,
    "BOOLEAN": _boolean,
    "DATETIME": _unchanged(datetime.fromisoformat),
    "DATE": _unchanged(date.fromisoformat),
    "DURATION": _unchanged(parse_duration),
    "JSON": msgspec.json.decode,
}


def _read(text: str, kind: Kind) -> Any:
    try:
        return _READERS[kind](text)
    except (ValueError, KeyError, msgspec.MsgspecError):
        raise TaskFailed(f"property `value`: not a {kind}", kind="InvalidProperty") from None
