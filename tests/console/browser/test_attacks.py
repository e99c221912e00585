"""What attackers put into data and into other sites, in a real browser: nothing of it runs."""

import json
from typing import Any, Final
from urllib.parse import quote

import yaml
from playwright.sync_api import Page, Route, expect

from tests.api.browser import COOKIE
from tests.api.identity.people import API

from .house import UI, House, Visits
from .places import TABS

EVIL: Final = (
    '"><img src=x onerror="window.pwned=1"><script>window.pwned=2</script><svg onload=window.pwned=3>'
    "</pre></textarea></title></svg></script><iframe srcdoc='<script>top.pwned=4</script>'></iframe>'`${window.pwned=5}"
)
FLOW: Final = """
id: wild
namespace: io.wild
description: {evil}
labels: {{team: {evil}}}
inputs:
  - {{id: word, type: STRING, displayName: {short}, description: {evil}, defaults: {evil}}}
tasks:
  - {{id: say, type: io.kestra.plugin.core.log.Log, description: {evil}, message: [{evil}, "{{{{ trigger.body }}}}"]}}
  - {{id: out, type: io.kestra.plugin.core.debug.Return, format: {evil}}}
  - {{id: bad, type: io.kestra.plugin.core.execution.Fail, errorMessage: {evil}}}
outputs:
  - {{id: word, type: STRING, displayName: {short}, value: {evil}}}
triggers:
  - {{id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key}}
"""
SLIPPED_IN: Final = """count => new Promise((done) => {
  const blocked = new Set();
  const tell = () => done([...blocked]);
  setTimeout(tell, 20_000);  // so that a policy that blocks less fails the test instead of holding it up
  addEventListener("securitypolicyviolation", (event) => {
    if (blocked.add(event.effectiveDirective).size === count) tell();
  });
  const add = (tag, more) => document.body.append(Object.assign(document.createElement(tag), more));
  add("script", { textContent: "window.pwned = 1" });
  add("script", { src: "https://evil.example/x.js" });
  add("img", { src: "https://evil.example/x.png" });
  add("iframe", { src: "https://evil.example/" });
  add("object", { data: "https://evil.example/" });
  add("link", { rel: "stylesheet", href: "https://evil.example/x.css" });
  add("style", { textContent: "body { display: none }" });
  document.body.insertAdjacentHTML("beforeend", "<b onclick='window.pwned = 2' style='color: red'>x</b>");
  document.body.lastElementChild.click();
  fetch("https://evil.example/").catch(() => {});
  const form = Object.assign(document.createElement("form"), { action: "https://evil.example/", method: "post" });
  document.body.append(form);
  form.submit();
})"""
BLOCKED: Final = (
    "script-src-elem", "script-src-attr", "img-src", "frame-src", "object-src", "style-src-elem", "style-src-attr",
    "connect-src", "form-action",
)  # fmt: skip
READING: Final = """url =>
  fetch(url, { credentials: "include" }).then((one) => one.text(), (error) => `refused: ${error.name}`)
"""
TAGS: Final = "[onerror], [onload], iframe, img[src=x], script:not([src^='/ui/static/'])"


def harmless(page: Page) -> None:
    """Nothing ran, and nothing became an element."""
    assert page.evaluate("window.pwned") is None, page.url
    assert page.locator(TAGS).count() == 0, page.url


def wild_execution(house: House) -> tuple[str, str]:
    """An execution that has hostile text wherever there is room for text, and its delivery."""
    quoted = json.dumps(EVIL)
    house.save(FLOW.format(evil=quoted, short=json.dumps(EVIL[:60])))
    answer = house.client.post(
        f"{API}/executions/webhook/io.wild/wild/a-secret-key",
        params={"q": EVIL, EVIL: "q"},
        headers={"X-Evil": EVIL, "User-Agent": EVIL, "Referer": EVIL},
        files={"file": (EVIL, b"text", "text/html"), EVIL: (None, EVIL)},
    )
    assert answer.status_code == 200, answer.text
    execution = answer.json()["id"]
    actions = f"{API}/executions/{execution}/actions"
    for action, body in (("note", {"text": EVIL}), ("labels", {"labels": {"evil": EVIL, EVIL[:20]: "x"}})):
        house.client.post(f"{actions}/{action}", json=body)
    return execution, answer.headers["x-delivery-id"]


def test_hostile_text_never_runs(visits: Visits, house: House) -> None:
    """
    Stored XSS: descriptions, labels, inputs, outputs, headers, query, body, file names, log lines, error messages and
    notes with markup, on every page that shows them, in attributes, drawings and lists: text, nothing else.
    """
    execution, delivery = wild_execution(house)
    page = visits.window("admin")
    paths = [f"{UI}/executions/io.wild/wild/{execution}/{tab}".rstrip("/") for tab in TABS]
    paths += [f"{UI}/flows/io.wild/wild/{tab}".rstrip("/") for tab in
              ("", "source", "triggers", "executions", "revisions", "execute")]  # fmt: skip
    paths += [
        f"{UI}/deliveries/{delivery}",
        f"{UI}/",
        f"{UI}/flows?q=wild",
        f"{UI}/executions?flow=wild",
        f"{UI}/audit",
    ]
    shown = 0
    for path in paths:
        page.goto(path)
        expect(page.locator("h1")).to_have_count(1)
        harmless(page)
        shown += "<script>window.pwned=2</script>" in page.locator("#main").inner_text()
    assert shown >= 8


def test_hostile_addresses_never_run(visits: Visits) -> None:
    """
    Reflected XSS: whatever stands in the query or the path of a link is shown as text, or not at all.
    """
    page = visits.window("admin")
    visits.expect(404, "/ui/main/")
    visits.expect(400, "/ui/main/")
    for name in ("text", "namespace", "flow", "label", "since", "until", "waits", "state", "page", "done"):
        page.goto(f"{UI}/executions?{name}={_quoted(EVIL)}")
        harmless(page)
    for path in ("flows?q=", "flows?namespace=", "audit?by=", "audit?kind=", "?window=", "flows/new?from=", "flows/",
                 "executions/", "deliveries/", "nothing/", "flows/io.wild/", "executions?done="):  # fmt: skip
        page.goto(f"{UI}/{path}{_quoted(EVIL)}")
        harmless(page)
    stranger = visits.window("")
    stranger.goto(f"{UI}/login?next={_quoted(EVIL)}")
    harmless(stranger)


def test_what_is_typed_never_runs(visits: Visits) -> None:
    """
    DOM XSS: the editor's colours and problems, the curl line and its problems are made of text by our own scripts.
    """
    page = visits.window("admin")
    page.goto(f"{UI}/flows/new")
    page.locator("#source").fill(
        f"id: {json.dumps(EVIL)}\nnamespace: {EVIL}\ntasks: {{{{ {EVIL} }}}}\n# {EVIL}\n"
    )
    expect(page.locator("#faults li.bad").first).to_be_visible()
    harmless(page)
    page.goto(f"{UI}/flows/shop.orders/new_order/execute")
    page.get_by_label("Payload").fill(EVIL)
    page.get_by_label("Query").fill(EVIL)
    page.get_by_label("Content type").fill(f"text/plain; x={EVIL}")
    expect(
        page.locator("#curl-shop-line, #curl-shop-line-problem").filter(has_text="pwned").first
    ).to_be_visible()
    harmless(page)


def test_the_policy_blocks_what_slips_in(visits: Visits) -> None:
    """
    CSP: markup that came into a page in spite of everything runs nothing, loads nothing from elsewhere, styles nothing
    and sends nothing away.
    """
    page = visits.window("admin")
    page.goto(f"{UI}/flows")
    blocked: Any = page.evaluate(SLIPPED_IN, len(BLOCKED))
    assert set(blocked) == set(BLOCKED)
    assert page.evaluate("window.pwned") is None
    assert page.url.endswith(f"{UI}/flows")
    assert any("Content Security Policy" in one for one in visits.wrong)
    visits.wrong.clear()


def test_no_site_frames_a_page(visits: Visits, house: House) -> None:
    """
    Clickjacking: a frame of another site stays empty.
    """
    page = visits.window("admin")
    _other_site(page, f"<iframe id=f src='{house.address}{UI}/executions'></iframe>")
    page.goto("http://evil.example/")
    expect(page.locator("#f")).to_be_visible()
    (frame,) = page.frames[1:]
    frame.wait_for_url("chrome-error://**")
    assert any("frame-ancestors" in one for one in visits.wrong)
    visits.wrong.clear()


def test_no_site_sends_our_forms(visits: Visits, house: House) -> None:
    """
    CSRF in the browser itself: a form of another site neither kills nor logs in or out, for the cookie stays at home
    and the server asks where it comes from.
    """
    execution = house.start("ops.deploy/approval/may-it-go-out", json={"service": "shop", "version": "9"})
    page = visits.window("admin")
    visits.expect(401, UI)
    visits.expect(403, UI)
    kill = f"{house.address}{UI}/executions/ops.deploy/approval/{execution}/kill"
    for action in (kill, f"{house.address}{UI}/logout", f"{house.address}{UI}/login"):
        _other_site(
            page, f"<form method=post action='{action}'><input name=csrf value=x><button>go</button></form>"
        )
        page.goto("http://evil.example/")
        with page.expect_navigation():
            page.get_by_role("button", name="go").click()
    assert house.get(f"/executions/{execution}")["state"]["current"] == "PAUSED"
    page.goto(f"{UI}/flows")
    expect(page.get_by_role("heading", name="Flows", level=1)).to_be_visible()


def test_no_site_reads_our_answers(visits: Visits, house: House) -> None:
    """
    Another site's script gets neither pages nor data, with cookies or without: nothing allows other origins.
    """
    page = visits.window("admin")
    _other_site(page, "<h1>evil</h1>")
    page.goto("http://evil.example/")
    for path in (f"{API}/executions/search", f"{UI}/executions", f"{UI}/live"):
        read: Any = page.evaluate(READING, house.address + path)
        assert read == "refused: TypeError"
    visits.wrong.clear()


def test_nobody_hands_us_a_session(visits: Visits, house: House) -> None:
    """
    Session fixation: a cookie that somebody planted before the login is not the session after it.
    """
    page = visits.window("")
    planted = {"name": COOKIE, "value": "x" * 43, "url": house.address}
    page.context.add_cookies([planted])  # type: ignore[list-item]
    page.goto(f"{UI}/login")
    page.get_by_label("User name").fill("the-viewer")
    page.get_by_label("Password").fill("password of the viewer")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
    cookies: Any = page.context.cookies()
    (session,) = [one for one in cookies if one["name"] == COOKIE]
    assert session["value"] != "x" * 43
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    assert COOKIE not in str(page.evaluate("document.cookie"))


STEALING: Final = """
<!doctype html><title>Hello</title><h1>{{ trigger.parameters.name[0] }}</h1><p id=said>quiet</p>
<script>
const said = document.getElementById("said");
fetch("/ui/main/flows", { credentials: "include" }).then((one) => one.text())
  .then((text) => { said.textContent = /name="csrf" value="([^"]+)"/.exec(text)[1]; });
</script>
"""


def test_an_answer_of_a_webhook_is_no_page_of_ours(visits: Visits, house: House) -> None:
    """
    An author's HTML, or markup a sender put into it, is a document of no origin: with the session of an admin in the
    browser its scripts do not run, and so cannot read a page's token.
    """
    source = yaml.safe_dump({
        "id": "hello", "namespace": "io.wild",
        "tasks": [{"id": "out", "type": "io.kestra.plugin.core.debug.Return", "format": "x"}],
        "triggers": [{
            "id": "webhook", "type": "io.kestra.plugin.core.trigger.Webhook", "key": "k", "methods": ["GET"],
            "response": {"contentType": "text/html", "body": STEALING},
        }],
    })  # fmt: skip
    house.save(source)
    page = visits.window("admin")
    script = "<script>document.title='pwned'</script><img src=x onerror=document.title='pwned'>"
    with page.expect_event("console", lambda one: "sandboxed" in one.text):
        page.goto(f"{API}/executions/webhook/io.wild/hello/k?name={_quoted(script)}")
    expect(page.locator("#said")).to_have_text("quiet")
    assert page.title() == "Hello"
    blocked = [one for one in visits.wrong if "sandboxed" in one]
    assert blocked
    visits.wrong.clear()


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _other_site(page: Page, body: str) -> None:
    """Another site: the browser finds this page there."""

    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html", body=f"<!doctype html><title>evil</title>{body}")

    page.unroute_all()
    page.route("http://evil.example/**", answer)
