"""`http.Request`: asks another service, or tells it something."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final, Literal

import msgspec

from hookledger.runtime.tasks.base import Effect, Outputs, TaskContext, TaskKind
from hookledger.runtime.tasks.http.content import Content, content_of
from hookledger.runtime.tasks.http.exchange import Exchange
from hookledger.runtime.tasks.http.options import HttpOptions, Method
from hookledger.runtime.tasks.http.port import HttpPort, HttpRequest
from hookledger.runtime.tasks.http.reading import ACCEPTED
from hookledger.runtime.tasks.http.target import Headers, checked_headers, with_params

EFFECTS: Final[dict[Method, Effect]] = {
    "GET": "read",
    "HEAD": "read",
    "OPTIONS": "read",
    "PUT": "idempotent",
    "DELETE": "idempotent",
    "POST": "write",
    "PATCH": "write",
}
USER_AGENT: Final = "Hookledger"


class Request(TaskKind, frozen=True, kw_only=True):
    """Sends one request and outputs the answer: `uri`, `code`, `headers` (lists), `body`, `size`."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.http.Request",
        "io.kestra.plugin.fs.http.Request",
        "io.kestra.core.tasks.http.Request",
    )
    effect: ClassVar[Effect] = "write"
    limits: ClassVar[tuple[str, ...]] = (
        "options.connectTimeout",
        "options.readTimeout",
        "options.readIdleTimeout",
        "options.timeout",
        "options.timeout.connectTimeout",
        "options.timeout.readIdleTimeout",
    )

    uri: str
    method: Method = "GET"
    body: Any = None
    """Text as it is; a map or a list goes out as JSON."""
    form_data: dict[str, Any] | None = None
    content_type: str | None = None
    headers: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    params: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    options: HttpOptions = HttpOptions()
    allow_failed: bool = False
    declared: Literal["read", "idempotent", "write"] | None = msgspec.field(name="effect", default=None)
    """What the author knows better than the method tells."""

    def effect_of(self) -> Effect:
        return self.declared or EFFECTS[self.method]

    async def run(self, context: TaskContext) -> Outputs:
        port: HttpPort = context.port("http")
        options = self.options
        if self.allow_failed:
            options = msgspec.structs.replace(options, allow_failed=True)
        return await Exchange(port, options).run(self._request(context.idempotency_key))

    def _request(self, key: str) -> HttpRequest:
        content = content_of(self.body, self.form_data, self.content_type, key)
        return HttpRequest(
            method=self.method,
            uri=with_params(self.uri, self.params),
            headers=self._headers(content, key),
            body=content.body,
            connect_seconds_max=self.options.connect_seconds(),
            read_seconds_max=self.options.read_seconds(),
        )

    def _headers(self, content: Content, key: str) -> Headers:
        """The author's, and those of ours that the author did not give."""
        given = checked_headers(self.headers.items())
        names = {name.lower() for name, _ in given}
        ours = checked_headers(self._usual(content, key))
        return (*given, *((name, value) for name, value in ours if name.lower() not in names))

    def _usual(self, content: Content, key: str) -> Iterator[tuple[str, str]]:
        yield "Accept", "*/*"
        yield "Accept-Encoding", ACCEPTED
        yield "User-Agent", USER_AGENT
        if content.media_type is not None:
            yield "Content-Type", content.media_type
        if self.options.auth is not None:
            yield "Authorization", self.options.auth.header()
        if self.effect_of() != "read":
            yield "Idempotency-Key", key
