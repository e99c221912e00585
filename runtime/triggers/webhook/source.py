"""What an author may write for a webhook, beside what every trigger has.

Blocks with a language of their own (`signature:`, `response:`, ...) are plain data here; `reading` hands each of
them to the parser that lists everything wrong with it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

KEY_LENGTH_MAX = 256


class WebhookSource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The properties of a Webhook trigger."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.trigger.Webhook",
        "io.kestra.core.models.triggers.types.Webhook",
    )

    @classmethod
    def blocks(cls) -> "Mapping[str, Any]":
        """What may stand in the properties that are plain data here."""
        from hookledger.runtime.triggers.webhook.editing import BLOCKS

        return BLOCKS

    key: Annotated[str, Meta(max_length=KEY_LENGTH_MAX)]
    previous_keys: Any = None
    """Keys that are still taken for a while: `[{key, expires}]`."""
    methods: list[str] | None = None
    allowed_ips: list[str] | None = None
    authentication: Any = None
    signature: Any = None
    handshake: Any = None
    cors: Any = None
    public_url: str | None = None
    """The URL senders call, where a proxy changes it; overrides `server.publicUrl` for this trigger."""

    body_limit: int | str | None = None
    fetch_type: Literal["FETCH", "STORE", "NONE", "fetch", "store", "none"] = "FETCH"
    raw_body: bool = False
    charset: str | None = None
    accept: list[str] | None = None
    strict_json: bool = False
    schema: Any = None
    cloud_events: Any = None
    """AUTO, REQUIRED, OFF or `{mode, allowedOrigins, allowedRate}`."""
    allowed_origins: list[str] | None = None
    allowed_rate: int | None = None
    batch: Any = None

    deduplication: Any = None
    rate_limit: Any = None
    max_pending: Annotated[int, Meta(ge=1)] | None = None
    on_mismatch: Any = None
    correlation: str | None = None

    wait: bool = False
    timeout: str | None = None
    on_timeout: Literal["ACCEPTED", "FAIL"] | None = None
    return_outputs: bool = False
    response_content_type: Literal["application/json", "text/plain"] | None = None
    response_code: int | str | None = None
    response: Any = None

    redact: Any = None
    record: Literal["ALL", "ACCEPTED", "NONE"] = "ALL"
