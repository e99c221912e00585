"""Every page of the console, in one table: like the API's, below `/ui/main`, for people with a session."""

from functools import partial

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.console.flows.routes import flow_routes
from hookledger.api.console.live import live
from hookledger.api.console.pages import Pages
from hookledger.api.console.route import PageRoute
from hookledger.api.console.runs.routes import run_routes
from hookledger.api.http import HttpResponse
from hookledger.api.identity.guard import Guard
from hookledger.api.webhook.handler import WebhookHandler


def console_routes(engine: Engine, webhook: WebhookHandler, guard: Guard, pages: Pages) -> list[PageRoute]:
    """The table."""
    return [
        PageRoute("GET", "/live", partial(_live, engine)),
        *flow_routes(engine, webhook, pages),
        *run_routes(engine, webhook, guard, pages),
    ]


async def _live(engine: Engine, call: Call) -> HttpResponse:
    return await live(engine, (call.query.get("execution") or [""])[0])
