"""Every page of the console with something on it, by its route; the table of routes says which there are."""

from typing import Final

from tests.api.identity.test_roles import PAGES as TABLE

from .house import UI, House
from .seeds import delivery_of, found

ROUTES: Final = [route.path for route in TABLE if route.method == "GET"]
NO_PAGES: Final = frozenset({"/live", "/executions/<namespace>/<flow>/<execution>/logs.txt"})
"""A stream and a file."""
FLOW: Final = "/flows/<namespace>/<flow>"
ONE: Final = "/executions/<namespace>/<flow>/<execution>"
PAGES: Final = {
    "/login": [f"{UI}/login"],
    "/": [f"{UI}/", f"{UI}/?window=24h"],
    "/flows": [f"{UI}/flows", f"{UI}/flows?q=nothing-like-this"],
    "/flows/new": [f"{UI}/flows/new"],
    FLOW: [f"{UI}/flows/shop.orders/new_order"],
    f"{FLOW}/source": [f"{UI}/flows/shop.orders/new_order/source"],
    f"{FLOW}/triggers": [f"{UI}/flows/shop.billing/payment_event/triggers"],
    f"{FLOW}/executions": [f"{UI}/flows/shop.orders/new_order/executions"],
    f"{FLOW}/revisions": [f"{UI}/flows/shop.orders/new_order/revisions"],
    f"{FLOW}/execute": [f"{UI}/flows/ops.deploy/approval/execute"],
    "/executions": [f"{UI}/executions", f"{UI}/executions?text=nothing-like-this"],
    "/audit": [f"{UI}/audit"],
    "/tokens": [f"{UI}/tokens"],
    "no page": [f"{UI}/flows/no.such/flow", f"{UI}/executions/none", "/ui/main/nothing"],
}
"""Those that need no id."""
TABS: Final = tuple(
    route.removeprefix(ONE).strip("/") for route in ROUTES if route.startswith(ONE) and route not in NO_PAGES
)


def places(house: House) -> dict[str, list[str]]:
    """Route to addresses."""
    failed, paused = found(house.data, "hand_over", "FAILED"), found(house.data, "approval", "PAUSED")
    tabs = {f"{ONE}/{tab}".rstrip("/"): [f"{failed}/{tab}".rstrip("/")] for tab in TABS}
    tabs[ONE].append(paused)
    return {
        **PAGES,
        **tabs,
        "/executions/<execution>": [f"{UI}/executions/{failed.rpartition('/')[2]}"],
        "/deliveries/<delivery>": [
            f"{UI}/deliveries/{delivery_of(house.data, 'stripe', verdict)}"
            for verdict in ("DUPLICATE", "REJECTED")
        ],
    }
