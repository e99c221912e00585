"""The words of signature checking: what an author may write, and what a check may answer.

Property names are those of the trigger's `signature:` block. Nothing here
computes anything.
"""

from enum import StrEnum

import msgspec

from hookledger.runtime.triggers.webhook.admission.settings import Settings

SECRETS_MAX = 5
TOLERANCE_SECONDS_DEFAULT = 300.0  # what Stripe, Slack and Standard Webhooks libraries use


class Format(StrEnum):
    """How the signature header is laid out."""

    PLAIN = "PLAIN"  # the encoded signature and nothing else
    PREFIXED = "PREFIXED"  # `sha256=<signature>`; a bare signature is refused
    PAIRS = "PAIRS"  # `t=1700000000,v1=<signature>,v1=<signature>`
    VERSIONED_LIST = "VERSIONED_LIST"  # `v1,<signature> v1a,<signature>`


class Algorithm(StrEnum):
    """What makes the signature from the payload."""

    SHA1 = "SHA1"  # HMAC-SHA1; only for senders that offer nothing better
    SHA256 = "SHA256"  # HMAC-SHA256
    SHA384 = "SHA384"
    SHA512 = "SHA512"
    ED25519 = "ED25519"  # RFC 8032; the secret is the sender's public key
    TOKEN = "TOKEN"  # no signature: the header must equal the secret


class Encoding(StrEnum):
    """How signature bytes become header text."""

    HEX = "HEX"
    BASE64 = "BASE64"
    BASE64URL = "BASE64URL"


class TimestampUnit(StrEnum):
    """How the sender writes the time of signing."""

    AUTO = "AUTO"  # seconds, milliseconds from 10^11 on, or ISO 8601
    SECONDS = "SECONDS"
    MILLIS = "MILLIS"
    ISO8601 = "ISO8601"


class SecretEncoding(StrEnum):
    """How the secret's text becomes key bytes."""

    UTF8 = "UTF8"
    BASE64 = "BASE64"
    HEX = "HEX"
    WHSEC = "WHSEC"  # Standard Webhooks: `whsec_` and base64; `whpk_` for Ed25519 public keys


class Reason(StrEnum):
    """Why a delivery was refused. For the journal and operators, never for the caller."""

    SECRET_MISSING = "secret-missing"
    SECRET_UNUSABLE = "secret-unusable"
    SIGNATURE_MISSING = "signature-missing"
    SIGNATURE_DUPLICATE = "signature-duplicate"
    SIGNATURE_TOO_LONG = "signature-too-long"
    SIGNATURE_MALFORMED = "signature-malformed"
    SIGNATURE_MISMATCH = "signature-mismatch"
    TIMESTAMP_MISSING = "timestamp-missing"
    TIMESTAMP_DUPLICATE = "timestamp-duplicate"
    TIMESTAMP_MALFORMED = "timestamp-malformed"
    TIMESTAMP_TOO_OLD = "timestamp-too-old"
    TIMESTAMP_IN_FUTURE = "timestamp-in-future"
    ID_MISSING = "id-missing"
    ID_DUPLICATE = "id-duplicate"
    ID_MALFORMED = "id-malformed"
    HEADER_MISSING = "header-missing"
    HEADER_DUPLICATE = "header-duplicate"
    BODY_DIGEST_MISMATCH = "body-digest-mismatch"
    BODY_NOT_COVERED = "body-not-covered"
    BODY_TOO_LARGE = "body-too-large"
    BODY_IS_A_TOKEN = "body-is-a-token"
    BODY_MALFORMED = "body-malformed"
    COMPONENT_NOT_COVERED = "component-not-covered"


OUR_FAULT = frozenset({Reason.SECRET_MISSING, Reason.SECRET_UNUSABLE})


class Verdict(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The outcome of one check. Recorded with the delivery and read on replay, never computed again."""

    accepted: bool
    preset: str  # `GITHUB`, ..., `GENERIC`
    scheme: str  # what matched or would have: `v1`, `v1a`, `v0`, `sha256`, ...
    reason: Reason | None = None  # set exactly when refused
    key_index: int | None = None  # place of the matching secret in `secrets`
    delivery_id: str | None = None  # from a signed header, else the preset's unsigned one
    timestamp: int | None = None  # seconds since 1970-01-01 UTC, as the sender signed it

    @property
    def unavailable(self) -> bool:
        """True when our own secret is at fault: answer 503, not 401."""
        return self.reason in OUR_FAULT


class DedupSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a preset's deliveries carry their own id: a header first, else a path in the JSON body."""

    header: str | None = None
    body: tuple[str, ...] = ()  # object keys from the top, e.g. ("event", "id")


class Signature(Settings, frozen=True, kw_only=True):
    """The `signature:` block as an author writes it; absent properties come from the preset."""

    preset: str | None = None
    secret: str | None = None
    secrets: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    jwks_uri: str | None = None
    tolerance: str | None = None  # ISO-8601 duration
    header: str | None = None
    format: Format | None = None
    prefix: str | None = None
    algorithm: Algorithm | None = None
    encoding: Encoding | None = None
    payload: str | None = None
    timestamp_header: str | None = None
    timestamp_unit: TimestampUnit | None = None
    id_header: str | None = None
    secret_encoding: SecretEncoding | None = None
    components: tuple[str, ...] | None = None  # RFC9421: what must be covered
    methods: tuple[str, ...] | None = None  # which methods are checked; absent: every one

    @property
    def keys(self) -> tuple[str, ...]:
        """Every secret and public key as written, in the order that `keyIndex` counts."""
        first = () if self.secret is None else (self.secret,)
        return (*first, *self.secrets, *self.public_keys)
