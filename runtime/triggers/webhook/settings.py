"""A checked webhook: what the pipeline, the engine and the console read. Made once per flow revision."""

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from hookledger.runtime.flow.templates import Tree

if TYPE_CHECKING:
    from hookledger.runtime.triggers.webhook.admission.cors import Cors
    from hookledger.runtime.triggers.webhook.admission.ratelimit import RateLimit
    from hookledger.runtime.triggers.webhook.admission.schema import Schema
    from hookledger.runtime.triggers.webhook.signatures import Scheme

METHODS: Final = ("GET", "POST", "PUT")
OnDuplicate = Literal["REPLAY", "IGNORE", "REJECT"]
RECEIVED: Final = "RECEIVED"
COMPLETED: Final = "COMPLETED"


class SignatureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How deliveries are signed, and the texts of the keys, still to be rendered."""

    scheme: "Scheme"
    secrets: tuple[Tree, ...] = ()
    public_keys: tuple[Tree, ...] = ()
    jwks_uri: str | None = None


class Deduplication(msgspec.Struct, frozen=True, kw_only=True):
    """When a delivery counts as one that came before. `window` is in microseconds."""

    key: Tree = None
    """None: the preset's own id, else the header Idempotency-Key."""
    window: int = 86_400_000_000
    fingerprint: bool = True
    on_duplicate: OnDuplicate = "REPLAY"
    required: bool = False


class Respond(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of the author's own, still to be rendered. None: as without it."""

    code: Tree = None
    headers: Tree = None
    content_type: str = ""
    body: Tree = None
    has_body: bool = False


class ResponseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`response:`: what the caller gets, and when."""

    on: str
    """RECEIVED, COMPLETED or the id of a task."""
    success: Respond
    failed: Respond | None = None
    streams: bool = False
    """Progress as server-sent events instead of one answer."""


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """`onMismatch`: the answer when `when` or a condition is false."""

    code: int = 204
    body: str = ""


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """What is replaced before anything is written down; names in lower case."""

    headers: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    pointers: tuple[tuple[str, ...], ...] = ()


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """`batch`: deliveries that carry several items."""

    items: Tree = None
    """None: the events of a CloudEvents batch, else the elements of a body that is a JSON array."""
    each: bool = True
    """One execution for each item, or a single one that sees them all."""


class PreviousKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is still taken until `expires`, microseconds since 1970."""

    key: Tree
    expires: int


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A checked webhook."""

    key: Tree
    previous_keys: tuple[PreviousKey, ...] = ()
    methods: tuple[str, ...] = METHODS
    allowed_ips: tuple[Any, ...] = ()
    authentication: tuple[Tree, ...] = ()
    """One mapping per way, its texts still to be rendered."""
    signature: SignatureSettings | None = None
    handshakes: tuple[Tree, ...] = ()
    cors: "Cors | None" = None
    public_url: str = ""
    body_limit: int | None = None
    fetch: Literal["FETCH", "STORE", "NONE"] = "FETCH"
    raw_body: bool = False
    charset: str = ""
    """Of text whose sender names none; empty: UTF-8."""
    accept: tuple[str, ...] = ()
    strict_json: bool = False
    schema: "Schema | None" = None
    cloud_events: Literal["AUTO", "REQUIRED", "OFF"] = "OFF"
    batch: Batch | None = None
    deduplication: Deduplication | None = None
    rate_limit: "RateLimit | None" = None
    max_pending: int = 0
    """Requests under way at once; 0 leaves it to the server's limit."""
    on_mismatch: Mismatch | None = None
    correlation: Tree = None
    """What the label `system.correlationId` says; None or empty: the execution's id."""
    wait: bool = False
    timeout: int = 0
    """Microseconds; 0 leaves it to the server's limit."""
    on_timeout: Literal["ACCEPTED", "FAIL"] = "ACCEPTED"
    return_outputs: bool = False
    response_content_type: str = ""
    response_code: Tree = None
    response: ResponseSettings | None = None
    redaction: Redaction = Redaction()
    record: Literal["ALL", "ACCEPTED", "NONE"] = "ALL"
