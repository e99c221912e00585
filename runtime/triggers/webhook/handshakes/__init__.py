"""What senders ask before they deliver. Answered without an execution, recorded as HandshakeAnswered."""

from hookledger.runtime.triggers.webhook.handshakes.builtin import answer_custom, answer_handshake
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
    "parse_handshakes",
]
