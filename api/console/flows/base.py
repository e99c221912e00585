"""What every page of a flow has: where its flow is found, its head and tabs, its last runs."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hookledger.actors.errors import FlowUnknown
from hookledger.actors.flows import Revision
from hookledger.api.call import Call
from hookledger.api.console.desk import ConsoleDesk
from hookledger.api.console.pages import HOME, flow_path
from hookledger.api.console.problem_pages import not_found
from hookledger.api.http import HttpResponse
from hookledger.api.secrecy import error_for
from hookledger.journal.figures import FlowKey

TABS: Final = (
    ("overview", "Overview", ""),
    ("source", "Source", "source"),
    ("triggers", "Triggers", "triggers"),
    ("executions", "Executions", "executions"),
    ("revisions", "Revisions", "revisions"),
)
FLOWS: Final = f"{HOME}/flows"


class Desk(ConsoleDesk, frozen=True, kw_only=True):
    """What pages of flows are made from."""

    def page(self, call: Call, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
        """Draw a page of this part of the console."""
        return self.pages.page(call, template, place="flows", status=status, **context)

    def missing(self, call: Call, what: str) -> HttpResponse:
        """404 for something that nobody registered or recorded."""
        detail = f"There is no {what}. It may have another name, or the link is older than this journal."
        return not_found(
            self.pages, call, title="Not found", detail=detail, back=(FLOWS, "All flows"), place="flows"
        )

    def flow_page(
        self, call: Call, revision: Revision, tab: str, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        """Draw a tab of a flow."""
        removed = self.engine.flows.newest(*name_of(revision)) is None
        head = head_of(revision, tab, removed=removed, error=error_for(revision, call.identity))
        return self.page(call, f"flow_{tab}.html", status=status, flow=head, **context)

    def revision(self, call: Call) -> Revision:
        """The flow that a path names; of a removed one the last revision.

        Raises:
            FlowUnknown: Nobody ever registered it.
        """
        namespace, flow_id = call.path["namespace"], call.path["flow"]
        flows = self.engine.flows
        newest = flows.newest(namespace, flow_id)
        if newest is not None:
            return newest
        known = flows.revisions(namespace, flow_id)
        last = flows.pinned(namespace, flow_id, known[-1].revision) if known else None
        if last is None:
            raise FlowUnknown(namespace, flow_id)
        return last


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The top of a flow's pages."""

    namespace: str
    id: str
    path: str
    namespace_path: str
    revision: int
    tab: str
    tabs: Sequence[tuple[str, str, str]]
    disabled: bool
    removed: bool
    error: str
    """Why it cannot be used; empty when it can."""
    startable: bool


def head_of(revision: Revision, tab: str, *, removed: bool = False, error: str = "") -> Head:
    """The top of a flow's pages."""
    registered, flow = revision.registered, revision.flow
    namespace, flow_id = name_of(revision)
    return Head(
        namespace=namespace,
        id=flow_id,
        path=flow_path(namespace, flow_id),
        namespace_path=namespace_path(namespace),
        revision=registered.revision,
        tab=tab,
        tabs=[(name, title, flow_path(namespace, flow_id, end)) for name, title, end in TABS],
        disabled=flow is not None and flow.disabled,
        removed=removed,
        error=error,
        startable=flow is not None and not flow.disabled and not removed,
    )


def name_of(revision: Revision) -> FlowKey:
    """Namespace and id of a flow."""
    return FlowKey(revision.registered.namespace, revision.registered.flow)


def namespace_path(namespace: str) -> str:
    """The list of a namespace's flows."""
    from urllib.parse import urlencode

    return f"{FLOWS}?{urlencode({'namespace': namespace})}"
