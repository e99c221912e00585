"""The pages for senders: every flow loads, and a delivery made as the sender makes it is accepted."""

import re
from pathlib import Path

import pytest

from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.triggers.webhook import WebhookSettings, WebhookSource
from hookledger.runtime.triggers.webhook.signatures import Draft, sign

from .house import HOOK, Clock, open_house

PAGES = Path(__file__).parents[3] / "docs" / "webhooks"
SENDERS = sorted(page.stem for page in PAGES.glob("*.md") if page.stem not in ("README", "signatures"))
SEED = bytes(range(32)).hex()
PUBLIC = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = {"HOOK_KEY": "hook-key", "VERIFY_TOKEN": "verify-token", "CLIENT_STATE": "client-state"}
BODY = b'{"id":"evt_1","entry":[{"id":"page"}],"value":[{"clientState":"client-state"}],"event":{"id":"e"}}'
HEADERS = {
    "github": {"X-GitHub-Event": "push"},
    "cloudevents": {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"},
}


def source_of(page: str) -> str:
    """The flow of a page."""
    (found,) = re.findall(r"```yaml\n(id: .*?)```", (PAGES / f"{page}.md").read_text(), re.DOTALL)
    return str(found)


@pytest.mark.parametrize("page", [page for page in SENDERS if page != "sns"])
async def test_the_flow_of_a_page_works_as_it_stands(tmp_path: Path, page: str) -> None:
    """
    The flow is served unchanged; a delivery signed as the page's sender signs is accepted, one more byte is not.
    """
    source = source_of(page)
    settings = parse_flow(source).triggers[0].settings
    assert isinstance(settings, WebhookSettings)
    preset = settings.signature.scheme.recipe.preset if settings.signature else ""
    signing = SEED if preset == "DISCORD" else WHSEC
    known = {**SECRETS, "SENDER_SECRET": PUBLIC if preset == "DISCORD" else WHSEC}
    async with open_house(tmp_path, source, secrets=known, clock=Clock()) as house:
        path = f"{HOOK}/company.team/{page}/hook-key"
        headers = {"Content-Type": "application/json", **HEADERS.get(page, {})}
        if settings.signature is not None:
            base = settings.public_url or str(house.client.base_url).rstrip("/")
            draft = Draft(
                body=BODY, now=1_700_000_000, url=base + path, headers=(("Content-Type", "application/json"),)
            )
            made = sign(settings.signature.scheme, signing, draft)
            headers |= dict(made.headers)
            path += f"?{made.url.partition('?')[2]}" if "?" in made.url else ""
        accepted = await house.client.post(path, content=BODY, headers=headers)
        assert accepted.status_code == 200, accepted.text
        if settings.signature is not None:
            assert (await house.client.post(path, content=BODY + b" ", headers=headers)).status_code == 401


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
