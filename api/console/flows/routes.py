"""The pages of flows and deliveries, in one table."""

from collections.abc import Awaitable, Callable

from hookledger.actors.engine import Engine
from hookledger.actors.errors import FlowUnknown
from hookledger.api.call import Call
from hookledger.api.console.flows.base import Desk
from hookledger.api.console.flows.deliveries import delivery_page, send_again
from hookledger.api.console.flows.editor import create, new_page, source_page, update
from hookledger.api.console.flows.execute import curl, execute, execute_page
from hookledger.api.console.flows.list import flow_list
from hookledger.api.console.flows.pages import executions, overview, remove
from hookledger.api.console.flows.revisions import restore, revisions_page
from hookledger.api.console.flows.triggers import send_test, triggers_page
from hookledger.api.console.pages import Pages
from hookledger.api.console.route import PageRoute
from hookledger.api.http import HttpResponse
from hookledger.api.permissions import Permission
from hookledger.api.webhook.handler import WebhookHandler

Page = Callable[[Desk, Call], Awaitable[HttpResponse]]

_FLOW = "/flows/<namespace>/<flow>"
_TABLE: tuple[tuple[str, str, Page, Permission], ...] = (
    ("GET", "/flows", flow_list, Permission.READ),
    ("GET", "/flows/new", new_page, Permission.EDIT),
    ("POST", "/flows/new", create, Permission.EDIT),
    ("GET", _FLOW, overview, Permission.READ),
    ("POST", f"{_FLOW}/remove", remove, Permission.EDIT),
    ("GET", f"{_FLOW}/source", source_page, Permission.READ),
    ("POST", f"{_FLOW}/source", update, Permission.EDIT),
    ("GET", f"{_FLOW}/triggers", triggers_page, Permission.READ),
    ("POST", f"{_FLOW}/triggers/<trigger>/test", send_test, Permission.OPERATE),
    ("GET", f"{_FLOW}/executions", executions, Permission.READ),
    ("GET", f"{_FLOW}/revisions", revisions_page, Permission.READ),
    ("POST", f"{_FLOW}/revisions/<number>/restore", restore, Permission.EDIT),
    ("GET", f"{_FLOW}/execute", execute_page, Permission.OPERATE),
    ("POST", f"{_FLOW}/execute", execute, Permission.OPERATE),
    ("POST", f"{_FLOW}/curl", curl, Permission.OPERATE),
    ("GET", "/deliveries/<delivery>", delivery_page, Permission.READ),
    ("POST", "/deliveries/<delivery>/replay", send_again, Permission.OPERATE),
)


def flow_routes(engine: Engine, webhook: WebhookHandler, pages: Pages) -> list[PageRoute]:
    """The table of this part of the console, below `/ui/main`."""
    desk = Desk(engine=engine, webhook=webhook, pages=pages)
    return [PageRoute(method, path, _handler(desk, page), needs) for method, path, page, needs in _TABLE]


def _handler(desk: Desk, page: Page) -> Callable[[Call], Awaitable[HttpResponse]]:
    async def handler(call: Call) -> HttpResponse:
        try:
            return await page(desk, call)
        except FlowUnknown:
            name = f"{call.path['namespace']}/{call.path['flow']}"
            return desk.missing(call, f"flow {name[:120]}")

    return handler
