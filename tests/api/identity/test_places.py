"""Where a login leads."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.api.identity.places import HOME, LOGIN, local
from tests.api.browser import browser
from tests.api.site import open_site

OURS = (
    "/ui/main/",
    "/ui/main/flows/company.team/hello",
    "/ui/main/executions?state=FAILED&page=2",
    "/ui/main/flows/a/b?q=x%2Fy%20z",
    "/ui/main/flows/%C3%A4",
)
ASTRAY = (
    "",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "/ui/\\evil.example",
    "https:evil.example",
    "https://evil.example",
    "https://evil.example/ui/main/",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example/ui/",
    "/evil",
    "/api/v1/main/flows",
    "/ui",
    "/uievil/",
    "/ui//evil.example",
    "/ui/..//evil.example",
    "/ui/../evil",
    "/ui/./x",
    "/ui/main/..",
    "/ui/%2e%2e/evil",
    "/ui/%2E%2E/%2fevil.example",
    "/ui/%2f%2fevil.example",
    "/ui/%5cevil.example",
    "/ui/%255cevil.example",
    "/ui/%252e%252e/evil",
    "/ui/main/\r\nSet-Cookie: a=b",
    "/ui/main/%0d%0aSet-Cookie:a=b",
    "/ui/main/%250d%250aSet-Cookie:a=b",
    "/ui/main/?x=%0d%0aSet-Cookie:a=b",
    "/ui/main/\t",
    "\t//evil.example",
    " //evil.example",
    " /ui/main/",
    "/ui/main/\x00",
    "/ui/main/%00",
    "/ui/main/%",
    "/ui/main/%zz",
    "/ui/main/é",
    "/ui/main/\u2028",
    "/ui/main/#x",
    '/ui/main/"onmouseover=x',
    "/ui/main/login",
    "/ui/main/login?next=/ui/main/login",
    "/ui/main/logout",
    "/ui/main/" + "a" * 2000,
)


@pytest.mark.parametrize("wanted", OURS)
def test_a_page_of_ours_is_kept(wanted: str) -> None:
    """
    A path below `/ui/`, with its query, is where the login leads.
    """
    assert local(wanted) == wanted


@pytest.mark.parametrize("wanted", ASTRAY)
def test_anything_else_is_the_first_page(wanted: str) -> None:
    """
    Open redirect: other sites, other schemes, other paths, and whatever browsers read in more than one way.
    """
    assert local(wanted) == HOME


@given(st.text(max_size=40) | st.text("/\\.:%@?#ui2e5cfmain\r\n\t ", max_size=40).map("/ui/".__add__))
def test_a_place_is_always_ours(wanted: str) -> None:
    """
    Whatever is asked for, the answer is one plain line below `/ui/` that names no host.
    """
    place = local(wanted)
    assert place.startswith("/ui/")
    assert place.isascii()
    assert place.isprintable()
    assert not {"\\", " ", "#"} & set(place)
    assert "//" not in place.partition("?")[0]


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https:evil.example", "/ui/%0d%0aX:1"]
)
async def test_a_login_leads_nowhere_else(tmp_path: Path, wanted: str) -> None:
    """
    From the link to the form to the redirect: the browser stays here, with the session it has already, too.
    """
    async with open_site(tmp_path) as site, browser(site) as person:
        answer = await person.log_in(then=quote(wanted, safe=""))
        assert answer.headers["location"] == HOME
        again = await person.get(f"{LOGIN}?next={quote(wanted, safe='')}")
        assert (again.headers["location"], again.status_code) == (HOME, 303)


async def test_a_field_cannot_write_headers(tmp_path: Path) -> None:
    """
    Header injection through the form's own field, where nothing is encoded any more.
    """
    async with open_site(tmp_path) as site, browser(site) as person:
        fields = await person.form()
        fields |= {"user": "tester", "password": "correct horse", "next": "/ui/main/\r\nSet-Cookie: a=b"}
        answer = await person.post(LOGIN, fields)
    assert answer.headers["location"] == HOME
    assert "a=b" not in str(answer.headers)


async def test_a_person_comes_back_to_the_page(tmp_path: Path) -> None:
    """
    A page without a session leads to the login, and from there to that very page with its query.
    """
    async with open_site(tmp_path) as site, browser(site) as person:
        wanted = "/ui/main/?done=created&x=%2F"
        first = await person.get(wanted)
        assert (first.status_code, first.headers["location"]) == (
            303,
            f"{LOGIN}?next={quote(wanted, safe='/')}",
        )
        answer = await person.log_in(then=quote(wanted, safe=""))
        assert answer.headers["location"] == wanted
