"""Every page of the console, in one table: like the API's, below `/ui/main`, for people with a session."""

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.console.flow_routes import flow_routes
from hookledger.api.console.live import live
from hookledger.api.console.pages import Pages
from hookledger.api.console.run_routes import run_routes
from hookledger.api.http import HttpResponse
from hookledger.api.identity.guard import Guard
from hookledger.api.route import Route
from hookledger.api.webhook.handler import WebhookHandler


def console_routes(engine: Engine, webhook: WebhookHandler, guard: Guard, pages: Pages) -> list[Route]:
    """The table."""

    async def changes(call: Call) -> HttpResponse:
        return await live(engine, (call.query.get("execution") or [""])[0])

    return [
        Route("GET", "/live", changes),
        *run_routes(engine, webhook, guard, pages),
        *flow_routes(engine, webhook, pages),
    ]
