"""`rateLimit`: how often a trigger may start something, and how many deliveries it takes at once."""

from hookledger.actors.off_loop import rendering
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.refusal import Refused
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.flow.templates import Tree, compile_tree
from hookledger.runtime.triggers.webhook.admission.ratelimit import Buckets, Per, RateLimit, rate_of


class RateLimited:
    """429 with Retry-After once the bucket is empty. Only deliveries that passed every check are counted."""

    name = "rateLimit"

    def __init__(self, limit: RateLimit, buckets: Buckets) -> None:
        self._buckets = buckets
        self._per = limit.per
        self._tree: Tree = None if limit.per in Per.__members__ else compile_tree(limit.per)

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.dry:
            return
        key = await rendering(lambda: self._key(exchange))
        allowed, wait = self._buckets.take(key, exchange.seconds)
        exchange.headers |= self._buckets.headers(key, exchange.seconds)
        if not allowed:
            raise Refused(
                429, "rate-limited", f"rateLimit per {self._per}", headers={"Retry-After": str(wait)}
            )

    def _key(self, exchange: Exchange) -> str:
        if self._per == Per.IP:
            return str(exchange.address)
        if self._tree is None:
            return ""
        try:
            return str(exchange.render_delivery(self._tree))[:256]
        except ExpressionError as error:
            raise Refused(422, "condition-error", f"rateLimit.per: {error}") from error


def buckets_of(limit: RateLimit) -> Buckets:
    """Fresh buckets for a limit."""
    return Buckets(rate_of(limit))
