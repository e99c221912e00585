"""Deliveries as their senders make them: by the official libraries, or by hand from the sender's documentation.

Nothing here uses our own `sign`, so that a mistake of ours cannot agree with itself.
"""

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import standardwebhooks
import stripe
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from nacl.signing import SigningKey
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import (  # type: ignore[import-untyped]
    RequestValidator,  # pyright: ignore[reportMissingTypeStubs]
)

from ...runtime.triggers.webhook.handshakes.test_sns import message  # noqa: TID252

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations inside the library's own models
    from svix.webhooks import Webhook as SvixWebhook

NOW: Final = 1_700_000_000
WHEN: Final = datetime.fromtimestamp(NOW, tz=UTC)
TEXT: Final = "shh, the sender's own"
WHSEC: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAIR: Final = SigningKey(bytes(range(32)))
PUBLIC: Final = "whpk_" + base64.b64encode(bytes(PAIR.verify_key)).decode()
BODY: Final = b'{"id":"evt_1","event":{"id":"e-1"},"event_id":"Ev1","name":"h\\u00e9"}'
FORM: Final = "application/x-www-form-urlencoded"
SNS_TOPIC: Final = "arn:aws:sns:eu-central-1:123456789012:orders"


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery, and the secret its receiver knows."""

    headers: dict[str, str]
    body: bytes = BODY
    query: str = ""
    secret: str = TEXT


def hmac_of(*parts: str | bytes, hashed: str = "sha256") -> bytes:
    """Of the parts, with the secret as text."""
    whole = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return hmac.digest(TEXT.encode(), whole, hashed)


def b64(value: bytes) -> str:
    """Base64 as text."""
    return base64.b64encode(value).decode()


def github(url: str) -> Sent:
    """docs.github.com, validating webhook deliveries."""
    signed = {"X-Hub-Signature-256": "sha256=" + hmac_of(BODY).hex(), "X-Hub-Signature": "sha1=" + "0" * 40}
    return Sent(headers={**signed, "X-GitHub-Event": "push", "X-GitHub-Delivery": "guid-1"})


def stripe_(url: str) -> Sent:
    """The library's own computation."""
    library: Any = stripe.WebhookSignature
    made = library._compute_signature(f"{NOW}.{BODY.decode()}", WHSEC)
    return Sent(headers={"Stripe-Signature": f"t={NOW},v1={made}"}, secret=WHSEC)


def slack(url: str) -> Sent:
    """slack_sdk."""
    made = SignatureVerifier(TEXT).generate_signature(timestamp=str(NOW), body=BODY)
    return Sent(headers={"X-Slack-Signature": str(made), "X-Slack-Request-Timestamp": str(NOW)})


def shopify(url: str) -> Sent:
    """shopify.dev, verify the webhook."""
    return Sent(headers={"X-Shopify-Hmac-SHA256": b64(hmac_of(BODY)), "X-Shopify-Webhook-Id": "w-1"})


def standard(url: str) -> Sent:
    """standardwebhooks."""
    made = standardwebhooks.Webhook(WHSEC).sign("msg_1", WHEN, BODY.decode())
    return Sent(
        headers={"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": made},
        secret=WHSEC,
    )


def standard_v1a(url: str) -> Sent:
    """The specification's asymmetric scheme, by PyNaCl."""
    made = b64(PAIR.sign(f"msg_2.{NOW}.".encode() + BODY).signature)
    signed = {"webhook-id": "msg_2", "webhook-timestamp": str(NOW), "webhook-signature": f"v1a,{made}"}
    return Sent(headers=signed, secret=PUBLIC)


def svix(url: str) -> Sent:
    """svix."""
    made = SvixWebhook(WHSEC).sign("msg_1", WHEN, BODY.decode())
    return Sent(
        headers={"svix-id": "msg_1", "svix-timestamp": str(NOW), "svix-signature": made}, secret=WHSEC
    )


def gitlab(url: str) -> Sent:
    """With a signing token: Standard Webhooks, whose id is the Idempotency-Key."""
    sent = standard(url)
    return Sent(
        headers={**sent.headers, "Idempotency-Key": "msg_1", "X-Gitlab-Event": "Push Hook"}, secret=WHSEC
    )


def gitlab_token(url: str) -> Sent:
    """With a secret token, which the header carries."""
    return Sent(headers={"X-Gitlab-Token": TEXT, "X-Gitlab-Event-UUID": "u-1"})


def bitbucket(url: str) -> Sent:
    """Atlassian, secure webhooks."""
    return Sent(headers={"X-Hub-Signature": "sha256=" + hmac_of(BODY).hex(), "X-Request-UUID": "u-1"})


def twilio_form(url: str) -> Sent:
    """twilio, with a form."""
    form = {"From": "+14158675309", "Body": "hé llo", "To": "+1"}
    made = RequestValidator(TEXT).compute_signature(url, form)
    headers = {"X-Twilio-Signature": made, "Content-Type": FORM, "I-Twilio-Idempotency-Token": "t-1"}
    return Sent(headers=headers, body=urlencode(form).encode())


def twilio_json(url: str) -> Sent:
    """twilio, with JSON: the digest stands in the URL."""
    query = f"bodySHA256={hashlib.sha256(BODY).hexdigest()}"
    made = RequestValidator(TEXT).compute_signature(f"{url}?{query}", {})
    return Sent(headers={"X-Twilio-Signature": made, "I-Twilio-Idempotency-Token": "t-2"}, query=query)


def discord(url: str) -> Sent:
    """PyNaCl, as discord.com's example does it."""
    made = PAIR.sign(str(NOW).encode() + BODY).signature.hex()
    signed = {"X-Signature-Ed25519": made, "X-Signature-Timestamp": str(NOW)}
    return Sent(headers=signed, secret=bytes(PAIR.verify_key).hex())


def meta(url: str) -> Sent:
    """developers.facebook.com, validating payloads."""
    body = b'{"object":"page","entry":[{"id":"1","time":1700000000},{"id":"2","time":1700000001}]}'
    return Sent(headers={"X-Hub-Signature-256": "sha256=" + hmac_of(body).hex()}, body=body)


def zoom(url: str) -> Sent:
    """developers.zoom.us, verify webhook events."""
    made = "v0=" + hmac_of(f"v0:{NOW}:", BODY).hex()
    return Sent(headers={"x-zm-signature": made, "x-zm-request-timestamp": str(NOW)})


def hubspot(url: str) -> Sent:
    """developers.hubspot.com, validating requests, v3."""
    made = b64(hmac_of("POST", url, BODY, f"{NOW}000"))
    return Sent(headers={"X-HubSpot-Signature-v3": made, "X-HubSpot-Request-Timestamp": f"{NOW}000"})


def pagerduty(url: str) -> Sent:
    """developer.pagerduty.com, verifying signatures; an old secret's stands first."""
    return Sent(headers={"X-PagerDuty-Signature": f"v1={'0' * 64},v1={hmac_of(BODY).hex()}"})


def rfc9421(url: str) -> Sent:
    """RFC 9421, section 2.5, written out."""
    content = "sha-256=:" + b64(hashlib.sha256(BODY).digest()) + ":"
    names = '("@method" "@target-uri" "content-digest")'
    parameters = f'{names};created={NOW};keyid="k";alg="hmac-sha256"'
    lines = [
        '"@method": POST',
        f'"@target-uri": {url}',
        f'"content-digest": {content}',
        f'"@signature-params": {parameters}',
    ]
    made = "sig1=:" + b64(hmac_of("\n".join(lines))) + ":"
    return Sent(
        headers={"Content-Digest": content, "Signature-Input": f"sig1={parameters}", "Signature": made}
    )


def sns(url: str) -> Sent:
    """A notification, signed with the certificate that the test hands out."""
    return Sent(
        headers={"x-amz-sns-message-type": "Notification"},
        body=json.dumps(message(TopicArn=SNS_TOPIC)).encode(),
    )


def graph(url: str) -> Sent:
    """learn.microsoft.com, change notifications."""
    return Sent(headers={}, body=b'{"value":[{"clientState":"client-state","changeType":"updated"}]}')


def cloudevents(made: Callable[..., Any], identifier: str) -> Sent:
    """cloudevents, in the mode that `made` writes."""
    from cloudevents.core.v1.event import CloudEvent

    attributes = {
        "id": identifier,
        "source": "/s",
        "type": "t",
        "specversion": "1.0",
        "datacontenttype": "application/json",
    }
    written = made(CloudEvent(attributes=attributes, data={"a": 1}))
    return Sent(headers=dict(written.headers), body=bytes(written.body))


# page, how, the delivery
DELIVERIES: Final[tuple[tuple[str, str, Callable[[str], Sent]], ...]] = (
    ("github", "", github), ("stripe", "", stripe_), ("slack", "", slack), ("shopify", "", shopify),
    ("standard-webhooks", "v1", standard), ("standard-webhooks", "v1a", standard_v1a), ("svix", "", svix),
    ("gitlab", "signed", gitlab), ("gitlab", "token", gitlab_token), ("bitbucket", "", bitbucket),
    ("twilio", "form", twilio_form), ("twilio", "json", twilio_json), ("discord", "", discord), ("meta", "", meta),
    ("zoom", "", zoom), ("hubspot", "", hubspot), ("pagerduty", "", pagerduty), ("rfc9421", "", rfc9421),
    ("sns", "", sns), ("graph", "", graph),
    ("cloudevents", "binary", lambda url: cloudevents(to_binary_event, "1")),
    ("cloudevents", "structured", lambda url: cloudevents(to_structured_event, "2")),
)  # fmt: skip
