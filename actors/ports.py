"""Everything outside that an engine uses, in one place, so that a simulation can replace all of it."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import trio

from hookledger.journal.ports import Clock, Entropy, SystemClock, SystemEntropy, Writer, this_process
from hookledger.runtime.expressions import Ambient
from hookledger.runtime.expressions import Ports as ExpressionPorts
from hookledger.runtime.secret_inputs import Cipher
from hookledger.runtime.secrets import Secrets, environment_secrets


class Effects:
    """Attempts at work, so that a server that stops can let them end.

    While it drains only executions somebody waits for begin further attempts with effects outside.
    """

    def __init__(self) -> None:
        self.draining = False
        self.running = 0
        self._ended = trio.Event()

    @contextmanager
    def counted(self, effect: str) -> Generator[None]:
        """Around an attempt; a pure one leaves nothing in doubt and is not waited for."""
        outside = effect != "pure"
        self.running += outside
        try:
            yield
        finally:
            self.running -= outside
            self._ended.set()

    async def quiet(self) -> None:
        """Return when none is at work outside."""
        while self.running:
            self._ended = trio.Event()
            await self._ended.wait()


class Ports:
    """The engine's surroundings.

    Args:
        cipher: Encrypts SECRET inputs; without one they are refused.
        environment: What expressions see as `envs`.
        services: Further ports by name, handed to tasks: `http`, `processes`, `kv`; `files` answers `read()`.
        writer: What the journal says about who writes it; this process by default.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        secrets: Secrets | None = None,
        cipher: Cipher | None = None,
        environment: Mapping[str, str] | None = None,
        services: Mapping[str, Any] | None = None,
        writer: Writer | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.entropy = entropy or SystemEntropy()
        self.writer = writer or this_process()
        self.secrets = secrets or environment_secrets()
        self.cipher = cipher
        self.environment = dict(environment or {})
        self.services: dict[str, Any] = dict(services or {})
        self.effects = Effects()
        self._expressions: dict[str, ExpressionPorts] = {}

    def ambient(
        self,
        drawn: Iterable[Mapping[str, Any]] | None = None,
        *,
        namespace: str = "",
        errors: Callable[[], Any] | None = None,
    ) -> Ambient:
        """What one rendering may draw from outside; with `drawn`, the recorded values instead.

        Args:
            namespace: The flow's own, where stored values are looked up unless an expression names another.
            errors: What `errorLogs()` answers.
        """
        if drawn is None:
            known = self._of(namespace)
            others = known.others if errors is None else {**(known.others or {}), "errorLogs": errors}
            return Ambient(replace(known, others=others))
        return Ambient.replay(drawn, secret=self._secret)

    def _now(self) -> datetime:
        seconds, microseconds = divmod(self.clock.now(), 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)

    def _secret(self, name: str, namespace: str | None) -> str:
        value = self.secrets(name)
        if value is None:
            raise LookupError(name)
        return value

    def _of(self, namespace: str) -> ExpressionPorts:
        if namespace not in self._expressions:

            def kv(name: str, other: str | None) -> Any:
                store = self.services.get("kv")
                if store is None:
                    raise LookupError(name)
                return store.peek(other or namespace, name)

            files = self.services.get("files")
            self._expressions[namespace] = ExpressionPorts(
                clock=self._now,
                random=_Randomness(self.entropy),
                secret=self._secret,
                kv=kv,
                others=files.functions(namespace) if files is not None else None,
            )
        return self._expressions[namespace]


class _Randomness:
    """What the expression language wants of a random source, over our port."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def randbytes(self, n: int, /) -> bytes:
        return self._entropy.token(n)

    def randrange(self, start: int, stop: int, /) -> int:
        """128 bits make the bias of the remainder immeasurable."""
        return start + int.from_bytes(self._entropy.token(16), "big") % (stop - start)
