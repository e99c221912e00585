"""The webhook's core. It takes plain values and returns plain values; it knows no web framework.

Finds the trigger, runs its pipeline and turns the outcome into an answer. Whatever a caller sends, the answer is one
of the documented ones.
"""

from typing import Final

from hookledger.actors.engine import Engine
from hookledger.actors.ids import new_id
from hookledger.api.http import HttpRequest, HttpResponse, journal_stopped, problem
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.files import Files
from hookledger.api.webhook.keysets import Fetch
from hookledger.api.webhook.pipeline import Desk, Pipeline, WebhookLimits, build
from hookledger.api.webhook.refusal import Answered, Refused
from hookledger.api.webhook.route import Match, find, parse_path
from hookledger.api.webhook.steps.body import discard
from hookledger.api.webhook.steps.start import Unmet
from hookledger.journal.errors import JournalPoisoned
from hookledger.runtime.triggers.webhook.admission.ip import Network

NOT_FOUND: Final = "no webhook is reachable here; check namespace, flow id and key"
UNRECORDED: Final = frozenset({"preflight", "options", "duplicate"})
"""Answers that are not handshakes: nothing is written for them here."""


__all__ = ["WebhookHandler", "WebhookLimits"]


class WebhookHandler:
    """Answers requests to webhook URLs."""

    def __init__(
        self,
        engine: Engine,
        limits: WebhookLimits,
        public_url: str = "",
        *,
        trusted: tuple[Network, ...] = (),
        files: Files | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self.desk = Desk(engine, limits, files=files, fetch=fetch)
        self._engine = engine
        self._limits = limits
        self.public_url = public_url
        self._trusted = trusted
        self._pipelines: dict[tuple[str, str], Pipeline] = {}
        self._pending = 0

    async def run(self) -> None:
        """Background work: what is written down after the answer. For ever."""
        await self.desk.repetitions.run()

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request. Never raises for anything a caller can send, except that he hung up.

        Raises:
            ClientGone: Nobody is left to answer.
        """
        delivery_id = new_id(self._engine.ports.clock, self._engine.ports.entropy)
        self._pending += 1
        try:
            response = await self._answer(request, delivery_id)
        except JournalPoisoned:  # the journal itself has told the log why
            response = journal_stopped()
        finally:
            self._pending -= 1
        return response.with_headers({"X-Delivery-Id": delivery_id})

    def exchange(
        self, request: HttpRequest, match: Match, delivery_id: str, *, dry: bool = False
    ) -> Exchange:
        """A request on its way, with this server's surroundings."""
        made = Exchange(
            self._engine,
            request,
            match,
            delivery_id,
            trusted=self._trusted,
            public_url=self.public_url,
            dry=dry,
        )
        if match.settings.previous_keys:
            made.verification["urlKeyIndex"] = match.key_index
        return made

    def pipeline(self, match: Match) -> Pipeline:
        """The steps of a trigger; built again when its flow has a new revision."""
        key = (match.flow.name, match.trigger.id)
        pipeline = self._pipelines.get(key)
        if pipeline is None or pipeline.revision != match.flow.revision:
            pipeline = self._pipelines[key] = build(match, self.desk)
        return pipeline

    async def _answer(self, request: HttpRequest, delivery_id: str) -> HttpResponse:
        if self._pending > self._limits.pending_max:
            return Refused(503, "overloaded", headers={"Retry-After": "1"}).answer(delivery_id)
        match = find(self._engine, parse_path(request.raw_path))
        if match is None:
            self.desk.rejections.unreachable(request, delivery_id)
            return problem(404, NOT_FOUND, more={"code": "not-found"})
        exchange = self.exchange(request, match, delivery_id)
        response = await self._taken(exchange, self.pipeline(match))
        response = response.with_headers(exchange.headers)
        cors = match.settings.cors
        if cors is None or request.method == "OPTIONS":
            return response
        from hookledger.runtime.triggers.webhook.admission.cors import actual

        return response.with_headers(dict(actual(cors, request.header("origin"))))

    async def _taken(self, exchange: Exchange, pipeline: Pipeline) -> HttpResponse:
        pipeline.pending += 1
        try:
            self._reachable(exchange.match, pipeline)
            await pipeline.run(exchange)
            if exchange.items is not None:
                return await self._each(exchange, exchange.items)
            execution = exchange.execution
            assert execution is not None, "the last step starts an execution or ends the pipeline"
            return await self.desk.waiting.answer(execution, exchange.settings, exchange.request)
        except Refused as refused:
            return self._refused(exchange, refused)
        except Answered as answered:
            return await self._answered(exchange, answered)
        finally:
            pipeline.pending -= 1
            exchange.release()
            if exchange.execution is None and (exchange.stored or exchange.parts):
                discard(exchange)

    async def _each(self, exchange: Exchange, items: list[Exchange]) -> HttpResponse:
        """The answer for a batch; what no condition met is recorded like any delivery that starts nothing."""
        for item in items:
            if item.unmet and exchange.settings.record == "ALL":
                self.desk.rejections.refused(item, Refused(204, "condition-unmet", item.unmet))
        return await self.desk.waiting.answer_each(items)

    @staticmethod
    def _reachable(match: Match, pipeline: Pipeline) -> None:
        if match.expired:
            raise Refused(410, "key-retired", "a previous key", detail="this webhook has another key now")
        if match.unusable:
            detail = f"the flow {match.flow.name} no longer loads on this server; its operator can see why"
            raise Refused(409, "flow-unusable", match.unusable, detail=detail)
        if match.flow.disabled:
            reason = f"the flow {match.flow.name} is disabled"
            raise Refused(409, "flow-unusable", reason, detail=reason)
        if match.trigger.disabled:
            reason = f"the trigger {match.trigger.id} of {match.flow.name} is disabled"
            raise Refused(409, "flow-unusable", reason, detail=reason)
        if pipeline.pending_max and pipeline.pending > pipeline.pending_max:
            raise Refused(503, "overloaded", "maxPending", headers={"Retry-After": "1"})

    def _refused(self, exchange: Exchange, refused: Refused) -> HttpResponse:
        """A caller whose checks keep failing empties a bucket of his own, and never anybody else's."""
        recorded = exchange.settings.record == "ALL"
        if refused.status in (401, 403) and not exchange.authenticated:
            allowed, wait = self.desk.senders.failed(exchange.webhook, exchange.remote, exchange.seconds)
            if not allowed:
                headers = {"Retry-After": str(wait)}
                refused = Refused(429, "rate-limited", refused.reason, headers=headers)
        if recorded:
            self.desk.rejections.refused(exchange, refused)
        return refused.answer(exchange.delivery_id)

    async def _answered(self, exchange: Exchange, answered: Answered) -> HttpResponse:
        if isinstance(answered, Unmet):
            if exchange.settings.record == "ALL":
                refused = Refused(answered.response.status, "condition-unmet", answered.kind)
                self.desk.rejections.refused(exchange, refused)
        elif answered.kind not in UNRECORDED and exchange.settings.record != "NONE":
            ticket = self.desk.rejections.handshake(exchange, answered.kind, answered.response.status)
            await ticket.durable()
        return answered.response
