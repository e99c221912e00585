"""What senders ask before they deliver. Answered without an execution, recorded as HandshakeAnswered."""

from hookledger.runtime.triggers.webhook.handshakes.builtin import (
    PROVEN,
    TOKEN_CHARS_MAX,
    answer_custom,
    answer_handshake,
    is_token,
)
from hookledger.runtime.triggers.webhook.handshakes.config import parse_handshakes
from hookledger.runtime.triggers.webhook.handshakes.model import (
    Answer,
    Handshake,
    HandshakeRequest,
    HandshakeType,
    Refusal,
)
from hookledger.runtime.triggers.webhook.handshakes.sns import NeedCertificate, SnsVerdict, check_sns, is_sns

__all__ = [
    "PROVEN",
    "TOKEN_CHARS_MAX",
    "Answer",
    "Handshake",
    "HandshakeRequest",
    "HandshakeType",
    "NeedCertificate",
    "Refusal",
    "SnsVerdict",
    "answer_custom",
    "answer_handshake",
    "check_sns",
    "is_sns",
    "is_token",
    "parse_handshakes",
]
