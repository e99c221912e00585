"""A scheme ready for use: a recipe, and the one entry point that checks deliveries with it."""

from collections.abc import Callable, Sequence

import msgspec

from hookledger.runtime.triggers.webhook.signatures.keys import Secrets
from hookledger.runtime.triggers.webhook.signatures.messages import begin_messages
from hookledger.runtime.triggers.webhook.signatures.model import DedupSource, Verdict
from hookledger.runtime.triggers.webhook.signatures.presets import PRESETS
from hookledger.runtime.triggers.webhook.signatures.recipe import Kind, Recipe
from hookledger.runtime.triggers.webhook.signatures.request import Incoming
from hookledger.runtime.triggers.webhook.signatures.twilio import begin_twilio
from hookledger.runtime.triggers.webhook.signatures.verifier import BUFFER_BYTES_MAX, Verifier, begin_generic
from hookledger.runtime.triggers.webhook.signatures.wire import Headers, HeaderTable

Begin = Callable[..., Verifier]
BEGIN: dict[Kind, Begin] = {
    Kind.GENERIC: begin_generic,
    Kind.TWILIO: begin_twilio,
    Kind.RFC9421: begin_messages,
}


class Scheme(msgspec.Struct, frozen=True):
    """How one trigger's deliveries are signed."""

    recipe: Recipe

    @property
    def dedup(self) -> DedupSource:
        """Where the sender's own delivery id is, for the default deduplication key."""
        return self.recipe.dedup

    def covers(self, method: str) -> bool:
        """Say whether requests of this method are checked at all."""
        return self.recipe.methods is None or method.upper() in self.recipe.methods

    def begin(
        self,
        *,
        method: str,
        url: str,
        headers: Headers,
        now: float,
        secrets: Sequence[str] = (),
        public_keys: Sequence[str] = (),
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
    ) -> Verifier:
        """Judge the head of a request and return the check to feed with its body.

        Args:
            method: HTTP method.
            url: The public URL as the sender called it (configuration or trusted
                proxy headers), never the bare Host header.
            headers: Every header line, in order, names in any case.
            now: Seconds since 1970-01-01 UTC.
            secrets: Rendered secrets; any may match. None or an empty one refuses all.
            public_keys: Rendered public keys; never used as HMAC secrets.
            buffer_bytes_max: Bytes of body kept by schemes that cannot stream
                (Ed25519, Twilio forms); more is refused.
        """
        head = Incoming(method, url, HeaderTable(headers), now)
        rendered = Secrets(tuple(secrets), tuple(public_keys))
        if self.recipe.preset == "GITLAB":
            return begin_gitlab(self.recipe, head, rendered, buffer_bytes_max)
        return BEGIN[self.recipe.kind](self.recipe, head, rendered, buffer_bytes_max=buffer_bytes_max)

    def check(
        self,
        body: bytes,
        *,
        method: str,
        url: str,
        headers: Headers,
        now: float,
        secrets: Sequence[str] = (),
        public_keys: Sequence[str] = (),
    ) -> Verdict:
        """Check a delivery whose body is at hand, e.g. in a dry run; arguments as for `begin`."""
        verifier = self.begin(
            method=method, url=url, headers=headers, now=now, secrets=secrets, public_keys=public_keys
        )
        verifier.update(body)
        return verifier.finish()


def begin_gitlab(recipe: Recipe, head: Incoming, secrets: Secrets, buffer_bytes_max: int) -> Verifier:
    """GitLab has two kinds of secret; its form tells: `whsec_` signs, anything else is a plain token."""
    signing = [(i, text) for i, text in enumerate(secrets.secrets) if "whsec_" in text]
    tokens = [(i, text) for i, text in enumerate(secrets.secrets) if "whsec_" not in text]
    if secrets.missing or not tokens:
        return begin_generic(recipe, head, secrets, buffer_bytes_max=buffer_bytes_max)
    plain = begin_generic(PRESETS["GITLAB_TOKEN"], head, Secrets(tuple(text for _, text in tokens)))
    if not signing:
        return plain
    signed = begin_generic(
        recipe, head, Secrets(tuple(text for _, text in signing)), buffer_bytes_max=buffer_bytes_max
    )
    return EitherVerifier((signed, [i for i, _ in signing]), (plain, [i for i, _ in tokens]))


class EitherVerifier:
    """Two checks of one delivery, for a sender that is moving from one kind of secret to the other."""

    def __init__(self, *checks: tuple[Verifier, Sequence[int]]) -> None:
        self._checks = checks

    @property
    def early(self) -> Verdict | None:
        """A refusal of both, known before the body is read."""
        refusals = [verifier.early for verifier, _ in self._checks]
        return refusals[0] if all(refusals) else None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body, exactly as received."""
        for verifier, _ in self._checks:
            verifier.update(chunk)

    def finish(self) -> Verdict:
        """Give the verdict of the first check that accepts, else the first refusal."""
        verdicts = [self._renumbered(verifier.finish(), places) for verifier, places in self._checks]
        return next((verdict for verdict in verdicts if verdict.accepted), verdicts[0])

    @staticmethod
    def _renumbered(verdict: Verdict, places: Sequence[int]) -> Verdict:
        if verdict.key_index is None:
            return verdict
        return msgspec.structs.replace(verdict, key_index=places[verdict.key_index])
