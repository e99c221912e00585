"""One request on its way through the pipeline: plain values that the steps read and fill in."""

import hashlib
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from hookledger.api.http import HttpRequest
from hookledger.api.webhook.redaction import (
    redact_body,
    redact_events,
    redact_headers,
    redact_key,
    redact_parameters,
    redact_path,
    redact_query,
)
from hookledger.api.webhook.route import Match, key_variables, parse_path
from hookledger.journal.events import TriggerReceived
from hookledger.runtime.flow.templates import Tree, render_tree
from hookledger.runtime.triggers.received import LargeBody, body_value, content_type, trigger_variables

if TYPE_CHECKING:
    from hookledger.actors.claims import Reservation
    from hookledger.actors.engine import Engine
    from hookledger.actors.handle import Execution
    from hookledger.api.webhook.files import StoredBody
    from hookledger.api.webhook.multipart import Parts
    from hookledger.runtime.triggers.webhook.admission.ip import Network
    from hookledger.runtime.triggers.webhook.signatures import Verifier


class Exchange:
    """One request and what the steps found out about it."""

    def __init__(
        self,
        engine: "Engine",
        request: HttpRequest,
        match: Match,
        delivery_id: str,
        *,
        trusted: "tuple[Network, ...]" = (),
        public_url: str = "",
        dry: bool = False,
    ) -> None:
        self.engine = engine
        self.request = request
        self.match = match
        self.settings = match.settings
        self.delivery_id = delivery_id
        self.at = engine.ports.clock.now()
        """Microseconds; the one moment all checks of this request are made at."""
        self.dry = dry
        """Only asking: nothing may be claimed, counted, stored or begun."""
        self.public_url = match.settings.public_url or public_url
        self.link_base = public_url
        """The server's own address, for the links in answers."""
        self._trusted = trusted
        self.execution_id = ""
        self.verifier: Verifier | None = None
        self.verification: dict[str, Any] = {}
        self.authenticated = False
        self.body = b""
        self.body_bytes = 0
        self.body_sha256 = ""
        self.stored_sha256 = ""
        """Of the bytes as sent, when `body` is not them."""
        self.stored: StoredBody | None = None
        self.parts: Parts | None = None
        self.variables: dict[str, Any] = {}
        """What steps add to `trigger`: parts, formFields, event."""
        self.body_is_data = False
        """A CloudEvent in binary mode: the body is the event's data."""
        self.traceparent = ""
        self.dedup_hint = ""
        """The delivery's own id, from a signed or well-known place."""
        self.deduplication = ""
        self.fingerprint = ""
        self.reservation: Reservation | None = None
        self.execution: Execution | None = None
        self.claimed = ""
        """The execution that answers for this delivery, when it came before."""
        self.original: Execution | None = None
        """The same, to be asked what it answered."""
        self.unmet = ""
        """Why an item of a batch starts nothing."""
        self.items: list[Exchange] | None = None
        """The items of a batch, each on its own way through the last steps."""
        self.whole: Exchange | None = None
        """The delivery that this is an item of."""
        self.twin: Exchange | None = None
        """An earlier item of the same batch with the same deduplication key."""
        self.headers: dict[str, str] = {}
        """What steps add to the answer, whatever it is."""
        self.replay_of = ""
        self.large: tuple[LargeBody, ...] = ()
        """What was read of a large body, kept so that nobody reads it again."""

    def item(self, index: int, size: int, body: bytes) -> "Exchange":
        """One item of this delivery: the same request with a body of its own."""
        item = copy(self)
        for name in ("received", "redacted_body"):
            item.__dict__.pop(name, None)
        item.whole, item.body = self, body
        item.body_sha256 = self.body_sha256 or hashlib.sha256(self.body).hexdigest()
        item.dedup_hint = ""
        item.variables = {**self.variables, "batch": {"index": index, "size": size}}
        item.delivery_id = f"{self.delivery_id}.{index}" if index else self.delivery_id
        return item

    def redacted(self) -> "Exchange":
        """The delivery as it may be written down: without what `redact.pointers` names, and the digest it had."""
        pointers = self.settings.redaction.pointers
        variables = self.variables
        if pointers:
            variables = redact_events(variables, pointers, below=("data",) if self.body_is_data else ())
        if self.redacted_body is self.body and variables == self.variables:
            return self
        shown = copy(self)
        shown.__dict__.pop("received", None)
        shown.body_sha256 = self.body_sha256 or hashlib.sha256(self.body).hexdigest()
        shown.body = shown.redacted_body = self.redacted_body
        shown.variables = variables
        return shown

    @cached_property
    def redacted_body(self) -> bytes:
        """The body as it may be written down.

        Raises:
            Unredactable: What is to be replaced cannot be found.
        """
        return redact_body(self.body, *self.reading, self.settings.redaction)

    @property
    def reading(self) -> tuple[str, str]:
        """What says how to read the body: the content type, and the charset where that names none."""
        if self.whole is not None:
            return "application/json", ""  # we wrote the items of a batch ourselves
        return content_type(self.request.headers), self.settings.charset

    @property
    def body_data(self) -> Any:
        """The body as the flow sees it without redaction; None when there is none."""
        return body_value(self.body, *self.reading) if self.body else None

    def release(self) -> None:
        """Let go of what was reserved and not taken."""
        for one in (self, *(self.items or ())):
            if one.reservation is not None:
                one.reservation.release()

    @property
    def seconds(self) -> float:
        """The moment of this request in seconds since 1970."""
        return self.at / 1_000_000

    @cached_property
    def query(self) -> tuple[tuple[str, str], ...]:
        """Decoded query parameters in order, as forms encode them."""
        parts = (part.partition("=") for part in self.request.raw_query.split("&") if part)
        return tuple((unquote_plus(name), unquote_plus(value)) for name, _, value in parts)

    @cached_property
    def address(self) -> Any:
        """Who calls: the first hop that is none of our proxies; None when it cannot be known."""
        from hookledger.runtime.triggers.webhook.admission.ip import client_address

        return client_address(self.request.peer, self.request.headers, self._trusted)

    @property
    def behind_proxy(self) -> bool:
        """True when the connection comes from one of our proxies, whose word counts."""
        from hookledger.runtime.triggers.webhook.admission.ip import contains, parse_address

        peer = parse_address(self.request.peer) if self._trusted else None
        return peer is not None and contains(self._trusted, peer)

    @property
    def remote(self) -> str:
        """The caller's address for the journal."""
        if not self._trusted:
            return self.request.peer
        return str(self.address or self.request.peer)

    @property
    def webhook(self) -> str:
        """Namespace, flow and trigger."""
        return f"{self.match.flow.name}/{self.match.trigger.id}"

    @property
    def url(self) -> str:
        """The URL as the sender called it, for schemes that sign it.

        A trigger's `publicUrl` with a path is the whole URL: a proxy may give the webhook another path.
        """
        request = self.request
        own, _, own_query = self.settings.public_url.partition("?")
        if own.partition("://")[2].strip("/").count("/"):
            return _with_query(own, _joined(own_query, request.raw_query))
        base = self.public_url.rstrip("/") or f"{request.scheme}://{request.header('host') or 'localhost'}"
        return _with_query(f"{base}{request.raw_path}", request.raw_query)

    @cached_property
    def received(self) -> TriggerReceived:
        """The delivery as a flow would see it, before there is an execution."""
        flow, trigger = self.match.flow, self.match.trigger
        return TriggerReceived(
            sequence=0,
            at=self.at,
            namespace=flow.namespace,
            flow=flow.id,
            revision=flow.revision,
            source_sha256=flow.sha256,
            trigger=trigger.id,
            trigger_type=trigger.type,
            seed="",
            method=self.request.method,
            path=redact_path(self.request.raw_path),
            query=self.request.raw_query,
            headers=self.request.headers,
            body=self.body,
            body_sha256=self.body_sha256,
            charset=self.settings.charset,
            remote=self.remote,
            variables=self.variables,
            verification=self.verification,
        )

    def render(self, tree: Tree) -> Any:
        """Render what needs no delivery: secrets, keys.

        Raises:
            ExpressionError: It cannot be rendered.
        """
        variables = key_variables(self.engine, self.match.flow, self.match.trigger)
        return render_tree(tree, variables, self.engine.ports.ambient())

    def render_delivery(self, tree: Tree) -> Any:
        """Render what looks at the delivery.

        Raises:
            ExpressionError: It cannot be rendered.
        """
        variables = key_variables(self.engine, self.match.flow, self.match.trigger)
        trigger = {**variables["trigger"], **trigger_variables(self.received)}  # type: ignore[dict-item]
        return render_tree(tree, {**variables, "trigger": trigger}, self.engine.ports.ambient())

    @cached_property
    def safe_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers without credentials, and without the key and the parameters that URLs in them have."""
        kept, parameters = (
            redact_headers(self.request.headers, self.match.secret_headers),
            self.match.secret_parameters,
        )
        return tuple(
            (name, redact_key(redact_parameters(value, parameters), self._key)) for name, value in kept
        )

    @cached_property
    def safe_query(self) -> str:
        """The query without credentials, and without the key."""
        return redact_key(redact_query(self.request.raw_query, self.match.secret_parameters), self._key)

    @cached_property
    def _key(self) -> str:
        """The key that the URL has."""
        target = parse_path(self.request.raw_path)
        return target.key if target is not None else ""


def _with_query(url: str, query: str) -> str:
    return f"{url}?{query}" if query else url


def _joined(own: str, given: str) -> str:
    """The query of `publicUrl`, and what the request adds to it."""
    if not own or given.startswith(own):
        return given or own
    return f"{own}&{given}" if given else own
