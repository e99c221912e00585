"""`deduplication`: a delivery that came before starts nothing and gets the answer that the first one got.

The key is the author's expression, else the sender's own delivery id, else the header Idempotency-Key; never the
body, unless the author writes so: two equal deliveries may well mean two things.
"""

import hashlib
from typing import Final

from hookledger.actors.claims import Reservation
from hookledger.actors.off_loop import rendering
from hookledger.actors.operators import Repeated
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.refusal import Answered, Refused
from hookledger.api.webhook.repetitions import Repetitions
from hookledger.api.webhook.waiting import Waiting
from hookledger.journal.deliveries import Claim, scope_of
from hookledger.journal.errors import ExecutionDamaged, ExecutionUnknown
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.triggers.webhook import Deduplication, Redaction, WebhookSettings
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
        await self.identify(exchange)
        if exchange.deduplication:
            await self.settle(exchange)
        if not exchange.claimed:
            return
        if exchange.dry:
            raise Answered(json_response({"id": exchange.claimed}), f"duplicate of {exchange.claimed}")
        if exchange.original is None:
            raise Answered(replayed(json_response({"id": exchange.claimed})), "duplicate")
        response = await self._waiting.answer(exchange.original, exchange.settings, exchange.request)
        raise Answered(replayed(response), "duplicate")

    async def identify(self, exchange: Exchange) -> None:
        """Say which key a delivery has, if any."""
        exchange.deduplication = await rendering(lambda: self._key(exchange))
        exchange.fingerprint = fingerprint(exchange)
        if not exchange.deduplication and self._settings.required:
            raise Refused(400, "idempotency-key-required", "no deduplication key")

    async def settle(self, exchange: Exchange) -> None:
        """Reserve the key, or find the execution that answers for it: `claimed`, and `original` to be asked."""
        for _ in range(TRIES_MAX):
            claim = await self._claim(exchange, exchange.deduplication)
            if claim is None or await self._found(exchange, claim):
                return
        raise Refused(503, "overloaded", "the claimed execution is gone", headers={"Retry-After": "1"})

    def agree(self, exchange: Exchange, known: str, who: str) -> bool:
        """True when it is the same body; otherwise 422, unless the author does not mind."""
        same = known == exchange.fingerprint
        if self._settings.fingerprint and not same:
            raise Refused(422, "idempotency-mismatch", f"same key as {who}, another body")
        return same

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

    async def _found(self, exchange: Exchange, claim: Claim) -> bool:
        """False when the claim's execution is gone: then the key is free."""
        try:
            same = self.agree(exchange, claim.fingerprint, claim.execution)
        except Refused:
            self._note(exchange, claim, False, "mismatch")
            raise
        if exchange.dry:
            exchange.claimed = claim.execution
            return True
        try:
            execution = await exchange.engine.attach(claim.execution)
        except ExecutionUnknown:
            exchange.engine.claims.forget(claim)
            return False
        except ExecutionDamaged as error:
            raise self._damaged(claim) from error
        if claim.execution in exchange.engine.quarantined:
            raise self._damaged(claim)
        if self._settings.on_duplicate == "IGNORE":
            await execution.accepted()
            self._note(exchange, claim, same, "ignored")
            exchange.claimed = claim.execution
            return True
        if self._settings.on_duplicate == "REJECT" and not execution.ended:
            self._note(exchange, claim, same, "rejected")
            raise Refused(
                409, "duplicate-in-flight", f"{claim.execution} has not ended", headers={"Retry-After": "1"},
                more={"executionId": claim.execution},
            )  # fmt: skip
        self._note(exchange, claim, same, "replayed" if execution.ended else "joined")
        exchange.claimed, exchange.original = claim.execution, execution
        return True

    @staticmethod
    def _damaged(claim: Claim) -> Refused:
        """The key is taken by an execution that nobody can answer for; what is wrong with it is the operator's."""
        reason = f"{claim.execution}, which the key belongs to, is damaged"
        return Refused(409, "execution-damaged", reason, more={"executionId": claim.execution})

    def _note(self, exchange: Exchange, claim: Claim, same: bool, answered: str) -> None:
        if exchange.dry or exchange.settings.record == "NONE":
            return
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
                key = str(exchange.render_delivery(self._settings.key) or "").strip()
                # The key is recorded, and may be made of the very thing that is not to be written down.
                hidden = exchange.settings.redaction != Redaction()
                return digest_of(key) if key and hidden else shortened(key)
            except ExpressionError as error:
                raise Refused(422, "condition-error", f"deduplication.key: {error}") from error
        own = exchange.dedup_hint or self._in_body(exchange)
        return shortened(own or self._given(exchange))

    @staticmethod
    def _given(exchange: Exchange) -> str:
        """What the sender says beside the body; it names a whole batch, so an item's place goes with it."""
        whole = exchange.whole
        if whole is None:
            return idempotency_key(exchange)
        known = whole.dedup_hint or idempotency_key(whole)
        return f"{known}#{exchange.variables['batch']['index']}" if known else ""

    def _in_body(self, exchange: Exchange) -> str:
        """The delivery id that the preset's sender puts into the JSON body."""
        if not self._source.body:
            return ""
        value = exchange.body_data
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
    return key if len(key) <= KEY_CHARS_MAX else digest_of(key)


def digest_of(key: str) -> str:
    """What stands for a key."""
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(exchange: Exchange) -> str:
    """What must be the same in a repetition: the bytes of the body, of an item the item alone."""
    if exchange.whole is not None:
        return hashlib.sha256(exchange.body).hexdigest()
    return exchange.body_sha256 or hashlib.sha256(exchange.body).hexdigest()


def replayed(response: HttpResponse) -> HttpResponse:
    """Mark an answer as given before."""
    return response.with_headers({"Idempotency-Replayed": "true"})
