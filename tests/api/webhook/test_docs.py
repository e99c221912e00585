"""The pages for senders: every flow loads, and a delivery made as the sender makes it is accepted."""

import re
from pathlib import Path
from typing import Any

import httpx

from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.triggers.webhook import WebhookSettings, WebhookSource

from ...runtime.triggers.webhook.handshakes.test_sns import PEM  # noqa: TID252
from ...runtime.triggers.webhook.handshakes.test_sns import URL as SNS_URL  # noqa: TID252
from .house import HOOK, Clock, open_house
from .senders import DELIVERIES, NOW, PAIR, TEXT, hmac_of

PAGES = Path(__file__).parents[3] / "docs" / "webhooks"
SENDERS = sorted(page.stem for page in PAGES.glob("*.md") if page.stem not in ("README", "signatures"))
SECRETS = {"HOOK_KEY": "hook-key", "VERIFY_TOKEN": "verify-token", "CLIENT_STATE": "client-state"}
PRESETS = {
    "GITHUB", "STRIPE", "SLACK", "SHOPIFY", "STANDARD_WEBHOOKS", "SVIX", "GITLAB", "BITBUCKET", "TWILIO", "DISCORD",
    "META", "ZOOM", "HUBSPOT", "PAGERDUTY", "RFC9421",
}  # fmt: skip


def source_of(page: str) -> str:
    """The flow of a page."""
    (found,) = re.findall(r"```yaml\n(id: .*?)```", (PAGES / f"{page}.md").read_text(), re.DOTALL)
    return str(found)


def webhook_of(source: str) -> WebhookSettings:
    """The settings of a flow's webhook."""
    settings = parse_flow(source).triggers[0].settings
    assert isinstance(settings, WebhookSettings)
    return settings


def started(answer: httpx.Response) -> list[str]:
    """The executions an answer names: one, or one for each item of a batch."""
    told = answer.json()
    return [one["id"] for one in told] if isinstance(told, list) else [told["id"]]


async def no_fetch(url: str) -> bytes:
    """Only Amazon's certificate may be asked for, and is there."""
    assert url == SNS_URL
    return PEM


async def test_the_flows_of_the_pages_work_as_they_stand(tmp_path: Path) -> None:
    """
    Every page's flow, served unchanged, accepts what its sender's own library or documentation signs, gives a
    repetition the first answer where the page says so, and refuses the delivery once a byte of it is another.
    """
    sources = [source_of(page) for page in SENDERS]
    settings = {page: webhook_of(source) for page, source in zip(SENDERS, sources, strict=True)}
    services = {"fetch": no_fetch}
    async with open_house(tmp_path, *sources, secrets=SECRETS, clock=Clock(), services=services) as house:
        for page, how, make in DELIVERIES:
            path = f"{HOOK}/company.team/{page}/hook-key"
            base = settings[page].public_url or str(house.client.base_url).rstrip("/")
            sent = make(base + path)
            house.secrets["SENDER_SECRET"] = sent.secret
            url = f"{path}?{sent.query}" if sent.query else path
            headers = httpx.Headers({"Content-Type": "application/json"})
            headers.update(sent.headers)
            accepted = await house.client.post(url, content=sent.body, headers=headers)
            assert accepted.status_code == 200, (page, how, accepted.text)
            again = await house.client.post(url, content=sent.body, headers=headers)
            known = settings[page].deduplication is not None
            assert (again.headers.get("idempotency-replayed") == "true") == known, (page, how)
            assert (started(again) == started(accepted)) == known, (page, how)
            if settings[page].signature is not None and how != "token":
                altered = await house.client.post(url, content=sent.body + b" ", headers=headers)
                assert altered.status_code == 401, (page, how)
            if settings[page].signature is not None:
                bare = await house.client.post(url, content=sent.body, headers={"Content-Type": "text/plain"})
                assert bare.status_code == 401, (page, how)


async def test_the_questions_of_the_pages_are_answered(tmp_path: Path) -> None:
    """
    Ping and validation, as the pages promise: GitHub 204, Meta, Graph and CloudEvents their handshake, Slack, Discord
    and Zoom by themselves; none of them starts anything.
    """
    pages = ("github", "meta", "graph", "cloudevents", "slack", "discord", "zoom")
    async with open_house(tmp_path, *(source_of(page) for page in pages), secrets=SECRETS) as house:

        async def ask(page: str, method: str = "POST", tail: str = "", **more: Any) -> httpx.Response:
            return await house.client.request(method, f"{HOOK}/company.team/{page}/hook-key{tail}", **more)

        house.secrets["SENDER_SECRET"] = TEXT
        body = b'{"zen":"x"}'
        signed = {"X-Hub-Signature-256": "sha256=" + hmac_of(body).hex(), "X-GitHub-Event": "ping"}
        assert (await ask("github", content=body, headers=signed)).status_code == 204
        query = {"hub.mode": "subscribe", "hub.challenge": "115", "hub.verify_token": "verify-token"}
        assert (await ask("meta", "GET", params=query)).text == "115"
        assert (await ask("meta", "GET", params={**query, "hub.verify_token": "x"})).status_code == 403
        assert (await ask("graph", tail="?validationToken=a%20b")).text == "a b"
        agreed = await ask("cloudevents", "OPTIONS", headers={"WebHook-Request-Origin": "events.example.com"})
        assert agreed.headers["webhook-allowed-origin"] == "events.example.com"
        body = b'{"type":"url_verification","challenge":"c-1"}'
        signed = {"X-Slack-Request-Timestamp": str(NOW)}
        signed["X-Slack-Signature"] = "v0=" + hmac_of(f"v0:{NOW}:", body).hex()
        assert (await ask("slack", content=body, headers=signed)).text == "c-1"
        body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"p-1"}}'
        signed = {
            "x-zm-request-timestamp": str(NOW),
            "x-zm-signature": "v0=" + hmac_of(f"v0:{NOW}:", body).hex(),
        }
        assert (await ask("zoom", content=body, headers=signed)).json()["encryptedToken"] == hmac_of(
            "p-1"
        ).hex()
        house.secrets["SENDER_SECRET"] = bytes(PAIR.verify_key).hex()
        body = b'{"type":1}'
        made = PAIR.sign(str(NOW).encode() + body).signature.hex()
        signed = {"X-Signature-Ed25519": made, "X-Signature-Timestamp": str(NOW)}
        assert (await ask("discord", content=body, headers=signed)).json() == {"type": 1}
        assert house.executions() == []


def test_every_sender_of_ours_has_a_page() -> None:
    """
    Each page has a delivery above, and each preset we promise has a page that uses it.
    """
    assert {page for page, _, _ in DELIVERIES} == set(SENDERS)
    found = {webhook_of(source_of(page)).signature for page in SENDERS}
    assert {one.scheme.recipe.preset for one in found if one is not None} == PRESETS


def test_every_page_is_linked_and_every_flow_loads() -> None:
    """
    The overview links every page; each fenced flow or trigger in the pages is valid without warnings.
    """
    overview = (PAGES / "README.md").read_text()
    assert [page for page in SENDERS if f"({page}.md)" not in overview] == []
    head = "id: f\nnamespace: t\ntasks:\n  - {id: a, type: io.kestra.plugin.core.debug.Return}\n"
    for page in (*SENDERS, "README"):
        for block in re.findall(r"```yaml\n(.*?)```", (PAGES / f"{page}.md").read_text(), re.DOTALL):
            parsed = parse_flow(block if block.startswith("id:") else head + block)
            assert parsed.warnings == ()


def test_every_property_is_described() -> None:
    """
    The overview has a row for every property of the trigger.
    """
    overview = (PAGES / "README.md").read_text()
    missing = [name for name in WebhookSource.__struct_encode_fields__ if f"`{name}`" not in overview]
    assert missing == []
