"""Whether the server lives and whether it serves, and what callers get while it does not."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import trio

from hookledger.actors.engine import Engine
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.shapes import Shape
from hookledger.api.webhook.asgi import App, Receive, Send, send_plain
from hookledger.api.webhook.route import PREFIXES

NAMED_MAX: Final = 100
"""Damaged executions that are named; more are counted."""
RETRY_SECONDS: Final = 2
HOLD_SECONDS: Final = 4.0
"""How long a request waits for a server that starts, before it is told to come back."""
COMMIT_SECONDS_MAX: Final = 5.0
"""A commit that takes longer counts as a journal that does not commit."""


class Health(Shape, frozen=True, kw_only=True):
    """It answers."""

    status: Literal["UP"] = "UP"


class Trouble(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that keeps the server from being ready."""

    code: str
    """`starting`, `recovering`, `stopping`, `journal-stopped`, `journal-stalled` or `quarantine`."""
    detail: str
    count: int = 0
    """Of the damaged executions, for `quarantine`."""
    executions: tuple[str, ...] = ()
    """Their ids, the first hundred."""


class Readiness(Shape, frozen=True, kw_only=True):
    """Whether requests are served, the journal commits and every execution runs that should."""

    status: Literal["READY", "NOT_READY"]
    troubles: tuple[Trouble, ...] = ()
    """Empty when it is ready."""


STARTING: Final = Trouble(code="starting", detail="the journal is being opened")
RECOVERING: Final = Trouble(code="recovering", detail="open executions are being taken up again")
STOPPING: Final = Trouble(code="stopping", detail="the server stops")


def troubles(engine: Engine) -> Iterator[Trouble]:
    """What keeps an engine from being ready."""
    if not engine.ready.is_set():
        yield RECOVERING
    if engine.journal.poison:
        yield Trouble(
            code="journal-stopped", detail=f"a commit failed ({engine.journal.poison}); nothing is accepted"
        )
    elif engine.journal.committing_seconds > COMMIT_SECONDS_MAX:
        yield Trouble(
            code="journal-stalled", detail="a commit takes longer than it should; nothing is acknowledged"
        )
    if damaged := sorted(engine.quarantined):
        yield Trouble(
            code="quarantine",
            detail="open executions are damaged and rest; `hookledger journal verify` says more, all others run",
            count=len(damaged),
            executions=tuple(damaged[:NAMED_MAX]),
        )


def readiness(found: tuple[Trouble, ...]) -> HttpResponse:
    """200, or 503 with everything that is wrong."""
    answer = Readiness(status="NOT_READY" if found else "READY", troubles=found)
    headers = {"Cache-Control": "no-store", **({"Retry-After": str(RETRY_SECONDS)} if found else {})}
    return json_response(answer, 503 if found else 200, headers)


class Gate:
    """The application in front of the application: what is asked before there is one, or after, is answered here.

    `/health` is always 200 and `/ready` always says what is wrong; everything else waits a moment until the engine is
    ready, and is then 503 with `Retry-After`.
    """

    def __init__(self) -> None:
        self._app: App | None = None
        self._engine: Engine | None = None
        self._why: Trouble | None = STARTING
        self._calls: set[GateCall] = set()
        self._ended = trio.Event()
        self._decided = trio.Event()
        """Set when requests are served, or will not be any more."""

    def open(self, app: Any, engine: Engine) -> None:
        """From now on there is somebody to ask."""
        self._app, self._engine, self._why = app, engine, None

    def serve(self) -> None:
        """The engine is ready: who waited is answered."""
        self._decided.set()

    def close(self) -> None:
        """Take no new requests; those that only watch are ended, the others go on."""
        self._decided.set()
        self._why = STOPPING
        for call in self._calls:
            if call.watches:
                call.scope.cancel()

    @property
    def waiting(self) -> int:
        """How many requests are under way."""
        return sum(not call.watches for call in self._calls)

    async def quiet(self) -> None:
        """Return when no request is under way."""
        while self._calls:
            self._ended = trio.Event()
            await self._ended.wait()

    def cut(self) -> None:
        """End every request: who has no answer yet gets 503."""
        for call in self._calls:
            call.scope.cancel()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] == "http" and scope["path"] not in ASKED:
            with trio.move_on_after(HOLD_SECONDS):
                await self._decided.wait()
        app = self._app
        if app is None or (scope["type"] == "http" and not self._passes(scope["path"])):
            await send_plain(self._closed(scope), scope, receive, send)
        else:
            with self._counted(GateCall(scope, send)) as call, call.scope:
                await app(scope, receive, call.send)
            if call.scope.cancelled_caught:
                await call.refuse(self._refusal())

    def _passes(self, path: str) -> bool:
        """Whether the application answers it at this moment."""
        return (path in ASKED and self._why is None) or not any(self._troubles_ahead())

    def _troubles_ahead(self) -> Iterator[Trouble]:
        if self._why is not None:
            yield self._why
        elif self._engine is not None and not self._engine.ready.is_set():
            yield RECOVERING

    def _closed(self, scope: Any) -> HttpResponse:
        if scope["type"] == "http" and scope["path"] == "/health":
            return json_response(Health())
        if scope["type"] == "http" and scope["path"] == "/ready":
            known = tuple(self._troubles_ahead())
            return readiness(known or (STARTING,))
        return self._refusal()

    def _refusal(self) -> HttpResponse:
        why = next(self._troubles_ahead(), STOPPING)
        headers = {"Retry-After": str(RETRY_SECONDS)}
        return problem(503, f"{why.detail}; try again in a moment", slug=why.code, headers=headers)

    @contextmanager
    def _counted(self, call: "GateCall") -> Generator["GateCall"]:
        self._calls.add(call)
        try:
            yield call
        finally:
            self._calls.discard(call)
            self._ended.set()


ASKED: Final = frozenset({"/health", "/ready", "/ping"})
"""What the application answers itself as soon as it is there."""


class GateCall:
    """One request that the application answers."""

    def __init__(self, scope: Any, send: Send) -> None:
        self.scope = trio.CancelScope()
        self._path: str = scope.get("path", "")
        self._send = send
        self._begun = False
        self._streams = False

    @property
    def watches(self) -> bool:
        """It only looks on, as a page that shows what happens does; a webhook's caller waits for something."""
        return self._streams and not self._path.startswith(PREFIXES)

    async def send(self, message: dict[str, Any]) -> None:
        """As ASGI has it."""
        if message["type"] == "http.response.start":
            self._begun = True
            self._streams = any(
                name.lower() == b"content-type" and value.startswith(b"text/event-stream")
                for name, value in message.get("headers", ())
            )
        await self._send(message)

    async def refuse(self, response: HttpResponse) -> None:
        """Answer when the application was stopped before it could; half an answer stays half."""
        if not self._begun:
            closing = response.with_headers({"Connection": "close"})
            headers = [(name.encode(), value.encode()) for name, value in closing.headers]
            headers.append((b"Content-Length", b"%d" % len(closing.body)))
            await self._send({"type": "http.response.start", "status": closing.status, "headers": headers})
            await self._send({"type": "http.response.body", "body": closing.body, "more_body": False})


async def _lifespan(receive: Receive, send: Send) -> None:
    """The application has nothing to do at either end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
