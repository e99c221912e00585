"""What every page is made from."""

import msgspec

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.console.pages import Pages
from hookledger.api.webhook.handler import WebhookHandler


class ConsoleDesk(msgspec.Struct, frozen=True, kw_only=True):
    """The engine, the webhooks, and what draws."""

    engine: Engine
    webhook: WebhookHandler
    pages: Pages

    @property
    def now(self) -> int:
        """The journal's time, microseconds."""
        return self.engine.journal.clock.now()

    def address(self, call: Call) -> str:
        """Where senders reach this server: as configured, else as this browser reaches it."""
        host = call.request.header("host") or "localhost"
        return self.webhook.public_url.rstrip("/") or f"{call.request.scheme}://{host}"
