"""SNS messages: signed by a certificate they name, which is fetched only from Amazon's hosts."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from hookledger.runtime.triggers.webhook.handshakes import (
    HandshakeRequest,
    NeedCertificate,
    SnsVerdict,
    check_sns,
    is_sns,
)
from hookledger.runtime.triggers.webhook.handshakes.sns import signed_text

NOW = 1_700_000_000
URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-ab12.pem"
TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
KEY = rsa.generate_private_key(65537, 2048)


def certificate(start: int = NOW - 86_400) -> bytes:
    """A self-signed certificate that is valid for ten days."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begin = datetime.fromtimestamp(start, tz=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + timedelta(days=10))
    made = builder.sign(KEY, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


PEM = certificate()


def message(**changes: Any) -> dict[str, str]:
    """A signed notification."""
    fields = {
        "Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Subject": "s", "Message": "héllo",
        "Timestamp": "2023-11-14T22:13:20.000Z", "SignatureVersion": "2", "SigningCertURL": URL, **changes,
    }  # fmt: skip
    fields = {name: value for name, value in fields.items() if value is not None}
    digest = hashes.SHA1() if fields["SignatureVersion"] == "1" else hashes.SHA256()
    made = KEY.sign(signed_text(fields), padding.PKCS1v15(), digest)
    return {**fields, "Signature": base64.b64encode(made).decode()}


def judge(fields: dict[str, str], *, now: float = NOW, pem: bytes = PEM, **more: Any) -> SnsVerdict:
    """Run one whole check with the certificate at hand."""
    outcome = check_sns(
        json.dumps(fields).encode(), now=now, topic_arns=[TOPIC], certificates={URL: pem}, **more
    )
    assert isinstance(outcome, SnsVerdict)
    return outcome


def test_notifications_and_confirmations() -> None:
    """
    Both kinds verify, with and without a subject; a confirmation shows the URL to call.
    """
    assert judge(message()).delivery_id == "m-1"
    assert judge(message(Subject=None)).accepted
    url = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a:b&Token=t"
    asked = judge(message(Type="SubscriptionConfirmation", Token="t", SubscribeURL=url))
    assert (asked.accepted, asked.subscribe_url) == (True, url)
    evil = judge(message(Type="SubscriptionConfirmation", Token="t", SubscribeURL="https://evil.example/?a"))
    assert (evil.accepted, evil.subscribe_url) == (True, None)


def test_the_certificate_is_a_need() -> None:
    """
    Without the certificate the check names the URL to fetch.
    """
    body = json.dumps(message()).encode()
    assert check_sns(body, now=NOW, topic_arns=[TOPIC], certificates={}) == NeedCertificate(URL)


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.evil.com/x.pem",
        "http://sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com.evil.com/x.pem",
        "https://sns.us-east-1.amazonaws.com/",
        "https://user@sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com:8443/x.pem",
        "https://sns.us-east-1.amazonaws.com/../x.pem",
        "https://sns.us-east-1.amazonaws.com/x.pem\n",
    ],
)
def test_other_hosts_are_never_asked_for(url: str) -> None:
    """
    A certificate elsewhere refuses the message; nothing is to be fetched.
    """
    assert judge(message(SigningCertURL=url)).reason == "certificate-host"


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "Signature", "Subject"])
def test_changed_fields_are_refused(field: str) -> None:
    """
    Every signed field is covered.
    """
    fields = message()
    fields[field] = {"Timestamp": "2023-11-14T22:13:21.000Z"}.get(field, fields[field][:-5] + "AAAAA")
    assert not judge(fields).accepted


def test_times_topics_versions_and_certificates() -> None:
    """
    An hour either way, our topics only, SHA-1 only where asked for, and a certificate valid now.
    """
    assert judge(message(), now=NOW + 3601).reason == "timestamp-stale"
    assert judge(message(), now=NOW - 3601).reason == "timestamp-stale"
    assert judge(message(TopicArn="arn:other")).reason == "topic-unexpected"
    assert judge(message(SignatureVersion="1")).reason == "signature-version"
    assert judge(message(SignatureVersion="1"), allow_sha1=True).accepted
    assert judge(message(), pem=certificate(NOW - 86_400 * 30)).reason == "certificate-unusable"
    assert judge(message(), pem=b"junk").reason == "certificate-unusable"


@given(st.binary(max_size=60) | st.dictionaries(st.sampled_from(sorted(message())), st.text(max_size=9)).map(
    lambda changes: json.dumps({**message_once(), **changes}).encode()))  # fmt: skip
def test_sns_never_raises(body: bytes) -> None:
    """
    Any body ends in a refusal or the one unchanged message.
    """
    outcome = check_sns(body, now=NOW, topic_arns=[TOPIC], certificates={URL: PEM})
    assert isinstance(outcome, SnsVerdict)


ONCE = message()


def message_once() -> dict[str, str]:
    """One message for all examples: signing is slow."""
    return ONCE


def test_is_sns() -> None:
    """
    The sender's header tells.
    """
    assert is_sns(HandshakeRequest(method="POST", headers=(("X-Amz-Sns-Message-Type", "Notification"),)))
    assert not is_sns(HandshakeRequest(method="POST"))
