"""Drawing a page: the templates' environment and the frame around every page."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hookledger.api.call import Call
from hookledger.api.console.assets import Assets
from hookledger.api.console.filters import FILTERS
from hookledger.api.html import html_response, see_other
from hookledger.api.http import HttpResponse
from hookledger.api.identity.identity import Identity
from hookledger.api.permissions import Permission

TEMPLATES: Final = Path(__file__).parent / "templates"
HOME: Final = "/ui/main"

NAVIGATION: Final = (
    ("dashboard", "Dashboard", f"{HOME}/", Permission.READ),
    ("flows", "Flows", f"{HOME}/flows", Permission.READ),
    ("executions", "Executions", f"{HOME}/executions", Permission.READ),
    ("audit", "Audit", f"{HOME}/audit", Permission.AUDIT),
    ("tokens", "Tokens", f"{HOME}/tokens", Permission.ADMINISTER),
)
"""Places in the bar on top: name, label, path, and what somebody needs to be shown it."""

DONE: Final = {
    "created": "The flow is created.",
    "saved": "The flow is saved as a new revision.",
    "unchanged": "The source is that of the newest revision; nothing changed.",
    "removed": "The flow takes no more deliveries. Its revisions and executions stay.",
    "killed": "The kill is recorded.",
    "paused": "The execution is paused: nothing new begins.",
    "resumed": "The execution goes on.",
    "restarted": "The execution is open again: what failed runs once more.",
    "replayed": "A new execution has begun.",
    "labelled": "The labels are set.",
    "noted": "The note is in the journal.",
    "sent": "The delivery is sent again as a new execution.",
    "issued": "The token is issued.",
    "revoked": "The token is revoked.",
}
"""What a page says after something was done; links carry the name only, so nobody can put words into our mouth."""


class Pages:
    """Draws pages. One per application."""

    def __init__(self, assets: Assets) -> None:
        made: Any = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.filters.update(FILTERS)
        made.globals["asset"] = assets.path
        self._environment: Environment = made

    def draw(
        self, template: str, status: int = 200, *, who: Identity | None = None, **context: Any
    ) -> HttpResponse:
        """A page inside the frame for somebody; for nobody known yet without navigation."""
        frame = {
            "who": who,
            "csrf": "",
            "place": "",
            "done": "",
            "navigation": [line[:3] for line in NAVIGATION if who is not None and who.may(line[3])],
            "may": {permission.value: who is not None and who.may(permission) for permission in Permission},
        }
        return html_response(self._environment.get_template(template).render(frame | context), status)

    def page(
        self, call: Call, template: str, *, place: str = "", status: int = 200, **context: Any
    ) -> HttpResponse:
        """A page for whoever made the call.

        Args:
            place: Which part of the bar on top is the present one.
        """
        said = DONE.get((call.query.get("done") or [""])[0], "")
        return self.draw(
            template, status, who=call.identity, csrf=call.csrf, place=place, done=said, **context
        )


def done(path: str, what: str) -> HttpResponse:
    """On to a page that says what was done (a name of `DONE`)."""
    assert what in DONE
    return see_other(f"{path}{'&' if '?' in path else '?'}done={what}")


def flow_path(namespace: str, flow: str, tab: str = "") -> str:
    """The page of a flow."""
    return _joined("flows", namespace, flow, tab)


def execution_path(namespace: str, flow: str, execution: str, tab: str = "") -> str:
    """The page of an execution; Kestra's own path, so links of old chat messages keep their shape."""
    return _joined("executions", namespace, flow, execution, tab)


def _joined(*parts: str) -> str:
    return "/".join((HOME, *(quote(part, safe="") for part in parts if part)))
