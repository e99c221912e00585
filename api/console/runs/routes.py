"""The console's routes about executions, beside the dashboard, the audit and the tokens."""

from collections.abc import Awaitable, Callable
from functools import partial

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.console import audit, dashboard, token_pages
from hookledger.api.console.pages import Pages
from hookledger.api.console.route import PageRoute
from hookledger.api.console.runs import tabs
from hookledger.api.console.runs.actions import COMMANDS, act, replay
from hookledger.api.console.runs.base import Desk, Shown, located
from hookledger.api.console.runs.list import executions_list
from hookledger.api.console.runs.overview import overview
from hookledger.api.console.runs.reading import History
from hookledger.api.http import HttpResponse
from hookledger.api.identity.guard import Guard
from hookledger.api.permissions import Permission
from hookledger.api.webhook.handler import WebhookHandler

ONE = "/executions/<namespace>/<flow>/<execution>"
TABS: dict[str, Callable[[Desk, Call, History], Awaitable[HttpResponse]]] = {
    "": overview,
    "timeline": tabs.timeline_tab,
    "topology": tabs.topology_tab,
    "logs": tabs.logs_tab,
    "logs.txt": tabs.logs_file,
    "outputs": tabs.outputs_tab,
    "journal": tabs.journal_tab,
}
CHECKED = frozenset({"journal"})
"""Tabs that verify what they show."""


def run_routes(engine: Engine, webhook: WebhookHandler, guard: Guard, pages: Pages) -> list[PageRoute]:
    """The table."""
    desk = Desk(engine=engine, webhook=webhook, pages=pages)
    return [
        PageRoute("GET", "/", partial(dashboard.dashboard, desk)),
        PageRoute("GET", "/executions", partial(executions_list, desk)),
        PageRoute("GET", "/executions/<execution>", partial(_by_id, desk)),
        *(PageRoute("GET", f"{ONE}/{end}".rstrip("/"), partial(_tab, desk, end)) for end in TABS),
        *(
            PageRoute("POST", f"{ONE}/{action}", partial(_act, desk, action), Permission.OPERATE)
            for action in COMMANDS
        ),
        PageRoute("POST", f"{ONE}/replay", partial(replay, desk), Permission.OPERATE),
        *_administration(engine, guard, pages),
    ]


def _administration(engine: Engine, guard: Guard, pages: Pages) -> list[PageRoute]:
    return [
        PageRoute("GET", "/audit", partial(audit.audit, engine, pages), Permission.AUDIT),
        PageRoute("GET", "/tokens", partial(token_pages.tokens, guard, pages), Permission.ADMINISTER),
        PageRoute("POST", "/tokens", partial(token_pages.issue, guard, pages), Permission.ADMINISTER),
        PageRoute(
            "POST", "/tokens/<token>/revoke", partial(token_pages.revoke, guard, pages), Permission.ADMINISTER
        ),
    ]


async def _by_id(desk: Desk, call: Call) -> HttpResponse:
    """An id alone is enough to find an execution: its own address follows."""
    return await located(desk, call, partial(overview, desk))


async def _tab(desk: Desk, end: str, call: Call) -> HttpResponse:
    show: Shown = partial(TABS[end], desk)
    return await located(desk, call, show, end=end, check=end in CHECKED)


async def _act(desk: Desk, action: str, call: Call) -> HttpResponse:
    return await act(desk, call, action)
