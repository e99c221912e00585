"""Records refused deliveries and answered handshakes, so that both can be explained later.

Anybody can be refused as often as he likes, so what is recorded is bounded: a bucket of records per trigger and one
for all of them together. What does not fit is counted, and the next record of the trigger says how many there were.
No body is kept, and no credential.
"""

from typing import Final

from hookledger.actors.engine import Engine
from hookledger.api.http import HttpRequest
from hookledger.api.sampling import Sampling
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.refusal import Refused
from hookledger.journal.errors import JournalPoisoned
from hookledger.journal.events import DeliveryRejected, HandshakeAnswered
from hookledger.journal.journal import Ticket
from hookledger.runtime.triggers.webhook.admission.ratelimit import Rate

PER_TRIGGER: Final = Rate(per_second=0.2, burst=50.0)
TOGETHER: Final = Rate(per_second=2.0, burst=500.0)
HEADERS_MAX: Final = 64
HEADER_CHARS_MAX: Final = 1024
REASON_CHARS_MAX: Final = 500


class Rejections:
    """Writes to the system stream within bounds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sampling = Sampling(engine.ports.clock, each=PER_TRIGGER, together=TOGETHER)

    def unreachable(self, request: HttpRequest, delivery_id: str) -> None:
        """A request that named no webhook; nothing of its path is kept, for it may be half a key."""
        self._append(
            "", delivery_id, "", "", "", request.method, request.peer, 404, "no webhook has this key"
        )

    def refused(self, exchange: Exchange, refused: Refused) -> None:
        """A request that was stopped by a step."""
        match = exchange.match
        self._append(
            f"{match.flow.name}/{match.trigger.id}",
            exchange.delivery_id,
            match.flow.namespace,
            match.flow.id,
            match.trigger.id,
            exchange.request.method,
            exchange.remote,
            refused.status,
            refused.reason,
            headers=bounded(exchange.safe_headers),
            body_bytes=exchange.body_bytes,
            body_sha256=exchange.body_sha256,
        )

    def handshake(self, exchange: Exchange, kind: str, status: int) -> Ticket:
        """A sender's question that was answered; the answer waits until this is durable."""
        match = exchange.match
        return self._engine.journal.append_system(
            lambda sequence, at: HandshakeAnswered(
                sequence=sequence,
                at=at,
                delivery=exchange.delivery_id,
                namespace=match.flow.namespace,
                flow=match.flow.id,
                trigger=match.trigger.id,
                handshake=kind,
                status=status,
                remote=exchange.remote,
            )
        )

    def _append(
        self,
        scope: str,
        delivery: str,
        namespace: str,
        flow: str,
        trigger: str,
        method: str,
        remote: str,
        status: int,
        reason: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body_bytes: int = 0,
        body_sha256: str = "",
    ) -> None:
        suppressed = self._sampling.admit(scope, scope)
        if suppressed is None:
            return
        try:
            self._engine.journal.append_system(
                lambda sequence, at: DeliveryRejected(
                    sequence=sequence,
                    at=at,
                    delivery=delivery,
                    status=status,
                    reason=reason[:REASON_CHARS_MAX],
                    namespace=namespace,
                    flow=flow,
                    trigger=trigger,
                    method=method[:20],
                    remote=remote,
                    headers=headers,
                    body_bytes=body_bytes,
                    body_sha256=body_sha256,
                    suppressed=suppressed,
                )
            )
        except JournalPoisoned:
            return  # the refusal stands; the handler says that the journal has stopped


def bounded(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The first headers, cut."""
    return tuple((name[:128], value[:HEADER_CHARS_MAX]) for name, value in headers[:HEADERS_MAX])
