"""Headers that keep a browser from doing more than it should."""

import re
from pathlib import Path

import pytest

from hookledger.api.html import POLICY, html_response, secured, see_other
from hookledger.api.http import json_response
from tests.api.browser import HOME, LOGIN, browser
from tests.api.site import USER, open_site

from .people import API


@pytest.mark.parametrize("path", [HOME, LOGIN])
async def test_a_page_may_load_only_ours(tmp_path: Path, path: str) -> None:
    """
    Nothing from elsewhere, no inline scripts, no frames around it, no copy in a cache, no referrer for others.
    """
    async with open_site(tmp_path) as site, browser(site, log_in=path == HOME) as person:
        answer = await person.get(path)
    parts = (part.strip().partition(" ") for part in POLICY.split(";"))
    policy = {name: sources for name, _, sources in parts}
    assert answer.headers["content-security-policy"] == POLICY
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_data_is_not_kept_and_not_guessed_at(tmp_path: Path) -> None:
    """
    JSON with data is `no-store` and `nosniff`, so a shared cache keeps nothing and no browser runs it.
    """
    async with open_site(tmp_path) as site:
        answer = await site.client.get(f"{API}/executions/search", auth=USER)
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


def test_what_an_answer_sets_itself_stays() -> None:
    """
    The common headers fill in what is missing, each once.
    """
    made = secured(json_response({}, headers={"cache-control": "max-age=60"}))
    names = [name.lower() for name, _ in made.headers]
    assert len(names) == len(set(names))
    assert ("cache-control", "max-age=60") in made.headers
    assert secured(made).headers == made.headers
    assert html_response("\ud800").body == b"?"
    assert see_other(HOME).status == 303


async def test_the_login_page_is_plain_html(tmp_path: Path) -> None:
    """
    It works without scripts, and has none but ours: labels, one form, a button; password managers find their fields.
    """
    async with open_site(tmp_path) as site:
        page = (await site.client.get(LOGIN)).text
    assert page.count("<form") == 1
    assert 'method="post" action="/ui/main/login"' in page
    for name in ("user", "password"):
        assert f'<label for="{name}">' in page
        assert f'id="{name}" name="{name}"' in page
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert '<html lang="en">' in page
    assert " style=" not in page
    ours = r' (?:type="module" )?src="/ui/static/'
    assert not re.search(rf"<script(?!{ours})|javascript:|\son\w+\s*=", page)
