"""The table of senders. Sources are each sender's own documentation of its signatures.

A preset is only data: whatever it does can also be written as a generic
scheme, except TWILIO and RFC9421, which sign more than a template can say.
"""

from msgspec.structs import replace

from hookledger.runtime.triggers.webhook.signatures.model import DedupSource, SecretEncoding
from hookledger.runtime.triggers.webhook.signatures.recipe import Family, Kind, Recipe, UrlRule, recipe

APP_SECRET = "the secret set at the sender, as text"
WHSEC = "`whsec_` + base64 (symmetric) or `whpk_` + base64 (Ed25519 public key)"


def _header(name: str) -> DedupSource:
    return DedupSource(header=name)


def _body(*path: str) -> DedupSource:
    return DedupSource(body=path)


def _standard(preset: str, *vendors: str) -> Recipe:
    """Standard Webhooks 1.0.0; `v1` is HMAC-SHA256, `v1a` Ed25519. Vendors may rename the headers."""
    families = tuple(
        Family(signature=(f"{name}-signature",), timestamp=f"{name}-timestamp", id=f"{name}-id")
        for name in vendors
    )
    row = recipe(
        preset, "unused", format="VERSIONED_LIST", prefix="v1", encoding="BASE64",
        payload="{id}.{timestamp}.{body}", secret_encoding=SecretEncoding.WHSEC,
        dedup=_header(f"{vendors[0]}-id"), secret_form=WHSEC,
    )  # fmt: skip
    return replace(row, families=families)


def _prefixed(preset: str, header: str, dedup: DedupSource, **more: object) -> Recipe:
    return recipe(
        preset, header, format="PREFIXED", prefix="sha256=", dedup=dedup, secret_form=APP_SECRET, **more
    )


def _base64(preset: str, header: str | tuple[str, ...], dedup: DedupSource, **more: object) -> Recipe:
    return recipe(preset, header, encoding="BASE64", dedup=dedup, secret_form=APP_SECRET, **more)


def _hex(preset: str, header: str, dedup: DedupSource, **more: object) -> Recipe:
    return recipe(preset, header, dedup=dedup, secret_form=APP_SECRET, **more)


def _v0(preset: str, header: str, timestamp: str, dedup: DedupSource, prefix: str = "v0=") -> Recipe:
    return recipe(
        preset, header, timestamp=timestamp, format="PREFIXED" if prefix else "PLAIN", prefix=prefix,
        payload="v0:{timestamp}:{body}", dedup=dedup, secret_form=APP_SECRET,
    )  # fmt: skip


_ROWS = (
    _prefixed("GITHUB", "X-Hub-Signature-256", _header("X-GitHub-Delivery")),
    _prefixed("META", "X-Hub-Signature-256", DedupSource()),
    _prefixed("BITBUCKET", "X-Hub-Signature", _header("X-Request-UUID")),
    _prefixed("FORMSTACK", "X-FS-Signature", DedupSource()),
    _hex("GITEA", "X-Gitea-Signature", _header("X-Gitea-Delivery")),
    _hex("LINEAR", "Linear-Signature", _header("Linear-Delivery")),
    _hex("CAL", "X-Cal-Signature-256", DedupSource()),
    _hex("CONVOY", "X-Convoy-Signature", DedupSource()),
    recipe(
        "ONFLEET", "X-Onfleet-Signature", algorithm="SHA512", secret_encoding="HEX",
        secret_form="the webhook secret, hex",
    ),
    _base64("SHOPIFY", "X-Shopify-Hmac-SHA256", _header("X-Shopify-Webhook-Id")),
    _base64(
        "HOOKDECK", ("X-Hookdeck-Signature", "X-Hookdeck-Signature-2"), _header("X-Hookdeck-Eventid")
    ),
    _base64(
        "ZENDESK", "X-Zendesk-Webhook-Signature", _header("X-Zendesk-Webhook-Invocation-Id"),
        timestamp="X-Zendesk-Webhook-Signature-Timestamp", timestamp_unit="AUTO", written_unit="ISO8601",
        payload="{timestamp}{body}",
    ),
    _base64(
        "HUBSPOT", "X-HubSpot-Signature-v3", _body("eventId"), timestamp="X-HubSpot-Request-Timestamp",
        timestamp_unit="MILLIS", payload="{method}{url}{body}{timestamp}", url_rule=UrlRule.HUBSPOT,
    ),
    recipe(
        "STRIPE", "Stripe-Signature", format="PAIRS", prefix="v1", payload="{timestamp}.{body}",
        dedup=_body("id"), secret_form="the whole endpoint secret including `whsec_`, as text",
    ),
    recipe(
        "PAGERDUTY", "X-PagerDuty-Signature", format="PAIRS", prefix="v1", dedup=_body("event", "id"),
        secret_form=APP_SECRET,
    ),
    _v0("SLACK", "X-Slack-Signature", "X-Slack-Request-Timestamp", _body("event_id")),
    _v0("ZOOM", "x-zm-signature", "x-zm-request-timestamp", DedupSource()),
    _v0("CUSTOMER_IO", "X-CIO-Signature", "X-CIO-Timestamp", DedupSource(), prefix=""),
    recipe(
        "DISCORD", "X-Signature-Ed25519", timestamp="X-Signature-Timestamp", algorithm="ED25519",
        payload="{timestamp}{body}", secret_encoding="HEX", dedup=_body("id"),
        secret_form="the application's public key, 64 hex digits",
    ),
    recipe(
        "GITLAB_TOKEN", "X-Gitlab-Token", algorithm="TOKEN", dedup=_header("X-Gitlab-Event-UUID"),
        secret_form="the secret token, as text",
    ),
    _standard("STANDARD_WEBHOOKS", "webhook"),
    _standard("SVIX", "svix", "webhook"),
    _standard("GITLAB", "webhook"),
    recipe(
        "TWILIO", "X-Twilio-Signature", kind=Kind.TWILIO, algorithm="SHA1", encoding="BASE64",
        dedup=_header("I-Twilio-Idempotency-Token"), secret_form="the auth token, or the shared key's secret",
    ),
    recipe(
        "RFC9421", "Signature", kind=Kind.RFC9421,
        secret_form="the shared secret as text (or `secretEncoding: BASE64`); or a PEM or JWK public key",
    ),
)  # fmt: skip

PRESETS: dict[str, Recipe] = {row.preset: row for row in _ROWS}
