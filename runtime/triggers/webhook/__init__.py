"""The Webhook trigger: what an author may write, and the checked settings it becomes.

`signatures`, `handshakes` and `admission` hold the sans-I/O machines behind the properties; the pipeline that runs
them over requests is the API's.
"""

from hookledger.runtime.triggers.webhook.reading import read_webhook
from hookledger.runtime.triggers.webhook.settings import (
    COMPLETED,
    METHODS,
    RECEIVED,
    Batch,
    Deduplication,
    Mismatch,
    PreviousKey,
    Redaction,
    Respond,
    ResponseSettings,
    SignatureSettings,
    WebhookSettings,
)
from hookledger.runtime.triggers.webhook.source import KEY_LENGTH_MAX, WebhookSource

__all__ = [
    "COMPLETED",
    "KEY_LENGTH_MAX",
    "METHODS",
    "RECEIVED",
    "Batch",
    "Deduplication",
    "Mismatch",
    "PreviousKey",
    "Redaction",
    "Respond",
    "ResponseSettings",
    "SignatureSettings",
    "WebhookSettings",
    "WebhookSource",
    "read_webhook",
]
