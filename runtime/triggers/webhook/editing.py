"""The shapes of the blocks that `source` leaves open, for the JSON Schema that editors use.

They are the very Structs that the blocks' parsers read, so an editor underlines what the loader would refuse. Importing
this brings all parsers with it; only `hookledger flow schema` does.
"""

from typing import Any, Final, Literal

from hookledger.runtime.triggers.webhook.admission.authentication import Authentication
from hookledger.runtime.triggers.webhook.admission.cors import Cors
from hookledger.runtime.triggers.webhook.admission.ratelimit import RateLimit
from hookledger.runtime.triggers.webhook.blocks import (
    BatchSource,
    CloudEventsSource,
    DeduplicationSource,
    FailedSource,
    MismatchSource,
    PreviousKeySource,
    RedactSource,
    ResponseSource,
)
from hookledger.runtime.triggers.webhook.handshakes.model import Handshake, HandshakeType
from hookledger.runtime.triggers.webhook.signatures.model import Signature


class WrittenResponse(ResponseSource, frozen=True, kw_only=True):
    """The `response:` block."""

    failed: FailedSource | None = None


BLOCKS: Final[dict[str, Any]] = {
    "authentication": list[Authentication] | None,
    "batch": BatchSource | None,
    "cloudEvents": Literal["AUTO", "REQUIRED", "OFF"] | CloudEventsSource | None,
    "cors": Cors | None,
    "deduplication": DeduplicationSource | None,
    "handshake": Literal["AUTO", "NONE"] | list[HandshakeType | Handshake] | None,
    "onMismatch": MismatchSource | None,
    "previousKeys": list[PreviousKeySource] | None,
    "rateLimit": RateLimit | None,
    "redact": RedactSource | None,
    "response": WrittenResponse | None,
    "schema": dict[str, Any] | bool | None,
    "signature": Signature | None,
}
"""Property, and what may stand there."""
