"""`signature`: judged with the head of the request, fed while the body streams, decided when it is complete."""

from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.keysets import KeySets
from hookledger.api.webhook.refusal import Refused
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.triggers.webhook import SignatureSettings
from hookledger.runtime.triggers.webhook.signatures import Verdict


class SignatureHead:
    """Begin the check; a hopeless delivery is refused before its body is read."""

    name = "signature head"

    def __init__(self, settings: SignatureSettings, key_sets: KeySets) -> None:
        self._settings = settings
        self._key_sets = key_sets

    async def __call__(self, exchange: Exchange) -> None:
        scheme, request = self._settings.scheme, exchange.request
        if not scheme.covers(request.method):
            return
        secrets, public_keys = await self._keys(exchange)
        exchange.verifier = scheme.begin(
            method=request.method,
            url=exchange.url,
            headers=request.headers,
            now=exchange.seconds,
            secrets=secrets,
            public_keys=public_keys,
        )
        if exchange.verifier.early is not None:
            raise refused(exchange.verifier.early)

    async def _keys(self, exchange: Exchange) -> tuple[list[str], list[str]]:
        try:
            secrets = [str(exchange.render(tree)) for tree in self._settings.secrets]
            public = [str(exchange.render(tree)) for tree in self._settings.public_keys]
        except ExpressionError as error:
            raise unavailable(str(error).splitlines()[0][:200]) from error
        if self._settings.jwks_uri is not None:
            public += await self._fetched(self._settings.jwks_uri, exchange.seconds)
        return secrets, public

    async def _fetched(self, uri: str, now: float) -> list[str]:
        entry = self._key_sets.known.get(uri)
        if entry is None or now - entry.fetched_at > (3600 if entry.keys else 60):
            await self._key_sets.fetch(uri, now)
        entry = self._key_sets.known.get(uri)
        if entry is None or not entry.keys:
            raise unavailable(f"no keys at {uri}")
        return list(entry.texts)


class SignatureVerdict:
    """Refuse a body that the signature does not fit; record who signed."""

    name = "signature"

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.verifier is None:
            return
        verdict = exchange.verifier.finish()
        if not verdict.accepted:
            raise refused(verdict)
        exchange.authenticated = True
        exchange.verification |= recorded(verdict)
        exchange.dedup_hint = verdict.delivery_id or ""


def recorded(verdict: Verdict) -> dict[str, object]:
    """What the journal keeps of an accepted check; never the signature."""
    known = {
        "preset": verdict.preset,
        "scheme": verdict.scheme,
        "keyIndex": verdict.key_index,
        "timestamp": verdict.timestamp,
        "deliveryId": verdict.delivery_id,
    }
    return {name: value for name, value in known.items() if value is not None}


def refused(verdict: Verdict) -> Refused:
    """One 401 for every reason; 503 when our own secret is at fault."""
    reason = verdict.reason.value if verdict.reason else "refused"
    if verdict.unavailable:
        return unavailable(reason)
    return Refused(401, "signature-invalid", reason, headers={"WWW-Authenticate": "Signature"})


def unavailable(reason: str) -> Refused:
    """The trigger cannot check anything: it fails closed, and the sender tries again later."""
    return Refused(503, "verifier-unavailable", f"signature: {reason}", headers={"Retry-After": "60"})
