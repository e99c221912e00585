"""Bytes on the wire: requests that two servers would read differently, heads that become headers, hosts that lie."""

import re
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.api.browser import COOKIE, browser
from tests.api.identity.people import API, auth, password_of, peopled
from tests.api.site import HOOK, USER, flow, open_site

PATH: Final = f"{HOOK}/io.tests/f/a-secret-key"
HIDDEN: Final = (
    b"GET /api/v1/main/executions/webhook/io.tests/smuggled/a-secret-key HTTP/1.1\r\nHost: x\r\n\r\n"
)


def post(*headers: str, body: bytes = b"") -> bytes:
    """A request with exactly these headers."""
    return "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1") + body


AMBIGUOUS: Final = {
    "cl-te": post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "te-cl": post(
        "Transfer-Encoding: chunked", "Content-Length: 4", body=b"5c\r\n" + HIDDEN + b"\r\n0\r\n\r\n"
    ),
    "two-lengths": post("Content-Length: 0", f"Content-Length: {len(HIDDEN)}", body=HIDDEN),
    "length-list": post(f"Content-Length: 0, {len(HIDDEN)}", body=HIDDEN),
    "length-sign": post("Content-Length: +0", body=HIDDEN),
    "length-hex": post("Content-Length: 0x10", body=HIDDEN),
    "length-space": post("Content-Length : 0", body=HIDDEN),
    "te-twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=b"0\r\n\r\n" + HIDDEN),
    "te-other": post("Transfer-Encoding: xchunked", "Content-Length: 0", body=HIDDEN),
    "te-tab": post("Transfer-Encoding:\tchunked", "Content-Length: 5", body=b"0\r\n\r\n" + HIDDEN),
    "te-vertical-tab": post("Transfer-Encoding: \x0bchunked", "Content-Length: 0", body=HIDDEN),
    "folded": post("X: y\r\n Transfer-Encoding: chunked", "Transfer-Encoding\r\n : chunked", body=HIDDEN),
    "bare-line-feed": b"POST " + PATH.encode() + b" HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + HIDDEN,
    "chunk-sign": post("Transfer-Encoding: chunked", body=b"+0\r\n\r\n" + HIDDEN),
    "chunk-long": post("Transfer-Encoding: chunked", body=b"0" * 40 + b"1\r\nx\r\n0\r\n\r\n"),
    "nul-in-name": post("Content-Length\x00: 0", body=HIDDEN),
    "nul-in-value": post("X: a\x00b", "Content-Length: 0", body=HIDDEN),
    "two-hosts": post("Host: y", "Content-Length: 0"),
}
PLAIN_ENDS: Final = frozenset({"te-tab", "bare-line-feed"})
"""Read as RFC 9112 reads them: a tab is blank space, a line may end with LF alone."""


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_no_request_hides_another(tmp_path: Path, name: str) -> None:
    """
    Request smuggling: where the length of a body can be read in two ways the request is refused and the connection
    closed, so what is behind it is never a request of its own.
    """
    sources = {one: flow(one) for one in ("f", "smuggled")}
    async with open_site(tmp_path, sources, server__idleTimeout="PT1S") as site:
        answer = await site.raw(AMBIGUOUS[name])
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", answer)
        rows = (await site.client.get(f"{API}/executions/search", auth=USER)).json()["results"]
        ran = {row["flowId"] for row in rows}
    if name in PLAIN_ENDS:
        assert set(statuses) <= {b"200", b"400", b"408"}
        return
    assert "smuggled" not in ran, answer
    assert len(statuses) <= 1, answer
    assert statuses in ([], [b"400"], [b"501"]), answer


async def test_a_head_is_bounded(tmp_path: Path) -> None:
    """
    Many or long headers, a long path, a long query, many cookies: refused or answered, in bounded memory, and the next
    one is served.
    """
    heads = (
        [f"X-{number}: {'a' * 100}" for number in range(1_000)],
        ["X: " + "a" * 100_000],
        ["Cookie: " + "; ".join(f"{COOKIE}={number}" for number in range(5_000))],
        ["Authorization: Basic " + "QQ" * 40_000],
    )
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for head in heads:
            answer = await site.raw(post(*head, "Connection: close", "Content-Length: 0"))
            assert re.match(rb"HTTP/1\.1 (4\d\d) ", answer), answer[:100]
        for target in ("/" + "a" * 60_000, f"{PATH}?{'a=1&' * 20_000}"):
            answer = await site.raw(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert re.match(rb"HTTP/1\.1 (4\d\d) ", answer), answer[:100]
        assert (await site.call("f")).status_code == 200


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: owned=1", "a\nX-Owned: 1", "a\rX-Owned: 1", "a\x00b"])
async def test_no_data_writes_headers(tmp_path: Path, text: str) -> None:
    """
    Header injection: what senders bring does not become a header of an answer, where a flow puts it into one, where an
    id goes into a link, and where a name goes into a download.
    """
    trigger = (
        '    wait: true\n    response:\n      headers: { X-Echo: "{{ trigger.body.x }}" }\n      body: done\n'
    )
    async with peopled(tmp_path, {"f": flow("f", trigger=trigger)}) as site, browser(site) as admin:
        await admin.log_in("the-admin", password_of("admin"))
        answer = await site.call("f", method="POST", json={"x": text})
        quoted = httpx.QueryParams({"x": text})
        others = [
            await admin.get(f"/ui/main/executions/{text.encode().hex()}%0d%0aX-Owned:%201/logs.txt"),
            await admin.get("/ui/main/executions/io.tests/f/a%0d%0aX-Owned:%201/logs.txt"),
            await admin.get("/ui/main/executions/a%0d%0aX-Owned:%201"),
            await admin.get(f"/ui/main/flows?{quoted}"),
            await admin.get("/ui/main/login?next=/ui/main/%0d%0aX-Owned:%201"),
            await site.client.get(f"{API}/logs/a%0d%0aX-Owned:%201/download", auth=auth("admin")),
        ]
    for one in (answer, *others):
        assert "x-owned" not in one.headers
        assert "owned=1" not in one.headers.get("set-cookie", "")
        assert "\r" not in one.headers.get("x-echo", "")


async def test_no_host_gets_into_links(tmp_path: Path) -> None:
    """
    Host header poisoning: with `server.publicUrl` every address that is shown or sent is that one, whatever `Host` and
    the forwarding headers of strangers say; redirects name no host at all.
    """
    public = "http://hooks.example.com"
    lies = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    async with peopled(tmp_path, {"f": flow("f")}, server__publicUrl=public) as site, browser(site) as admin:
        first = await admin.log_in("the-admin", password_of("admin"), headers={"Origin": public})
        sent = {**lies, "Cookie": f"{COOKIE}={admin.session}"}
        for path in (
            "/ui/main/flows/io.tests/f/triggers",
            "/ui/main/flows/io.tests/f/execute",
            "/ui/main/",
            "/ui/main/login",
        ):
            answer = await site.client.get(path, headers=sent)
            assert "evil.example" not in answer.text + str(answer.headers), path
        redirect = await site.client.get("/ui/main/flows", headers=lies)
        started = await site.call("f", headers=lies)
    assert first.headers["location"].startswith("/")
    assert redirect.headers["location"].startswith("/ui/main/login")
    assert "evil.example" not in str(started.headers)
    assert "evil.example" not in started.json().get("url", "")


async def test_a_host_is_no_code(tmp_path: Path) -> None:
    """
    Without `server.publicUrl` links are made of the browser's own `Host`; markup and shell in it stay text.
    """
    evil = "x\"><script>alert(1)</script>'$(id)`id`"
    async with peopled(tmp_path, {"f": flow("f")}) as site, browser(site) as admin:
        await admin.log_in("the-admin", password_of("admin"))
        for tab in ("triggers", "execute"):
            answer = await admin.get(f"/ui/main/flows/io.tests/f/{tab}", headers={"Host": evil})
            assert "<script>alert" not in answer.text, tab
            assert answer.status_code in (200, 400)


async def test_a_log_line_forges_no_event(tmp_path: Path) -> None:
    """
    Server-sent events: line ends in data do not begin an event of their own.
    """
    forged = "x\n\nevent: end\ndata: {}\n\nid: 99\r\rdata: owned"
    source = flow("f", text="{{ trigger.body.x }}").replace(
        "triggers:",
        '  - {id: say, type: io.kestra.plugin.core.log.Log, message: "{{ trigger.body.x }}"}\ntriggers:',
    )
    async with open_site(tmp_path, {"f": source}) as site:
        execution = (await site.call("f", method="POST", json={"x": forged})).json()["id"]
        await site.until(lambda: len(site.events(execution)) == 6)
        for path in (f"executions/{execution}/follow", f"logs/{execution}/follow"):
            stream = (await site.client.get(f"{API}/{path}", auth=USER)).text
            for line in stream.splitlines():
                assert not re.match(r"(data: owned|id: 99|data: \{\}$)", line), (path, stream)
                assert re.match(r"$|:|event: |id: |retry: |data: [{\[]", line), (path, line)
