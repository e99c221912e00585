"""Logging in and out of the console."""

from pathlib import Path

from tests.api.browser import HOME, LOGIN, LOGOUT, browser
from tests.api.site import open_site


async def test_a_person_logs_in_and_out(tmp_path: Path) -> None:
    """
    The login form leads to the first page, under a session; the page's logout form ends it.
    """
    async with open_site(tmp_path) as site, browser(site) as person:
        first = await person.get(HOME)
        assert (first.status_code, first.headers["location"]) == (303, LOGIN)
        assert (await person.log_in()).headers["location"] == HOME
        page = await person.get(HOME)
        assert page.status_code == 200
        assert "tester" in page.text
        out = await person.post(LOGOUT, {"csrf": await person.csrf()})
        assert (out.status_code, out.headers["location"]) == (303, LOGIN)
        assert person.session == ""
        assert (await person.get(HOME)).status_code == 303
