"""One sender's way of signing, as data. Presets are rows of these; an author's own scheme becomes one too."""

from enum import StrEnum

import msgspec

from hookledger.runtime.triggers.webhook.signatures.model import (
    TOLERANCE_SECONDS_DEFAULT,
    Algorithm,
    DedupSource,
    Encoding,
    Format,
    SecretEncoding,
    TimestampUnit,
)
from hookledger.runtime.triggers.webhook.signatures.template import Part, parse_payload, uses


class Kind(StrEnum):
    """Which machinery checks a recipe."""

    GENERIC = "GENERIC"
    TWILIO = "TWILIO"
    RFC9421 = "RFC9421"


class UrlRule(StrEnum):
    """Which spellings of the request URL the sender may have signed."""

    AS_IS = "AS_IS"
    HUBSPOT = "HUBSPOT"  # some percent escapes are undone before signing


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Header names that belong together. All `signature` headers of a family count as one list."""

    signature: tuple[str, ...]
    timestamp: str | None = None
    id: str | None = None


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to check or make one kind of signature, except the secret."""

    preset: str
    kind: Kind = Kind.GENERIC
    families: tuple[Family, ...] = ()  # the first one that the request uses is taken
    format: Format = Format.PLAIN
    prefix: str = ""  # PREFIXED: the text before; PAIRS and VERSIONED_LIST: the key or version
    algorithm: Algorithm = Algorithm.SHA256
    encoding: Encoding = Encoding.HEX
    payload: tuple[Part, ...] = (Part(name="body"),)
    timestamp_unit: TimestampUnit = TimestampUnit.SECONDS
    written_unit: TimestampUnit | None = None  # for signing, where AUTO is read
    tolerance_seconds: float = TOLERANCE_SECONDS_DEFAULT
    secret_encoding: SecretEncoding = SecretEncoding.UTF8
    url_rule: UrlRule = UrlRule.AS_IS
    components: tuple[str, ...] | None = None  # RFC9421 only
    dedup: DedupSource = DedupSource()
    methods: frozenset[str] | None = None  # upper case; None: every method
    secret_form: str = "any text"  # for documentation

    @property
    def timed(self) -> bool:
        """True when the signature covers a time, which is then checked."""
        return uses(self.payload, "timestamp")

    @property
    def label(self) -> str:
        """What `verification.scheme` shows for a symmetric match."""
        return self.prefix.rstrip("=:,") or self.algorithm.value.lower()


def recipe(preset: str, header: str | tuple[str, ...], **more: object) -> Recipe:
    """Write one row of the preset table: one family of headers, the payload as text."""
    headers = (header,) if isinstance(header, str) else header
    timestamp, identifier = more.pop("timestamp", None), more.pop("id", None)
    payload = more.pop("payload", "{body}")
    family = {"signature": headers, "timestamp": timestamp, "id": identifier}
    row = {"preset": preset, "families": (family,), "payload": parse_payload(str(payload)), **more}
    return msgspec.convert(row, Recipe)
