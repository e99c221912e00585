"""Who may do what: every route and every page, for every role."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from hookledger.api.console.routes import console_routes
from hookledger.api.permissions import GRANTS, Permission, Role
from hookledger.api.routes import routes
from hookledger.journal.events import AccessRecorded
from tests.api.browser import browser

from .people import API, ROLES, auth, password_of, peopled, recorded

ANYTHING: Final[Any] = None
TABLE: Final = routes(ANYTHING, ANYTHING, ANYTHING)
GUARDED: Final = [route for route in TABLE if route.needs is not None]
GUARD: Final[Any] = SimpleNamespace(tokens=ANYTHING)
PAGES: Final = console_routes(ANYTHING, ANYTHING, GUARD, ANYTHING)
DOCUMENT: Final = Path(__file__).parents[3] / "docs/security.md"

CHANGES_NOTHING: Final = {
    ("POST", "/flows/graph"),
    ("POST", "/flows/validate"),
    ("POST", "/flows/validate/task"),
    ("POST", "/flows/validate/trigger"),
    ("POST", "/triggers/<namespace>/<flow>/<trigger>/dryRun"),
}
"""A POST that a viewer may send. A route that changes something does not belong here."""

OPEN: Final = {("GET", "/health"), ("GET", "/ready"), ("GET", "/ping")}
"""For anybody: whoever watches a server has no credentials for it."""

EXPECTED: Final = {
    Permission.OPERATE: r"(POST|DELETE|PUT|PATCH) /(executions|deliveries|logs|triggers)/.*",
    Permission.EDIT: r"(POST|PUT|DELETE|PATCH) /flows(/.*)?",
    Permission.ADMINISTER: r"\w+ /tokens(/.*)?",
    Permission.AUDIT: r"GET /audit",
    Permission.READ: r"GET /.*",
}
"""What a method and a path mean; the first that fits."""


def filled(path: str) -> str:
    """A route's path with something for every parameter."""
    return re.sub(r"<[\w:]+>", "x", path)


def decided(method: str, path: str) -> Permission | None:
    """The permission a route ought to need, found without looking at the table."""
    if (method, path) in OPEN:
        return None
    if (method, path) in CHANGES_NOTHING:
        return Permission.READ
    line = f"{method} {path}"
    found = [permission for permission, pattern in EXPECTED.items() if re.fullmatch(pattern, line)]
    assert found, f"nobody has decided who may {line}; say so in EXPECTED"
    return found[0]


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_needs_what_was_decided(route: Any) -> None:
    """
    A route says what it needs, and a second look at its method and path comes to the same.
    """
    assert route.needs is decided(route.method, route.path)


@pytest.mark.parametrize("role", ROLES)
async def test_every_route_asks_for_the_role(tmp_path: Path, role: str) -> None:
    """
    Over the whole table and both prefixes: 403 with the permission and who has it where the role does not grant it,
    and neither 401 nor 403 where it does. What is refused changes nothing.
    """
    async with peopled(tmp_path) as site:
        for route in GUARDED:
            granted = route.needs in GRANTS[Role(role)]
            for prefix in route.prefixes:
                path = prefix + filled(route.path)
                answer = await site.client.request(route.method, path, auth=auth(role), content=b"")
                if granted:
                    assert answer.status_code not in (401, 403, 500), (route.method, path, answer.text)
                    continue
                assert answer.status_code == 403, (route.method, path)
                assert answer.headers["content-type"] == "application/problem+json"
                body = answer.json()
                assert body["type"] == "urn:hookledger:problem:forbidden"
                assert body["permission"] == route.needs
                assert all(f"`{word}`" in body["detail"] for word in (route.needs, role, body["roles"][0]))
                assert set(body["roles"]) == {one for one in Role if route.needs in GRANTS[one]}
        assert site.executions() == set()


@pytest.mark.parametrize("role", ROLES)
async def test_a_session_and_a_token_have_the_role_too(tmp_path: Path, role: str) -> None:
    """
    However somebody shows who they are, the role decides, over the whole table.
    """
    async with peopled(tmp_path) as site, browser(site) as person:
        wish = {"name": "t", "role": role}
        made = (await site.client.post(f"{API}/tokens", json=wish, auth=auth("admin"))).json()
        await person.log_in(f"the-{role}", password_of(role))
        csrf = {"X-CSRF-Token": await person.csrf()}
        bearer = {"Authorization": f"Bearer {made['token']}"}
        for route in GUARDED:
            granted = route.needs in GRANTS[Role(role)]
            path = route.prefixes[0] + filled(route.path)
            for client, headers in ((site.client, bearer), (person.client, csrf)):
                answer = await client.request(route.method, path, headers=headers, content=b"")
                assert (answer.status_code == 403) != granted, (route.method, path)
                assert answer.status_code != 401


@pytest.mark.parametrize("role", ROLES)
async def test_every_page_asks_for_the_role(tmp_path: Path, role: str) -> None:
    """
    The console's table is held against roles like the API's.
    """
    async with peopled(tmp_path) as site, browser(site) as person:
        await person.log_in(f"the-{role}", password_of(role))
        csrf = {"X-CSRF-Token": await person.csrf()}
        for route in PAGES:
            path = "/ui/main" + filled(route.path)
            async with person.client.stream(route.method, path, headers=csrf) as answer:  # `/live` has no end
                refused = answer.status_code == 403
            assert refused != (route.needs in GRANTS[Role(role)]), (route.method, path)


async def test_every_page_needs_a_session(tmp_path: Path) -> None:
    """
    Without one, reading leads to the login page and anything else is 401.
    """
    async with peopled(tmp_path) as site:
        for route in PAGES:
            path = "/ui/main" + filled(route.path)
            answer = await site.client.request(route.method, path)
            assert answer.status_code == (303 if route.method == "GET" else 401), (route.method, path)


async def test_a_refused_request_is_written_down(tmp_path: Path) -> None:
    """
    Who wanted what, under the user's own name, whatever the path holds.
    """
    async with peopled(tmp_path) as site:
        path = f"{API}/flows/io.tests/%ED%A0%80%FF%0A"
        answer = await site.client.delete(path, auth=auth("viewer"))
        assert answer.status_code == 403
        (written,) = await recorded(site, AccessRecorded, 1)
    assert (written.by, written.action, written.outcome) == ("user:the-viewer", "request", "forbidden")
    assert written.resource.startswith(f"DELETE {API}/flows/io.tests/")
    assert written.remote == "127.0.0.1"


def test_the_table_of_the_document_is_the_one_of_the_code() -> None:
    """
    docs/security.md says which role has which permission.
    """
    rows = re.findall(r"^\| `(\w+)` \|.*?\| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
    found = {name: [cell.strip() == "yes" for cell in cells.split("|")] for name, cells in rows}
    assert found == {
        permission.value: [permission in GRANTS[role] for role in Role] for permission in Permission
    }
