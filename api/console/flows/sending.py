"""Sending a test to a webhook from the console: what its form says, what would happen, what did happen.

The server hands the request to its own webhook handler, as if a sender had made it.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec
import trio

from hookledger.api.call import Call
from hookledger.api.console.flows.base import Desk
from hookledger.api.console.forms import Form
from hookledger.api.console.pages import HOME, execution_path
from hookledger.api.http import Headers, HttpRequest, HttpResponse
from hookledger.api.queries import Nothing
from hookledger.api.rest.deliveries import dry_run
from hookledger.api.webhook.curl import BODILESS, JSON, PAYLOAD, Prepared, Target, default_method, prepared
from hookledger.journal.deliveries import DeliveryRow
from hookledger.runtime.triggers.webhook import WebhookSettings

BODY_CHARS_MAX: Final = 65_536
"""Of an answer that is shown."""
STREAM_SECONDS_MAX: Final = 10.0
RECORD_SECONDS_MAX: Final = 1.0
"""A refusal is written down right after the answer."""
MEDIA_TYPES: Final = (JSON, "application/x-www-form-urlencoded", "text/plain", "application/xml", "text/csv")

_OURS: Final = (("X-Kestra-Test-Event", "true"), ("Prefer", "wait=20"))
"""The execution is labelled as a test, and nobody looks at an empty page for longer than this."""
_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,256})[ \t]*:[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_QUERY: Final = re.compile(r"[!-~]*")


class ProbeForm(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody typed to send a test."""

    method: str
    content_type: str = JSON
    query: str = ""
    headers: str = ""
    """`Name: value`, one a line."""
    body: str = PAYLOAD
    ready: bool = True
    """With the credentials and the signature that the trigger wants."""
    dry: bool = True


class StepVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of the pipeline says."""

    step: str
    outcome: str
    reason: str = ""
    status: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen, as the API's dry run tells it."""

    outcome: str = "refused"
    status: int = 0
    reason: str = ""
    detail: str = ""
    """Instead of a reason, where there was nobody to ask."""
    steps: tuple[StepVerdict, ...] = ()
    deduplication: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the sender gets."""

    status: int
    phrase: str
    headers: Headers
    text: str
    cut: bool
    delivery: str
    delivery_path: str
    row: DeliveryRow | None = None
    """What was written down of it."""
    execution_path: str = ""


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a test; one of the three."""

    problem: str = ""
    """Why nothing was sent."""
    verdict: Verdict | None = None
    answer: Answer | None = None


class Unsendable(Exception):
    """The form asks for something no request can be; the message says what to change."""


def probe_form(settings: WebhookSettings, form: Form | None = None) -> ProbeForm:
    """The form as it was sent, or as it is at first."""
    if form is None:
        return ProbeForm(method=default_method(settings))
    return ProbeForm(
        method=form.get("method").upper()[:20] or default_method(settings),
        content_type=form.get("content_type").strip(),
        query=form.get("query").strip().removeprefix("?"),
        headers=form.get("headers"),
        body=form.get("body"),
        ready="ready" in form,
        dry=form.get("mode") != "send",
    )


async def probed(desk: Desk, call: Call, target: Target, form: ProbeForm) -> ProbeResult:
    """Send a test, or say what would happen."""
    try:
        request = request_of(call, target, form)
    except (Unsendable, ValueError) as error:
        return ProbeResult(problem=str(error))
    if form.dry:
        return ProbeResult(verdict=await _judged(desk, call, request))
    return ProbeResult(answer=await _sent(desk, request))


def request_of(call: Call, target: Target, form: ProbeForm) -> HttpRequest:
    """The request as a sender would make it.

    Raises:
        Unsendable: Something in the form cannot be part of a request.
        ValueError: It cannot be signed here.
    """
    if not _QUERY.fullmatch(form.query):
        raise Unsendable("write the query as it stands in a URL, with %20 for a space")
    body = form.body.encode()
    bare = Prepared(method=form.method, url=_with(target.url, form.query), headers=(), body=body)
    if form.ready:
        bare = prepared(target, body, form.method, form.content_type, form.query)
    elif form.method not in BODILESS:
        bare = msgspec.structs.replace(bare, headers=(("Content-Type", form.content_type),))
    own = header_lines(form.headers)
    taken = {name.lower() for name, _ in own}
    host = urlsplit(target.url).netloc
    given = [(name, value) for name, value in bare.all_headers() if name.lower() not in taken and value]
    body = b"" if form.method in BODILESS else bare.body
    fixed = [
        ("Host", host),
        ("Content-Length", str(len(body))),
        *(one for one in _OURS if one[0].lower() not in taken),
    ]
    return HttpRequest(
        method=form.method,
        raw_path=target.path,
        raw_query=bare.url.partition("?")[2],
        headers=(*fixed, *given, *own),
        body=_once(body),
        peer=call.request.peer,
        scheme=urlsplit(target.url).scheme,
    )


def header_lines(text: str) -> list[tuple[str, str]]:
    """Headers from a text area.

    Raises:
        Unsendable: A line is no header.
    """
    found: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _HEADER.fullmatch(line.strip())
        if match is None:
            raise Unsendable(f"line {number} of the headers is no header; write `Name: value`")
        found.append((match[1], match[2]))
    return found


async def _judged(desk: Desk, call: Call, request: HttpRequest) -> Verdict:
    """A dry run, through the API's own way in: credentials travel under its names."""
    own = {"authorization": "X-Dry-Run-Authorization"}
    headers = tuple((own.get(name.lower(), name), value) for name, value in request.headers)
    asked = msgspec.structs.replace(request, headers=(*headers, ("X-Dry-Run-Method", request.method)))
    answer = await dry_run(desk.webhook, desk.engine, msgspec.structs.replace(call, request=asked), Nothing())
    return msgspec.json.decode(answer.body, type=Verdict)


async def _sent(desk: Desk, request: HttpRequest) -> Answer:
    news = trio.Event()

    def look(_: object) -> None:
        nonlocal news
        news.set()
        news = trio.Event()

    stop = desk.engine.journal.follow(look)
    try:
        response = await desk.webhook.handle(request)
        delivery = dict(response.headers).get("X-Delivery-Id", "")
        text, cut = await _text_of(response)
        row: DeliveryRow | None = None
        with trio.move_on_after(RECORD_SECONDS_MAX):
            while row is None:
                next_commit = news  # taken before the look, or what is committed in between would be missed
                row = await desk.engine.journal.ask(lambda reader: reader.delivery(delivery))
                if row is None:
                    await next_commit.wait()
    finally:
        stop()
    return Answer(
        status=response.status,
        phrase=_phrase(response.status),
        headers=response.headers,
        text=text,
        cut=cut,
        delivery=delivery,
        delivery_path=f"{HOME}/deliveries/{quote(delivery, safe='')}" if row is not None else "",
        row=row,
        execution_path=execution_path(row.namespace, row.flow, row.execution)
        if row and row.execution
        else "",
    )


async def _text_of(response: HttpResponse) -> tuple[str, bool]:
    """The body for the eye; a stream is followed for a while."""
    body = bytearray(response.body)
    if response.stream is not None:
        with trio.move_on_after(STREAM_SECONDS_MAX):
            await _follow(response.stream, body)
    text = bytes(body).decode("utf-8", "replace")
    return text[:BODY_CHARS_MAX], len(text) > BODY_CHARS_MAX


async def _follow(stream: AsyncIterable[bytes], body: bytearray) -> None:
    async for chunk in stream:
        body += chunk
        if len(body) > BODY_CHARS_MAX:
            return


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _with(url: str, query: str) -> str:
    return f"{url}?{query}" if query else url


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
