"""The senders' own libraries as judges: they check what we sign, we check what they sign."""

import warnings
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
import standardwebhooks
import stripe
from nacl.signing import SigningKey, VerifyKey
from slack_sdk.signature import Clock, SignatureVerifier
from twilio.request_validator import (  # type: ignore[import-untyped]
    RequestValidator,  # pyright: ignore[reportMissingTypeStubs]
)

from hookledger.runtime.triggers.webhook.signatures import Draft, Scheme, parse_signature, sign

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations inside the library's own models
    from svix.webhooks import Webhook as SvixWebhook

BODY = b'{"id":"evt_1","object":"event","data":{}}'
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://example.com/hook"


def scheme_of(preset: str) -> Scheme:
    """Return a preset's scheme."""
    scheme = parse_signature({"preset": preset, "secret": "x"}).scheme
    assert scheme is not None
    return scheme


def accepts(preset: str, headers: Any, secret: str, now: float, body: bytes = BODY, url: str = URL) -> bool:
    """Run one whole check."""
    scheme = scheme_of(preset)
    return scheme.check(body, method="POST", url=url, headers=headers, now=now, secrets=[secret]).accepted


@pytest.fixture
def now() -> int:
    """The libraries read the clock themselves."""
    return int(datetime.now(UTC).timestamp())


def test_standardwebhooks(now: int) -> None:
    """
    standardwebhooks verifies our signature and makes one that we accept.
    """
    library = standardwebhooks.Webhook(WHSEC)
    made = sign(scheme_of("STANDARD_WEBHOOKS"), WHSEC, Draft(body=BODY, now=now))
    assert library.verify(BODY, dict(made.headers))
    theirs = library.sign("msg_9", datetime.fromtimestamp(now, tz=UTC), BODY.decode())
    headers = [("webhook-id", "msg_9"), ("webhook-timestamp", str(now)), ("webhook-signature", theirs)]
    assert accepts("STANDARD_WEBHOOKS", headers, WHSEC, now)


def test_svix(now: int) -> None:
    """
    svix verifies our signature and makes one that we accept.
    """
    library = SvixWebhook(WHSEC)
    made = sign(scheme_of("SVIX"), WHSEC, Draft(body=BODY, now=now))
    library.verify(BODY, dict(made.headers))  # raises when it does not agree
    theirs = library.sign("msg_9", datetime.fromtimestamp(now, tz=UTC), BODY.decode())
    headers = [("svix-id", "msg_9"), ("svix-timestamp", str(now)), ("svix-signature", theirs)]
    assert accepts("SVIX", headers, WHSEC, now)


def test_stripe(now: int) -> None:
    """
    stripe verifies our header and its own computation fits ours.
    """
    made = dict(sign(scheme_of("STRIPE"), "whsec_abc", Draft(body=BODY, now=now)).headers)["Stripe-Signature"]
    library: Any = stripe.WebhookSignature
    assert library.verify_header(BODY.decode(), made, "whsec_abc", 300)
    theirs = library._compute_signature(f"{now}.{BODY.decode()}", "whsec_abc")
    assert accepts("STRIPE", [("Stripe-Signature", f"t={now},v1={theirs}")], "whsec_abc", now)


def test_slack(now: int) -> None:
    """
    slack_sdk verifies our signature and makes one that we accept.
    """
    library = SignatureVerifier("slack-secret", Clock())
    made = dict(sign(scheme_of("SLACK"), "slack-secret", Draft(body=BODY, now=now)).headers)
    assert library.is_valid_request(BODY, made)
    theirs = library.generate_signature(timestamp=str(now), body=BODY)
    assert theirs is not None
    headers = [("X-Slack-Signature", theirs), ("X-Slack-Request-Timestamp", str(now))]
    assert accepts("SLACK", headers, "slack-secret", now)


@pytest.mark.parametrize("url", ["https://example.com/hook?a=1", "https://example.com:443/hook?a=1"])
def test_twilio_forms(url: str) -> None:
    """
    twilio verifies our form signature and makes one that we accept, whatever the port's spelling.
    """
    form = {"To": "+1", "From": "ä &=", "Empty": ""}
    body = urlencode(form).encode()
    library: Any = RequestValidator("12345")
    content = ("Content-Type", "application/x-www-form-urlencoded")
    made = sign(scheme_of("TWILIO"), "12345", Draft(body=body, now=0, url=url, headers=(content,)))
    assert library.validate(url, form, dict(made.headers)["X-Twilio-Signature"])
    theirs = [content, ("X-Twilio-Signature", library.compute_signature(url, form))]
    assert accepts("TWILIO", theirs, "12345", 0, body, "https://example.com/hook?a=1")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("signed", ["", ":8443", ":443", ":80"])
@pytest.mark.parametrize("called", ["", ":8443"])
def test_twilio_signs_with_the_port_or_without(scheme: str, signed: str, called: str) -> None:
    """
    We accept what twilio's own validator accepts, for every port and its absence.
    """
    library = RequestValidator("12345")
    signature = library.compute_signature(f"{scheme}://h.example{signed}/hook", {})
    url = f"{scheme}://h.example{called}/hook"
    accepted = accepts("TWILIO", [("X-Twilio-Signature", signature)], "12345", 0, b"", url)
    assert accepted == library.validate(url, {}, signature)


def test_twilio_json() -> None:
    """
    twilio verifies our URL with bodySHA256 and its signature.
    """
    library: Any = RequestValidator("12345")
    content = ("Content-Type", "application/json")
    made = sign(scheme_of("TWILIO"), "12345", Draft(body=BODY, now=0, url=URL, headers=(content,)))
    assert library.validate(made.url, BODY.decode(), dict(made.headers)["X-Twilio-Signature"])


def test_ed25519_by_nacl(now: int) -> None:
    """
    PyNaCl, which Discord's own helper uses, verifies our signature and makes one that we accept.
    """
    key = SigningKey(bytes(range(32)))
    made = dict(sign(scheme_of("DISCORD"), bytes(range(32)).hex(), Draft(body=BODY, now=now)).headers)
    message = made["X-Signature-Timestamp"].encode() + BODY
    VerifyKey(bytes(key.verify_key)).verify(message, bytes.fromhex(made["X-Signature-Ed25519"]))
    theirs = key.sign(str(now).encode() + BODY).signature.hex()
    headers = [("X-Signature-Ed25519", theirs), ("X-Signature-Timestamp", str(now))]
    assert accepts("DISCORD", headers, bytes(key.verify_key).hex(), now)
