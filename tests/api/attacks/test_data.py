"""Data that would like to be code: for the database, for templates, for regular expressions, for terminals."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
import pytest
import trio

from hookledger.api.routes import PREFIXES
from tests.api.browser import browser
from tests.api.identity.people import API, auth, password_of, peopled
from tests.api.identity.test_roles import TABLE
from tests.api.site import HOOK, USER, Site, flow, open_site
from tests.system.processes import hookledger

INJECTIONS: Final = (
    "' OR '1'='1",
    "'; DROP TABLE execution; --",
    '"; DROP TABLE execution; --',
    "x' UNION SELECT payload,1,1,1,1,1,1,1,1,1,1 FROM entry --",
    "%' OR 1=1 --",
    "') OR ('1'='1",
    "\\' OR 1=1 --",
    "1; ATTACH DATABASE '/tmp/x' AS y",
)
CONSOLE_LISTS: Final = {
    "/executions": ("text", "namespace", "flow", "label", "since", "until", "waits", "state", "page"),
    "/flows": ("q", "namespace", "page"),
    "/audit": ("kind", "by", "before"),
    "/": ("window",),
}
LISTS: Final = [
    route for route in TABLE if route.method == "GET" and route.query is not None and "<" not in route.path
]
ARITHMETIC: Final = "{{7*7}}${7*7}#{7*7}<%= 7*7 %>{% raw %}"


async def rows(site: Site) -> int:
    """How many executions the list has."""
    answer = await site.client.get(f"{API}/executions/search", auth=USER)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["total"])


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
async def test_no_parameter_reaches_the_database(tmp_path: Path, route: Any) -> None:
    """
    SQL in every parameter of every list of the API: refused, or taken as text that nothing equals; never more rows
    than without it, never an error of the server, and every table is still there.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        await site.call("f")
        path = PREFIXES[0] + route.path
        plain = await site.client.get(path, auth=USER)
        names = [field.encode_name for field in msgspec.structs.fields(route.query)]
        for name in names:
            for text in INJECTIONS:
                for value in (text, f"a:{text}"):
                    answer = await site.client.get(path, params={name: value}, auth=USER)
                    assert answer.status_code in (200, 400), (name, value, answer.text)
                    if answer.status_code == 200 and "total" in answer.json():
                        assert answer.json()["total"] <= plain.json()["total"], (name, value)
                        assert answer.json()["total"] in (0, plain.json()["total"])
        assert await rows(site) == 1


@pytest.mark.parametrize("path", CONSOLE_LISTS)
async def test_no_filter_reaches_the_database(tmp_path: Path, path: str) -> None:
    """
    The same in every filter of the console's lists.
    """
    async with peopled(tmp_path, {"f": flow("f")}) as site, browser(site) as admin:
        await admin.log_in("the-admin", password_of("admin"))
        await site.call("f")
        for name in CONSOLE_LISTS[path]:
            for text in INJECTIONS:
                answer = await admin.get("/ui/main" + path, params={name: text})
                assert answer.status_code in (200, 400), (name, text)
        answer = await site.client.get(f"{API}/executions/search", auth=auth("admin"))
        assert answer.json()["total"] == 1


async def test_wildcards_are_letters(tmp_path: Path) -> None:
    """
    `%`, `_` and `*` in a search are themselves, so nobody fishes with them.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        await site.call("f")
        for text in ("%", "_", "*", "?", "[a-z]", "%%%", "io%tests"):
            for path in ("executions/search", "flows/search"):
                answer = await site.client.get(f"{API}/{path}", params={"q": text}, auth=USER)
                assert answer.json()["total"] == 0, (path, text)


async def test_a_search_costs_what_its_length_costs(tmp_path: Path) -> None:
    """
    ReDoS: texts that make a backtracking matcher take for ever are answered at once, by the API and on the pages.
    """
    evil = (
        "a" * 5_000 + "!",
        "(a+)+$" * 500,
        "%" * 3_000 + "x",
        ":" * 5_000,
        "-" * 5_000,
        "\u0130" * 2_000,
        "../" * 2_000,
    )
    async with (
        peopled(tmp_path, {"f": flow("f", more=f"description: {'a' * 5_000}\n")}) as site,
        browser(site) as admin,
    ):
        await admin.log_in("the-admin", password_of("admin"))
        await site.call("f")
        with trio.fail_after(30):
            for text in evil:
                for path, names in CONSOLE_LISTS.items():
                    for name in names:
                        answer = await admin.get("/ui/main" + path, params={name: text})
                        assert answer.status_code in (200, 400), (path, name)
                for name in ("q", "labels", "flowId", "namespace"):
                    path = f"{API}/executions/search"
                    answer = await site.client.get(path, params={name: text}, auth=auth("admin"))
                    assert answer.status_code in (200, 400), (name, text[:20])


async def test_templates_in_data_stay_data(tmp_path: Path) -> None:
    """
    Template injection: what a sender writes into body, headers, query and path is never rendered, neither by the
    flow's language nor by the pages.
    """
    source = flow(
        "f", text="{{ trigger.body.x }}|{{ trigger.headers['X-T'][0] }}|{{ trigger.parameters.q[0] }}"
    )
    async with peopled(tmp_path, {"f": source}) as site, browser(site) as admin:
        await admin.log_in("the-admin", password_of("admin"))
        answer = await site.call(
            "f",
            method="POST",
            json={"x": ARITHMETIC},
            tail=f"?q={quote(ARITHMETIC)}",
            headers={"X-T": "{{7*7}}"},
        )
        execution = answer.json()["id"]
        await site.until(lambda: len(site.events(execution)) == 4)
        shown = await site.client.get(f"{API}/executions/{execution}", auth=auth("admin"))
        value = shown.json()["taskRunList"][0]["outputs"]["value"]
        assert value == f"{ARITHMETIC}|{{{{7*7}}}}|{ARITHMETIC}"
        for tab in ("", "/outputs", "/journal", "/timeline", "/logs"):
            page = await admin.get(f"/ui/main/executions/io.tests/f/{execution}{tab}")
            assert page.status_code == 200
            assert not re.search(r">\s*49\s*<|49\|49", page.text)
        for query in ("text", "flow", "label"):
            page = await admin.get("/ui/main/executions", params={query: ARITHMETIC})
            assert "{{7*7}}" in page.text


@pytest.mark.parametrize(
    "body",
    [
        '{"__proto__": {"admin": true}, "x": 1}',
        '{"constructor": {"prototype": {"admin": true}}, "x": 1}',
        '{"__class__": {"__init__": {"__globals__": 1}}, "x": 1}',
        '{"x": 1, "toString": "no", "hasOwnProperty": null, "__dict__": []}',
    ],
)
async def test_names_of_languages_are_keys(tmp_path: Path, body: str) -> None:
    """
    Prototype pollution: names that mean something in JavaScript or Python are keys like others, and reach the flow.
    """
    async with open_site(
        tmp_path, {"f": flow("f", text="{{ trigger.body }}|{{ trigger.body.admin ?? 'no' }}")}
    ) as site:
        headers = {"Content-Type": "application/json"}
        variables = await site.variables("f", method="POST", content=body.encode(), headers=headers)
        assert variables["body"] == json.loads(body)
        (execution,) = site.executions()
        await site.until(lambda: len(site.events(execution)) == 4)
        shown = (await site.client.get(f"{API}/executions/{execution}", auth=USER)).json()
        assert shown["taskRunList"][0]["outputs"]["value"].endswith("|no")


@pytest.mark.parametrize(
    "expression",
    [
        "{{ ''.__class__ }}",
        "{{ trigger.__init__ }}",
        "{{ trigger['__class__'] }}",
        "{{ self }}",
        "{{ flow.__globals__ }}",
        "{{ range.__self__ }}",
        "{{ trigger.items }}",
    ],
)
async def test_an_author_does_not_reach_python(tmp_path: Path, expression: str) -> None:
    """
    The expression language has no way from a value to the interpreter that runs it.
    """
    async with open_site(tmp_path, {"f": flow("f", text=expression + " ?? 'nothing'")}) as site:
        execution = (await site.call("f")).json()["id"]
        await site.until(lambda: len(site.events(execution)) >= 3)
        shown = (await site.client.get(f"{API}/executions/{execution}", auth=USER)).text
        assert not re.search(r"<class|<function|<bound|<built-in|object at 0x|\{'__name__'", shown)


@pytest.mark.parametrize(
    "name",
    [
        "\u0430dmin",
        "f\u200b",
        "f\u202e",
        "../f",
        "f/../g",
        "f\x00",
        "<b>",
        "f g",
        "f?x",
        "f#x",
        "%2e",
        ".",
        "-f\n",
    ],
)
async def test_ids_look_like_what_they_are(tmp_path: Path, name: str) -> None:
    """
    Homographs, invisible letters, path parts, markup: no flow, namespace, task or trigger has an id of these.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for before, after in (
            ("id: f\n", f"id: {json.dumps(name)}\n"),
            ("namespace: io.tests", f"namespace: {json.dumps(name)}"),
            ("- id: out", f"- id: {json.dumps(name)}"),
            ("- id: webhook", f"- id: {json.dumps(name)}"),
        ):
            source = flow("f").replace(before, after)
            assert source != flow("f")
            answer = await site.client.post(
                f"{API}/flows",
                content=source.encode(),
                headers={"Content-Type": "application/x-yaml"},
                auth=USER,
            )
            assert answer.status_code == 422, (before, answer.text)
        assert (await site.client.get(f"{API}/flows/search", auth=USER)).json()["total"] == 1


async def test_a_terminal_is_not_commanded(tmp_path: Path) -> None:
    """
    Log injection: escape sequences and line ends of senders do not come out of the command line as such.
    """
    wild = "x\x1b[2J\x1b]0;owned\x07\r\nOK\nchecked 0 entries\x9b31m"
    more = f"labels: {{team: {json.dumps(wild)}}}\n"
    async with open_site(tmp_path, {"f": flow("f", text="{{ trigger.body.x }}", more=more)}) as site:
        answer = await site.call(
            "f", method="POST", json={"x": wild}, params={"q": wild}, headers={"User-Agent": "x\x1b[2J"}
        )
        execution = answer.json()["id"]
        await site.until(lambda: len(site.events(execution)) == 4)
        note = {"text": wild}
        await site.client.post(f"{API}/executions/{execution}/actions/note", json=note, auth=USER)
        await site.client.get(f"{API}/flows/io.tests/%1b%5b2J", auth=("x\x1b[2J", "no"))
    for command in (("ls",), ("show", execution), ("verify", execution), ("replay", execution)):
        line = partial(hookledger, "journal", *command, "--data", tmp_path / "data")
        done = await trio.to_thread.run_sync(line)
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]", printed), (command, printed)
        assert not re.search(r"(?m)^checked 0 entries", printed), (command, printed)


async def test_paths_stay_inside(tmp_path: Path) -> None:
    """
    Path traversal: static files, flows, executions, deliveries and stored files are found by name, never by path.
    """
    (tmp_path / "secret.txt").write_text("the secret of the house")
    async with peopled(tmp_path, {"f": flow("f")}) as site, browser(site) as admin:
        await admin.log_in("the-admin", password_of("admin"))
        page = (await admin.get("/ui/main/")).text
        (digest,) = set(re.findall(r"/ui/static/(\w+)/", page))
        up = (
            "..%2f" * 6,
            "..%5c" * 6,
            "%2e%2e/" * 6,
            "....//" * 6,
            "..%252f" * 6,
            "../" * 6,
            "%2fetc%2fpasswd%00",
        )
        for step in up:
            for base in (
                f"/ui/static/{digest}/", "/ui/static/", "/ui/main/flows/", "/ui/main/executions/",
                "/ui/main/deliveries/", f"{API}/flows/io.tests/", f"{API}/executions/", f"{API}/logs/",
                f"{API}/deliveries/", f"{HOOK}/io.tests/",
            ):  # fmt: skip
                for end in ("etc/passwd", "secret.txt", "data/credentials.json", "pages.py"):
                    head = f"GET {base}{step}{end} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    cookie = f"Cookie: hookledger_session={admin.session}\r\n\r\n"
                    answer = await site.raw((head + cookie).encode())
                    assert answer.split()[1] in (b"404", b"303", b"400", b"405"), (
                        base + step + end,
                        answer[:200],
                    )
                    assert b"root:" not in answer
                    assert b"the secret of the house" not in answer
