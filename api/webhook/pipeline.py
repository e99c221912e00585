"""From a trigger's settings to the steps its requests go through, built once per flow revision.

The order is the order of cost and of trust: nothing of the body is read before the head of the request is known to
be good, nothing is parsed before the signature is right, nothing is claimed before the content is acceptable. A
plain webhook has four steps.
"""

from collections.abc import Awaitable, Iterator
from typing import Protocol

import msgspec

from hookledger.actors.engine import Engine
from hookledger.api.identity.limits import SenderLimits
from hookledger.api.webhook.certificates import Certificates
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.files import Files
from hookledger.api.webhook.keysets import Fetch, KeySets
from hookledger.api.webhook.rejections import Rejections
from hookledger.api.webhook.repetitions import Repetitions
from hookledger.api.webhook.route import Match
from hookledger.api.webhook.steps.body import DeclaredSize, reader_of
from hookledger.api.webhook.steps.methods import Methods, NoBareOptions
from hookledger.api.webhook.steps.start import Admission, Start, Trace
from hookledger.api.webhook.waiting import Waiting
from hookledger.runtime.flow.templates import source_of
from hookledger.runtime.triggers.webhook import WebhookSettings
from hookledger.runtime.triggers.webhook.admission.ratelimit import Buckets


class Step(Protocol):
    """One rule."""

    name: str

    def __call__(self, exchange: Exchange, /) -> Awaitable[None]:
        """Return to let the request go on; raise Refused or Answered to end it."""
        ...


class WebhookLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a server allows any webhook."""

    body_bytes_max: int
    """Without a `bodyLimit` of the trigger's own."""
    wait_seconds_max: float
    body_bytes_ceiling: int = 1024**3
    """What a trigger's `bodyLimit` may ask for."""
    executions_max: int = 10_000
    """Live executions; more deliveries are answered with 503."""
    pending_max: int = 1_000
    """Requests to webhooks under way at once."""


class Desk:
    """What the pipelines of one server share."""

    def __init__(
        self, engine: Engine, limits: WebhookLimits, *, files: Files | None = None, fetch: Fetch | None = None
    ) -> None:
        self.engine = engine
        self.limits = limits
        self.files = files
        self.key_sets = KeySets(fetch)
        self.certificates = Certificates(fetch)
        self.waiting = Waiting(engine, limits.wait_seconds_max)
        self.rejections = Rejections(engine)
        self.repetitions = Repetitions(engine)
        self.senders = SenderLimits()
        self._buckets: dict[tuple[str, bytes], Buckets] = {}

    def buckets(self, name: str, settings: WebhookSettings) -> Buckets:
        """The buckets of a trigger's `rateLimit`; a new revision with the same limit goes on with them."""
        from hookledger.api.webhook.steps.rate import buckets_of

        limit = settings.rate_limit
        assert limit is not None
        key = (name, msgspec.json.encode(limit))
        if key not in self._buckets:
            self._buckets = {old: kept for old, kept in self._buckets.items() if old[0] != name}
            self._buckets[key] = buckets_of(limit)
        return self._buckets[key]


class Pipeline:
    """The steps of one trigger."""

    def __init__(self, revision: int, steps: tuple[Step, ...], pending_max: int) -> None:
        self.revision = revision
        self.steps = steps
        self.pending_max = pending_max
        self.pending = 0

    async def run(self, exchange: Exchange) -> None:
        """Take every step; the execution is begun when this returns.

        Raises:
            Refused, Answered: A step ended it.
        """
        for step in self.steps:
            await step(exchange)


def build(match: Match, desk: Desk) -> Pipeline:
    """Make the pipeline of a trigger."""
    settings = match.settings
    name = f"{match.flow.name}/{match.trigger.id}"
    steps = (*_head(settings, desk), *_body(settings, desk), *_admission(settings, desk, name))
    return Pipeline(match.flow.revision, tuple(steps), settings.max_pending)


def _head(settings: WebhookSettings, desk: Desk) -> Iterator[Step]:
    """What can be decided before the body arrives."""
    methods = Methods(settings)
    yield methods
    if settings.allowed_ips:
        from hookledger.api.webhook.steps.addresses import AllowedAddresses

        yield AllowedAddresses(settings.allowed_ips)
    if settings.authentication or settings.signature is not None:
        limit = min(settings.body_limit or desk.limits.body_bytes_max, desk.limits.body_bytes_ceiling)
        if settings.fetch != "STORE":
            yield DeclaredSize(limit)
    if settings.handshakes:
        from hookledger.api.webhook.steps.handshake import Handshakes

        yield Handshakes(settings.handshakes, settings.signature, verified=False)
    if settings.cors is not None or settings.handshakes:
        yield NoBareOptions(methods)
    if settings.authentication:
        from hookledger.api.webhook.steps.authenticate import Authenticate

        yield Authenticate(settings.authentication, desk.key_sets, desk.senders)
    if settings.signature is not None:
        from hookledger.api.webhook.steps.signature import SignatureHead

        yield SignatureHead(settings.signature, desk.key_sets, hashes_tokens=_hashes_tokens(settings))


def _body(settings: WebhookSettings, desk: Desk) -> Iterator[Step]:
    """The body, and whether it is what it should be."""
    limits = desk.limits
    yield reader_of(settings, limits.body_bytes_max, limits.body_bytes_ceiling, desk.files)
    if settings.signature is not None:
        from hookledger.api.webhook.steps.signature import SignatureVerdict

        yield SignatureVerdict(settings.signature, desk.senders)
    if settings.fetch == "FETCH":
        from hookledger.api.webhook.steps.content import ReadBodyValue

        yield ReadBodyValue()
    yield from _handshakes(settings, desk)
    if settings.accept or settings.strict_json or settings.schema or settings.cloud_events != "OFF":
        yield from _content(settings)


def _handshakes(settings: WebhookSettings, desk: Desk) -> Iterator[Step]:
    if not settings.handshakes:
        return
    from hookledger.api.webhook.steps.handshake import Handshakes, SnsMessages

    for tree in settings.handshakes:
        if source_of(tree).get("type") == "SNS":
            yield SnsMessages(tree, desk.certificates)
    yield Handshakes(settings.handshakes, settings.signature, verified=True)


def _hashes_tokens(settings: WebhookSettings) -> bool:
    """Whether a handshake answers with the HMAC of what the caller gives it."""
    if not settings.handshakes:
        return False
    from hookledger.runtime.triggers.webhook.handshakes import PROVEN

    return any(source_of(tree).get("type") in PROVEN for tree in settings.handshakes)


def _content(settings: WebhookSettings) -> Iterator[Step]:
    from hookledger.api.webhook.steps.content import Accept, CloudEventsStep, SchemaStep, StrictJson

    if settings.accept:
        yield Accept(settings.accept)
    if settings.strict_json:
        yield StrictJson()
    if settings.cloud_events != "OFF":
        yield CloudEventsStep(settings.cloud_events)
    if settings.schema is not None:
        yield SchemaStep(settings.schema)


def _admission(settings: WebhookSettings, desk: Desk, name: str) -> Iterator[Step]:
    """Whether something begins."""
    yield Trace()
    if settings.batch is not None or settings.cloud_events != "OFF":
        yield from _each(settings, desk, name)
        return
    if settings.deduplication is not None:
        from hookledger.api.webhook.steps.deduplicate import Deduplicate

        yield Deduplicate(settings, desk.waiting, desk.repetitions)
    yield from _rate(settings, desk, name)
    yield Admission(desk.limits.executions_max)
    yield Start(desk.files)


def _each(settings: WebhookSettings, desk: Desk, name: str) -> Iterator[Step]:
    """The same for deliveries that may be a batch."""
    from hookledger.api.webhook.steps.batch import DeduplicateEach, Split, StartEach

    yield Split(settings.batch, waits=settings.wait)
    if settings.deduplication is not None:
        from hookledger.api.webhook.steps.deduplicate import Deduplicate

        yield DeduplicateEach(Deduplicate(settings, desk.waiting, desk.repetitions))
    yield from _rate(settings, desk, name)
    yield Admission(desk.limits.executions_max)
    yield StartEach(Start(desk.files))


def _rate(settings: WebhookSettings, desk: Desk, name: str) -> Iterator[Step]:
    if settings.rate_limit is not None:
        from hookledger.api.webhook.steps.rate import RateLimited

        yield RateLimited(settings.rate_limit, desk.buckets(name, settings))
