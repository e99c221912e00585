"""What `hookledger serve` prints once it listens: the address, ready curl lines, where the credentials are."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookledger.api.webhook.route import is_literal, rendered_key, webhook_path
from hookledger.runtime.triggers.webhook import WebhookSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hookledger.actors.engine import Engine
    from hookledger.actors.flows import Revision
    from hookledger.api.config import Config
    from hookledger.api.identity.users import First
    from hookledger.runtime.flow.model import Trigger


def banner(engine: "Engine", config: "Config", first: "First", bound: "Sequence[str]") -> Iterator[str]:
    """Yield the lines."""
    listening = bound[0] if bound else ""
    address = config.server.public_url.rstrip("/") or listening
    yield ""
    yield f"Hookledger listens on {listening}   (journal: {config.data})"
    if address != listening:
        yield f"The world reaches it at {address}"
    yield from _webhooks(engine, address)
    yield ""
    yield f"Console: {address}/ui/main/"
    yield from _credentials(first, address)
    yield "Ctrl-C stops it."


def webhook_url(address: str, namespace: str, flow_id: str, key: str) -> str:
    """The URL of a webhook."""
    return address + webhook_path(namespace, flow_id, key)


def _webhooks(engine: "Engine", address: str) -> Iterator[str]:
    lines: list[str] = []
    for revision in engine.flows:
        if revision.flow is None:
            lines += [f"{revision.registered.namespace}/{revision.registered.flow}: does not parse any more"]
            continue
        for trigger in revision.flow.triggers:
            if isinstance(trigger.settings, WebhookSettings):
                lines += [f"{revision.flow.name} ({trigger.id})"]
                lines += [f"    {line}" for line in _try_it(engine, revision, trigger, address)]
    yield ""
    yield from lines or ["No webhooks yet: put a flow with a Webhook trigger into the flows directory."]


def _try_it(engine: "Engine", revision: "Revision", trigger: "Trigger", address: str) -> Iterator[str]:
    """A line that reaches the webhook: plain curl where that is enough, else the command that makes the line.

    What is printed here ends up in some log, so no secret, no signature and no key made from a secret stands in it.
    """
    settings, registered = trigger.settings, revision.registered
    assert revision.flow is not None
    open_key = is_literal(settings.key)
    key = rendered_key(engine, revision.flow, trigger, settings) if open_key else None
    url = webhook_url(address, registered.namespace, registered.flow, key or "KEY")
    if open_key and settings.signature is None and not settings.authentication:
        yield f"curl {shlex.quote(url)}"
        return
    yield url
    file = registered.file or f"{registered.flow}.yaml"
    yield shlex.join([_program(), "webhook", "curl", file, "--trigger", trigger.id, "--address", address])


def _program() -> str:
    """What was typed to start this, such as `.venv/bin/hookledger` in a clone: the printed line can be pasted."""
    typed = sys.argv[0]
    return typed if typed.endswith("/hookledger") and not shutil.which("hookledger") else "hookledger"


def _credentials(first: "First", address: str) -> Iterator[str]:
    user = first.user.name
    if first.generated:
        yield f"API user {user}, password {first.generated}   (shown until somebody has logged in with it)"
    else:
        yield f"API user {user}, password as in {first.origin}   (`hookledger user reset` makes a new one)"
    yield f"    curl -u {shlex.quote(user)} {shlex.quote(f'{address}/api/v1/main/executions/search')}"
