"""`deduplication`: a delivery that came before starts nothing and gets the answer that the first one got.

The key is the author's expression, else the sender's own delivery id, else the header Idempotency-Key; never the
body, unless the author writes so: two equal deliveries may well mean two things.
"""

import hashlib
from typing import Any, Final

import msgspec

from hookledger.actors.claims import Reservation
from hookledger.actors.operators import Repeated
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.refusal import Answered, Refused
from hookledger.api.webhook.repetitions import Repetitions
from hookledger.api.webhook.waiting import Waiting
from hookledger.journal.deliveries import Claim, scope_of
from hookledger.journal.errors import ExecutionUnknown
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.triggers.webhook import Deduplication, WebhookSettings
from hookledger.runtime.triggers.webhook.signatures import DedupSource

KEY_CHARS_MAX: Final = 512
TRIES_MAX: Final = 3


class Deduplicate:
    """Claims a key, or answers as the claim's execution did."""

    name = "deduplication"

    def __init__(self, settings: WebhookSettings, waiting: Waiting, repetitions: Repetitions) -> None:
        assert settings.deduplication is not None
        self._settings: Deduplication = settings.deduplication
        self._source = settings.signature.scheme.dedup if settings.signature else DedupSource()
        self._waiting = waiting
        self._repetitions = repetitions

    async def __call__(self, exchange: Exchange) -> None:
        key = self._key(exchange)
        if not key:
            if self._settings.required:
                raise Refused(400, "idempotency-key-required", "no deduplication key")
            return
        exchange.deduplication, exchange.fingerprint = key, fingerprint(exchange)
        for _ in range(TRIES_MAX):
            claim = await self._claim(exchange, key)
            if claim is None:
                return
            await self._repeat(exchange, claim)
        raise Refused(503, "overloaded", "the claimed execution is gone", headers={"Retry-After": "1"})

    async def _claim(self, exchange: Exchange, key: str) -> Claim | None:
        """None when this delivery is the first; then the right to start is the exchange's."""
        flow, trigger = exchange.match.flow, exchange.match.trigger
        scope, claims = scope_of(flow.namespace, flow.id, trigger.id), exchange.engine.claims
        if exchange.dry:
            return await claims.look(scope, key, exchange.at)
        outcome = await claims.reserve(scope, key, exchange.at)
        if isinstance(outcome, Reservation):
            exchange.reservation = outcome
            return None
        return outcome

    async def _repeat(self, exchange: Exchange, claim: Claim) -> None:
        same = claim.fingerprint == exchange.fingerprint
        if self._settings.fingerprint and not same:
            self._note(exchange, claim, same, "mismatch")
            raise Refused(422, "idempotency-mismatch", f"same key as {claim.execution}, another body")
        if exchange.dry:
            raise Answered(json_response({"id": claim.execution}), f"duplicate of {claim.execution}")
        if self._settings.on_duplicate == "IGNORE":
            self._note(exchange, claim, same, "ignored")
            raise Answered(replayed(json_response({"id": claim.execution})), "duplicate")
        try:
            execution = await exchange.engine.attach(claim.execution)
        except ExecutionUnknown:
            exchange.engine.claims.forget(claim)
            return
        if self._settings.on_duplicate == "REJECT" and not execution.ended:
            self._note(exchange, claim, same, "rejected")
            raise Refused(
                409, "duplicate-in-flight", f"{claim.execution} has not ended", headers={"Retry-After": "1"},
                more={"executionId": claim.execution},
            )  # fmt: skip
        self._note(exchange, claim, same, "replayed" if execution.ended else "joined")
        response = await self._waiting.answer(execution, exchange.settings, exchange.request)
        raise Answered(replayed(response), "duplicate")

    def _note(self, exchange: Exchange, claim: Claim, same: bool, answered: str) -> None:
        flow, trigger = exchange.match.flow, exchange.match.trigger
        command = Repeated(
            by=f"webhook:{flow.name}/{trigger.id}",
            delivery=exchange.delivery_id,
            body_same=same,
            answered=answered,
            remote=exchange.remote,
        )
        self._repetitions.note(claim.execution, command)

    def _key(self, exchange: Exchange) -> str:
        if self._settings.key is not None:
            try:
                return shortened(str(exchange.render_delivery(self._settings.key) or "").strip())
            except ExpressionError as error:
                raise Refused(422, "condition-error", f"deduplication.key: {error}") from error
        known = exchange.dedup_hint or self._in_body(exchange) or idempotency_key(exchange)
        return shortened(known)

    def _in_body(self, exchange: Exchange) -> str:
        """The delivery id that the preset's sender puts into the JSON body."""
        if not self._source.body or not exchange.body:
            return ""
        try:
            value: Any = msgspec.json.decode(exchange.body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return ""
        for name in self._source.body:
            value = value.get(name) if isinstance(value, dict) else None
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def idempotency_key(exchange: Exchange) -> str:
    """The header Idempotency-Key, quoted (as the IETF draft has it) or bare."""
    values = exchange.request.header_all("idempotency-key")
    if len(values) > 1:
        raise Refused(400, "idempotency-key-required", "several Idempotency-Key headers")
    return values[0].strip().strip('"') if values else ""


def shortened(key: str) -> str:
    """A long key is kept as its digest: keys are an index."""
    if len(key) <= KEY_CHARS_MAX:
        return key
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(exchange: Exchange) -> str:
    """What must be the same in a repetition: the bytes of the body."""
    return exchange.body_sha256 or hashlib.sha256(exchange.body).hexdigest()


def replayed(response: HttpResponse) -> HttpResponse:
    """Mark an answer as given before."""
    return response.with_headers({"Idempotency-Replayed": "true"})
