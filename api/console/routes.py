"""Every page of the console, in one table: like the API's, below `/ui/main`, for people with a session."""

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.html import Draw
from hookledger.api.http import HttpResponse
from hookledger.api.route import Route
from hookledger.api.webhook.handler import WebhookHandler


def console_routes(engine: Engine, webhook: WebhookHandler, draw: Draw) -> list[Route]:
    """The table."""

    async def home(call: Call) -> HttpResponse:
        return draw("home.html", who=call.identity, csrf=call.csrf)

    return [Route("GET", "/", home)]
