"""`http.Request`: where redirects lead, and who gets credentials."""

import pytest

from hookledger.actors.http_client import HttpClient

from .asking import asked, body_of, head_of, refused
from .server import answer, answering, redirect


async def test_redirects_are_followed(http: HttpClient) -> None:
    """
    A redirect is followed, relative ones too; the outputs tell where the answer came from.
    """
    async with answering(redirect("/b?x=1#f"), redirect("c", 307), answer(b"there")) as server:
        outputs = await asked(http, server.uri("/a"))
    assert (outputs["uri"], outputs["body"]) == (server.uri("/c"), "there")


async def test_redirects_are_not_followed_when_the_author_says_so(http: HttpClient) -> None:
    """
    With `followRedirects: false` the redirect itself is the answer.
    """
    async with answering(redirect("/b")) as server:
        outputs = await asked(http, server.uri(), options={"followRedirects": False})
    assert (outputs["code"], outputs["headers"]["Location"]) == (302, ["/b"])


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (302, "DELETE", "DELETE"),
        (307, "POST", "POST"),
        (308, "PATCH", "PATCH"),
    ],
)
async def test_what_a_redirect_does_to_the_method(
    http: HttpClient, status: int, method: str, then: str
) -> None:
    """
    Methods change as in browsers; a GET carries neither the body nor what was said about it.
    """
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    moved = f"HTTP/1.1 {status} x\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n".encode()
    async with answering(moved, head) as server:
        await asked(http, server.uri(), method=method, body="b", contentType="text/plain")
    second = server.requests[1]
    assert second.startswith(f"{then} /b ".encode())
    kept = b"" if then == "GET" else b"b"
    assert (body_of(second), "content-type" in head_of(second)) == (kept, then != "GET")


async def test_credentials_stay_with_their_origin(http: HttpClient) -> None:
    """
    Another origin gets none of the headers that could be a credential; the same origin gets all.
    """
    headers = {"X-Secret": "hush", "Cookie": "a=b", "Accept": "text/html"}
    auth = {"type": "BEARER", "token": "hush"}
    async with answering(answer()) as other, answering(redirect("/b"), redirect(other.uri())) as server:
        await asked(http, server.uri(), headers=headers, options={"auth": auth})
    assert b"hush" in server.requests[1]
    assert b"hush" not in other.requests[0]
    assert "cookie" not in head_of(other.requests[0])
    assert head_of(other.requests[0])["accept"] == "text/html"


async def test_a_redirect_loop_ends(http: HttpClient) -> None:
    """
    A circle of redirects ends as TooManyRedirects.
    """
    async with answering(*[redirect("/again")] * 11) as server:
        failure = await refused(http, server.uri())
    assert (failure.kind, failure.outputs["code"]) == ("TooManyRedirects", 302)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://a/", "http://u:p@a/", "http://[", "http://a:x/"]
)
async def test_a_redirect_that_leads_nowhere_fails(http: HttpClient, location: str) -> None:
    """
    A redirect is held to the same rules as the author's URI.
    """
    async with answering(redirect(location)) as server:
        assert (await refused(http, server.uri())).kind == "InvalidRedirect"
