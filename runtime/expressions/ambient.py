"""Values from outside a template: time, randomness, secrets, stored values, files.

An Ambient draws them from the ports it is given and writes down each one, in order. The record is plain
JSON and goes into the event; an Ambient made from a record gives the same values again and asks nobody. Of a
secret only the name is written down, and where its value turns up elsewhere in the record the name
stands in its place.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, Self

from hookledger.runtime.expressions.errors import AmbientUnavailable, ExpressionError
from hookledger.runtime.expressions.values import MapEntry, Value, is_integer, is_list, is_map

SECRET: Final = "secret"
MASK_OPEN, MASK_CLOSE = "\ue000secret:", "\ue001"  # private-use characters: no ordinary text has them


class Randomness(Protocol):
    """Where random values come from; `random.Random` is one."""

    def randbytes(self, n: int, /) -> bytes:
        """Return that many random bytes."""
        ...

    def randrange(self, start: int, stop: int, /) -> int:
        """Return a random number from start up to, but not including, stop."""
        ...


SecretPort = Callable[[str, str | None], str]
KeyValuePort = Callable[[str, str | None], Value]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """What an Ambient may ask. A port that is left out makes its functions fail clearly.

    `secret` and `kv` get a name and a namespace (None: the flow's own) and raise LookupError when there is
    nothing. `others` holds one callable per further function, by the function's name, taking
    its arguments in order: read, fileURI, fileSize, fileExists, isFileEmpty, errorLogs, http,
    env, subflow, appLink.
    """

    clock: Callable[[], datetime] | None = None
    random: Randomness | None = None
    secret: SecretPort | None = None
    kv: KeyValuePort | None = None
    others: Mapping[str, Callable[..., Value]] | None = None


class Ambient:
    """The ambient values of one task attempt. Used by one rendering at a time.

    Attributes:
        drawn: What was drawn so far, in order; plain JSON, without the value of any secret.
    """

    def __init__(self, ports: Ports | None = None) -> None:
        self.ports = ports or Ports()
        self.drawn: list[dict[str, Value]] = []
        self._secrets: dict[str, str] = {}  # value to name
        self._recorded: list[dict[str, Value]] | None = None

    @classmethod
    def replay(cls, drawn: Iterable[Mapping[str, Value]], *, secret: SecretPort | None = None) -> Self:
        """Give the recorded values again, in the same order.

        Args:
            drawn: The record of an earlier rendering.
            secret: Where values of secrets come from, as the record does not have them.
        """
        ambient = cls(Ports(secret=secret))
        ambient._recorded = [dict(one) for one in drawn]
        return ambient

    @property
    def secrets(self) -> frozenset[str]:
        """The values of all secrets handed out, for callers that mask them elsewhere."""
        return frozenset(self._secrets)

    @property
    def is_exhausted(self) -> bool:
        """Whether a replay has given everything that was recorded."""
        return not self._recorded

    def draw(self, name: str, arguments: list[Value], make: Callable[[], Value]) -> Value:
        """Return an ambient value: a fresh one, written down, or the recorded one."""
        masked = [self.masked(one) for one in arguments]
        if self._recorded is not None:
            return self.unmasked(self.next_recorded(name, masked).get("value"))
        value = plain(self.made(name, make))
        self.drawn.append({"name": name, "args": masked, "value": self.masked(value)})
        return value

    def made(self, name: str, make: Callable[[], Value]) -> Value:
        """Ask a port; what goes wrong there becomes an error of ours."""
        try:
            return make()
        except ExpressionError:
            raise
        except Exception as error:
            raise AmbientUnavailable(f"`{name}` failed: {error}") from error

    def next_recorded(self, name: str, arguments: list[Value]) -> dict[str, Value]:
        """Take the next record, which must be of the same call."""
        if not self._recorded:
            raise AmbientUnavailable(f"`{name}` was not called when the values were recorded")
        record = self._recorded.pop(0)
        if (record.get("name"), record.get("args")) != (name, arguments):
            raise AmbientUnavailable(
                f"`{name}` was called with other arguments when the values were recorded"
            )
        self.drawn.append(record)
        return record

    def draw_secret(self, name: str, namespace: str | None, arguments: list[Value]) -> str:
        """Return a secret; only its name is written down."""
        if self._recorded is not None:
            self.next_recorded(SECRET, arguments)
        value = self.secret_value(name, namespace)
        if self._recorded is None:
            self.drawn.append({"name": SECRET, "args": arguments})
        self.remember_secret(name, value)
        return value

    def remember_secret(self, name: str, value: Value) -> None:
        """Keep a value out of the record and in `secrets`."""
        if isinstance(value, str) and value:
            self._secrets.setdefault(value, name)

    def secret_value(self, name: str, namespace: str | None) -> str:
        """Ask the port of secrets."""
        if self.ports.secret is None:
            raise AmbientUnavailable(f"nothing here can give the secret `{name}`", name=name)
        port = self.ports.secret
        try:
            return port(name, namespace)
        except LookupError as error:
            raise AmbientUnavailable(f"there is no secret `{name}`", name=name) from error

    def masked(self, value: Value) -> Value:
        """Replace the values of secrets by their names, at any depth."""
        longest_first = sorted(self._secrets, key=len, reverse=True)

        def hide(text: str) -> str:
            for secret in longest_first:
                text = text.replace(secret, f"{MASK_OPEN}{self._secrets[secret]}{MASK_CLOSE}")
            return text

        return mapped(value, hide)

    def unmasked(self, value: Value) -> Value:
        """Put the values of secrets back."""

        def reveal(text: str) -> str:
            for secret, name in self._secrets.items():
                text = text.replace(f"{MASK_OPEN}{name}{MASK_CLOSE}", secret)
            return text

        return mapped(value, reveal)

    def now(self) -> datetime:
        """The time on the port's clock."""
        if self.ports.clock is None:
            raise AmbientUnavailable("no clock was handed in")
        return self.ports.clock().astimezone(UTC)

    def random(self) -> Randomness:
        """The port of randomness."""
        if self.ports.random is None:
            raise AmbientUnavailable("no source of randomness was handed in")
        return self.ports.random

    def other(self, name: str) -> Callable[..., Value]:
        """The port of a further function."""
        found = (self.ports.others or {}).get(name)
        if found is None:
            raise AmbientUnavailable(f"nothing here can answer `{name}()`", name=name)
        return found


def mapped(value: Value, change: Callable[[str], str]) -> Value:
    """Apply a change to every text in a tree."""
    if isinstance(value, str):
        return change(value)
    value = value.as_map() if isinstance(value, MapEntry) else value
    if is_map(value):
        return {change(str(key)): mapped(one, change) for key, one in value.items()}
    return [mapped(one, change) for one in value] if is_list(value) else value


def plain(value: Value) -> Value:
    """Bring what a port returned into plain JSON: a replay gives exactly this."""
    if value is None or isinstance(value, (str, bool, float)) or is_integer(value):
        return value
    if is_map(value):
        return {str(key): plain(one) for key, one in value.items()}
    if is_list(value):
        return [plain(one) for one in value]
    raise AmbientUnavailable("a port returned something that is not plain JSON")
