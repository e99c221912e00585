"""Rules across executions: registered revisions and deduplication keys."""

import hashlib
from collections.abc import Iterator, Sequence

from hookledger.journal.events import AnyEvent, FlowRegistered, TriggerReceived
from hookledger.journal.verify.report import Finding


class Pins:
    """The flows a log has registered so far (L11, L12) and the deduplication keys in use (L13).

    Keeps a hash per revision and per key, never a source or a key itself.
    """

    def __init__(self) -> None:
        self._registered: set[bytes] = set()
        self._first: dict[bytes, tuple[str, int]] = {}
        self._incomplete = False

    def learn(self, events: Sequence[AnyEvent] | None) -> Iterator[Finding]:
        """Take in an entry of the system stream; after an unreadable one nobody knows all registrations."""
        if events is None:
            self._incomplete = True
            return
        for event in events:
            if isinstance(event, FlowRegistered):
                self._registered.add(_key(event.namespace, event.flow, event.revision, event.sha256))
                if hashlib.sha256(event.source.encode()).hexdigest() != event.sha256:
                    yield Finding(
                        "L12", f"the source of {event.flow} {event.revision} has another hash", event.sequence
                    )

    def pinned(
        self, namespace: str, flow: str, revision: int, source_sha256: str, sequence: int
    ) -> Iterator[Finding]:
        """Check what an execution says it runs."""
        if not self._incomplete and _key(namespace, flow, revision, source_sha256) not in self._registered:
            name = f"{namespace}/{flow} revision {revision} with hash {source_sha256[:12]}…"
            yield Finding("L11", f"{name} was not registered", sequence)

    def deduplicated(self, execution: str, received: TriggerReceived) -> Iterator[Finding]:
        """Check that no other execution answers for the key at this time. A claim without an end lasts for ever."""
        if not received.deduplication:
            return
        key = _key(received.namespace, received.flow, received.trigger, received.deduplication)
        first, until = self._first.get(key, (execution, 0))
        if first != execution and (until == 0 or received.at < until):
            yield Finding("L13", f"the deduplication key already started {first}", received.sequence)
        self._first[key] = (execution, received.deduplication_until)


def _key(*parts: str | int) -> bytes:
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).digest()
