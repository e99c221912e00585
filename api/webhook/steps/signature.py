"""`signature`: judged with the head of the request, fed while the body streams, decided when it is complete."""

import msgspec

from hookledger.api.identity.limits import SenderLimits
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.keysets import KeySets
from hookledger.api.webhook.refusal import Refused
from hookledger.api.webhook.steps.authenticate import slow_down
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.triggers.webhook import SignatureSettings
from hookledger.runtime.triggers.webhook.handshakes import TOKEN_CHARS_MAX, is_token
from hookledger.runtime.triggers.webhook.signatures import Algorithm, Reason, Verdict, Verifier


class SignatureHead:
    """Begin the check; a hopeless delivery is refused before its body is read."""

    name = "signature head"

    def __init__(
        self, settings: SignatureSettings, key_sets: KeySets, *, hashes_tokens: bool = False
    ) -> None:
        """`hashes_tokens`: a handshake of the trigger hashes what anybody gives it."""
        self._settings = settings
        self._key_sets = key_sets
        self._hashes_tokens = hashes_tokens

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
        if self._hashes_tokens:
            exchange.verifier = NoTokens(exchange.verifier)

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
        if entry is None or entry.wanted(now):
            await self._key_sets.fetch(uri, now)
        entry = self._key_sets.known.get(uri)
        if entry is None or not entry.keys:
            raise unavailable(f"no keys at {uri}")
        return list(entry.texts)


class NoTokens:
    """A check that takes no body which could be a token: the handshake gives its signature to whoever asks."""

    early: Verdict | None = None

    def __init__(self, check: Verifier) -> None:
        self._check = check
        self._start = bytearray()

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body, exactly as received."""
        self._start += chunk[: TOKEN_CHARS_MAX + 1 - len(self._start)]
        self._check.update(chunk)

    def finish(self) -> Verdict:
        """Give the verdict; more calls give the same one."""
        verdict = self._check.finish()
        if not verdict.accepted or not is_token(bytes(self._start)):
            return verdict
        return msgspec.structs.replace(verdict, accepted=False, reason=Reason.BODY_IS_A_TOKEN, key_index=None)


class SignatureVerdict:
    """Refuse a body that the signature does not fit; record who signed."""

    name = "signature"

    def __init__(self, settings: SignatureSettings, senders: SenderLimits) -> None:
        self._fixed = settings.scheme.recipe.algorithm is Algorithm.TOKEN
        self._senders = senders

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.verifier is None:
            return
        verdict = exchange.verifier.finish()
        if not verdict.accepted:
            raise refused(verdict)
        if self._fixed or verdict.preset == "GITLAB_TOKEN":
            slow_down(exchange, self._senders, ("token", exchange.match.flow.revision, verdict.key_index))
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
