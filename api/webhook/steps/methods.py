"""Which methods start the flow, and what OPTIONS answers."""

from hookledger.api.http import HttpResponse
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.refusal import Answered, Refused
from hookledger.runtime.triggers.webhook import WebhookSettings
from hookledger.runtime.triggers.webhook.admission.cors import is_preflight, preflight


class Methods:
    """405 with `Allow` for every other method.

    OPTIONS is a browser's preflight, a CloudEvents handshake, or a question that `Allow` answers; it starts nothing.
    HEAD starts nothing unless the author lists it: link checkers send it.
    """

    name = "methods"

    def __init__(self, settings: WebhookSettings) -> None:
        self._allowed = frozenset(settings.methods)
        self._cors = settings.cors
        self._agrees = bool(settings.handshakes)
        self._allow = ", ".join((*settings.methods, "OPTIONS"))

    async def __call__(self, exchange: Exchange) -> None:
        method = exchange.request.method
        if method in self._allowed:
            return
        if method != "OPTIONS":
            raise self.refusal(f"method {method[:20]}")
        if not self._options(exchange):
            raise Answered(HttpResponse(status=204, headers=(("Allow", self._allow),)), "options")

    def refusal(self, reason: str) -> Refused:
        """405 with what is allowed."""
        return Refused(405, "method-not-allowed", reason, headers={"Allow": self._allow})

    def _options(self, exchange: Exchange) -> bool:
        request = exchange.request
        if self._cors is not None and is_preflight("OPTIONS", request.headers):
            lines = preflight(self._cors, request.header("origin"))
            raise Answered(HttpResponse(status=204, headers=tuple(lines)), "preflight")
        return self._agrees and request.header("webhook-request-origin") is not None


class NoBareOptions:
    """A handshake by OPTIONS that nobody agreed to is not allowed after all."""

    name = "options"

    def __init__(self, methods: Methods) -> None:
        self._methods = methods

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.request.method == "OPTIONS":
            raise self._methods.refusal("no handshake")
