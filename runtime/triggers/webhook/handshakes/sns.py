"""Amazon SNS: the message signs itself with a certificate it names, and asks us to confirm a subscription.

Sans-I/O: the first call says which certificate to fetch (only from Amazon's
own hosts), the second one gets its bytes. Source: "Verifying the signatures of
Amazon SNS messages". Everyone with an account there can send a well signed
message, so the topics we expect must be named.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hookledger.runtime.triggers.webhook.handshakes.model import HandshakeRequest
from hookledger.runtime.triggers.webhook.signatures.wire import freshness, iso_seconds

MAX_AGE_SECONDS = 3600.0
BODY_BYTES_MAX = 2**19  # SNS messages end at 256 KiB; escaping may double that
HOST = r"https://sns\.[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?"
CERTIFICATE_URL = re.compile(HOST + r"/[A-Za-z0-9_-]{1,120}\.pem")
SUBSCRIBE_URL = re.compile(HOST + r"/\?[A-Za-z0-9_.~:%&=+-]{1,2000}")

NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED_FIELDS: dict[str, tuple[str, ...]] = {
    "Notification": NOTIFICATION,
    "SubscriptionConfirmation": CONFIRMATION,
    "UnsubscribeConfirmation": CONFIRMATION,
}
HASHES: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}


class NeedCertificate(msgspec.Struct, frozen=True):
    """The certificate to fetch (without following redirects) before the message can be judged."""

    url: str


class SnsVerdict(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The outcome for one message."""

    accepted: bool
    reason: str | None = None
    type: str | None = None
    delivery_id: str | None = None
    timestamp: int | None = None  # seconds since 1970-01-01 UTC
    subscribe_url: str | None = None  # to call, or to show an operator; on Amazon's hosts only


def check_sns(
    body: bytes,
    *,
    now: float,
    topic_arns: Sequence[str],
    certificates: Mapping[str, bytes],
    allow_sha1: bool = False,
) -> NeedCertificate | SnsVerdict:
    """Judge a message; ask for its certificate first when `certificates` (URL to PEM) lacks it.

    Nothing is asked for unless the message is whole, fresh, for one of our
    topics and names a certificate on an allowed host.
    """
    message = _texts(body)
    if reason := _head_problem(message, now, topic_arns, allow_sha1):
        return SnsVerdict(accepted=False, reason=reason)
    url = message["SigningCertURL"]
    if url not in certificates:
        return NeedCertificate(url)
    reason = _signature_problem(message, certificates[url], now)
    return _verdict(message, reason)


def _texts(body: bytes) -> dict[str, str]:
    if len(body) > BODY_BYTES_MAX:
        return {}
    try:
        value: Any = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, ValueError):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str)}


def _head_problem(
    message: dict[str, str], now: float, topic_arns: Sequence[str], allow_sha1: bool
) -> str | None:
    timestamp = iso_seconds(message.get("Timestamp", ""))
    versions = ("1", "2") if allow_sha1 else ("2",)
    rules = (
        ("message-malformed", message.get("Type") in SIGNED_FIELDS and "MessageId" in message),
        ("topic-unexpected", message.get("TopicArn") in topic_arns),
        ("signature-version", message.get("SignatureVersion") in versions),
        ("certificate-host", CERTIFICATE_URL.fullmatch(message.get("SigningCertURL", "")) is not None),
        ("timestamp-malformed", timestamp is not None),
        ("timestamp-stale", freshness(timestamp or 0, now, MAX_AGE_SECONDS) is None),
    )
    return next((reason for reason, holds in rules if not holds), None)


def _signature_problem(message: dict[str, str], certificate: bytes, now: float) -> str | None:
    key = _public_key(certificate, now)
    if key is None:
        return "certificate-unusable"
    try:
        signature = base64.b64decode(message.get("Signature", ""), validate=True)
        key.verify(signature, signed_text(message), padding.PKCS1v15(), HASHES[message["SignatureVersion"]]())
    except (InvalidSignature, binascii.Error, ValueError):
        return "signature-mismatch"
    return None


def _public_key(certificate: bytes, now: float) -> rsa.RSAPublicKey | None:
    """Return the key of a certificate that is valid now; trust comes from the host it was fetched from."""
    try:
        loaded = x509.load_pem_x509_certificate(certificate)
        key = loaded.public_key()
        moment = datetime.fromtimestamp(now, tz=UTC)
        valid = loaded.not_valid_before_utc <= moment <= loaded.not_valid_after_utc
    except (ValueError, OverflowError, OSError, UnsupportedAlgorithm):
        return None
    return key if valid and isinstance(key, rsa.RSAPublicKey) else None


def signed_text(message: Mapping[str, str]) -> bytes:
    """Return what SNS signs: name and value of each signed field, one a line, in byte order."""
    names = SIGNED_FIELDS[message["Type"]]
    lines = (f"{name}\n{message[name]}\n" for name in names if name in message)
    return "".join(lines).encode("utf-8", "surrogatepass")


def _verdict(message: dict[str, str], reason: str | None) -> SnsVerdict:
    confirming = reason is None and message["Type"] == "SubscriptionConfirmation"
    url = message.get("SubscribeURL", "") if confirming else ""
    return SnsVerdict(
        accepted=reason is None,
        reason=reason,
        type=message["Type"],
        delivery_id=message["MessageId"],
        timestamp=iso_seconds(message["Timestamp"]),
        subscribe_url=url if SUBSCRIBE_URL.fullmatch(url) else None,
    )


def is_sns(request: HandshakeRequest) -> bool:
    """Say whether the request claims to be an SNS message."""
    return request.method == "POST" and request.header("x-amz-sns-message-type") is not None
