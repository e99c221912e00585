"""The partition's own stream: what happened to the journal and around it."""

from typing import Any

from hookledger.journal.events.base import Event


class JournalOpened(Event, frozen=True, kw_only=True):
    """First event of a partition: its identity."""

    origin: str
    partition: int
    software: str


class EpochStarted(Event, frozen=True, kw_only=True):
    """A new writer owns the partition from here on."""

    epoch: int
    host: str
    process: int
    software: str
    recovered: int = 0
    """Entries found on taking over."""


class JournalClosed(Event, frozen=True, kw_only=True):
    """The writer left in good order; its absence before the next EpochStarted means a crash."""

    epoch: int


class ClockStepped(Event, frozen=True, kw_only=True):
    """The wall clock was set while the writer ran. Waits go on as they were; schedules go by the new time."""

    step: int
    """Microseconds; below 0 when it was set back."""


class FlowRegistered(Event, frozen=True, kw_only=True):
    """A revision of a flow, with its full source."""

    namespace: str
    flow: str
    revision: int
    sha256: str
    source: str
    file: str = ""
    by: str = ""


class FlowRemoved(Event, frozen=True, kw_only=True):
    """A flow takes no more deliveries; its revisions stay readable."""

    namespace: str
    flow: str
    revision: int
    by: str = ""


class DeliveryRejected(Event, frozen=True, kw_only=True):
    """What was to start an execution and did not, and why: a request to a webhook (sampled and capped; no body), a
    time of a schedule, another execution's end (`delivery` is the id its execution would have had)."""

    delivery: str
    status: int
    reason: str
    namespace: str = ""
    flow: str = ""
    trigger: str = ""
    method: str = ""
    remote: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body_bytes: int = 0
    body_sha256: str = ""
    suppressed: int = 0
    """Rejections of the same kind since the previous one that were only counted."""


class HandshakeAnswered(Event, frozen=True, kw_only=True):
    """A sender's challenge was answered without an execution."""

    delivery: str
    namespace: str
    flow: str
    trigger: str
    handshake: str
    status: int
    remote: str = ""


class KeyValueSet(Event, frozen=True, kw_only=True):
    """A value was stored under a key of a namespace, or replaced."""

    namespace: str
    key: str
    value: Any
    expires: int = 0
    """Microseconds since 1970-01-01 UTC; 0 for never."""
    by: str = ""
    """Key of the attempt that did it, so that the same attempt run again changes nothing."""


class KeyValueDeleted(Event, frozen=True, kw_only=True):
    """A stored value was deleted."""

    namespace: str
    key: str
    by: str = ""


class AccessRecorded(Event, frozen=True, kw_only=True):
    """Somebody read or changed something worth remembering."""

    by: str
    """`user:NAME`, `token:ID`, or `stranger:unknown`."""
    action: str
    """`login`, `logout`, or `request` for one that was refused."""
    resource: str
    """The method and path of a request."""
    outcome: str = "ok"
    """Why not, when it was refused."""
    remote: str = ""
    suppressed: int = 0
    """Refusals of the same action since the previous record that were only counted."""


class TokenIssued(Event, frozen=True, kw_only=True):
    """An API token was made. Its secret is nowhere; what it must hash to stands here."""

    id: str
    name: str
    role: str
    sha256: str
    """Of the secret, hex."""
    expires: int = 0
    """Microseconds since 1970-01-01 UTC; 0 for never."""
    by: str


class TokenRevoked(Event, frozen=True, kw_only=True):
    """An API token is good for nothing from here on."""

    id: str
    by: str
