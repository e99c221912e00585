"""`authentication`: who may knock. Signatures are another step; both must hold where both are set."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import msgspec

from hookledger.api.identity.limits import SenderLimits
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.keysets import KeySets
from hookledger.api.webhook.refusal import Refused
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.flow.templates import Tree
from hookledger.runtime.triggers.webhook.admission.authentication import (
    Authentication,
    AuthType,
    AuthVerdict,
    Credentials,
    NeedKeys,
    authenticate,
)

FETCHES_MAX = 4
GUESSABLE = frozenset({AuthType.BASIC, AuthType.BEARER, AuthType.HEADER, AuthType.QUERY})
"""The sender repeats a fixed secret; the other ways prove something new each time."""


class Authenticate:
    """401 with a challenge; 403 for credentials that are right and not allowed; 503 when ours are missing."""

    name = "authentication"

    def __init__(self, ways: Sequence[Tree], key_sets: KeySets, senders: SenderLimits) -> None:
        self._ways = ways
        self._key_sets = key_sets
        self._senders = senders

    async def __call__(self, exchange: Exchange) -> None:
        ways = self._rendered(exchange)
        verdict = await self._judge(ways, exchange)
        if not verdict.accepted:
            slug = "forbidden" if verdict.status == 403 else "unauthenticated"
            headers = {"WWW-Authenticate": verdict.challenge} if verdict.challenge else {}
            raise Refused(verdict.status, slug, f"authentication: {verdict.reason}", headers=headers)
        if verdict.way is not None and verdict.type in GUESSABLE:
            slow_down(exchange, self._senders, hash(msgspec.json.encode(ways[verdict.way])))
        exchange.authenticated = True
        kind = verdict.type.value if verdict.type else ""
        exchange.verification |= {"authentication": kind, "principal": verdict.principal or ""}

    def _rendered(self, exchange: Exchange) -> list[Authentication]:
        """One secret that cannot be rendered closes the whole webhook: nobody may slip in by another way."""
        try:
            rendered: list[Any] = [exchange.render(way) for way in self._ways]
            ways = [msgspec.convert(_texts(way), Authentication, strict=False) for way in rendered]
        except (ExpressionError, msgspec.ValidationError) as error:
            raise Refused(
                503, "verifier-unavailable", f"authentication: {_short(error)}", headers={"Retry-After": "60"}
            ) from error
        empty = [way.type.value for way in ways if _has_empty_secret(way)]
        if empty:
            raise Refused(
                503, "verifier-unavailable", f"authentication: {empty[0]} has an empty secret",
                headers={"Retry-After": "60"},
            )  # fmt: skip
        return ways

    async def _judge(self, ways: Sequence[Authentication], exchange: Exchange) -> AuthVerdict:
        for _ in range(FETCHES_MAX):
            credentials = Credentials(
                headers=exchange.request.headers,
                query=exchange.query,
                now=exchange.seconds,
                key_sets=self._key_sets.known,
                behind_proxy=exchange.behind_proxy,
            )
            outcome = authenticate(ways, credentials)
            if not isinstance(outcome, NeedKeys):
                return outcome
            await self._key_sets.fetch(outcome.jwks_uri, exchange.seconds)
        return AuthVerdict(accepted=False, status=401, reason="too many key sets")


def slow_down(exchange: Exchange, senders: SenderLimits, secret: Hashable) -> None:
    """Whoever guessed too often is told nothing, not even that the last guess was right.

    Raises:
        Refused: 429.
    """
    wait = 0 if exchange.dry else senders.right(exchange.webhook, exchange.remote, secret, exchange.seconds)
    if wait:
        raise Refused(429, "rate-limited", "too many failed checks", headers={"Retry-After": str(wait)})


def _texts(way: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in way.items() if value is not None}


def _has_empty_secret(way: Authentication) -> bool:
    secrets = (way.password, way.token, way.value, way.secret, way.public_key)
    return any(secret is not None and not secret.strip() for secret in secrets)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
