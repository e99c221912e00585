"""`handshake`: what a sender asks before it delivers. Answered without an execution, and recorded."""

from collections.abc import Sequence
from typing import Any

import msgspec

from hookledger.actors.off_loop import rendering
from hookledger.api.http import HttpResponse
from hookledger.api.webhook.certificates import Certificates
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.refusal import Answered, Refused
from hookledger.runtime.expressions import ExpressionError, truthy
from hookledger.runtime.flow.templates import Tree, compile_tree, source_of
from hookledger.runtime.triggers.webhook import SignatureSettings
from hookledger.runtime.triggers.webhook.handshakes import (
    Answer,
    Handshake,
    HandshakeRequest,
    HandshakeType,
    NeedCertificate,
    Refusal,
    answer_custom,
    answer_handshake,
    check_sns,
)

UNCHECKED_UNTIL_RENDERED = ("when", "body")


class Handshakes:
    """Asked twice: before the signature for senders that do not sign their question, and after it for the others."""

    def __init__(self, trees: Sequence[Tree], signature: SignatureSettings | None, *, verified: bool) -> None:
        self.name = "handshake" if verified else "unsigned handshake"
        self._trees = trees
        self._signature = signature
        self._verified = verified

    async def __call__(self, exchange: Exchange) -> None:
        handshakes = [rendered(exchange, tree) for tree in self._trees]
        request = HandshakeRequest(
            method=exchange.request.method,
            query=exchange.query,
            headers=exchange.request.headers,
            body=exchange.body if self._verified else self._placeholder(exchange),
        )
        outcome = answer_handshake(
            request, handshakes, verified=self._verified, secret=self._secret(exchange)
        )
        if outcome is None and self._verified:
            outcome = await rendering(lambda: self._custom(exchange, handshakes))
        if outcome is not None:
            raise_outcome(outcome)

    @staticmethod
    def _placeholder(exchange: Exchange) -> bytes:
        """Before the body is read only its presence is known, which is all that unsigned handshakes look at."""
        length = exchange.request.header("content-length")
        empty = length in (None, "0") and exchange.request.header("transfer-encoding") is None
        return b"" if empty else b"?"

    def _secret(self, exchange: Exchange) -> str:
        if self._signature is None or not self._signature.secrets:
            return ""
        try:
            return str(exchange.render(self._signature.secrets[0]))
        except ExpressionError:
            return ""

    def _custom(self, exchange: Exchange, handshakes: Sequence[Handshake]) -> Any:
        for tree, one in zip(self._trees, handshakes, strict=True):
            if one.type is HandshakeType.CUSTOM:
                source = source_of(tree)
                when, body = source.get("when"), source.get("body", "")
                matches = truthy(_delivery(exchange, when))
                text = str(_delivery(exchange, body)) if matches else ""
                if (outcome := answer_custom(one, matches=matches, body=text)) is not None:
                    return outcome
        return None


def _delivery(exchange: Exchange, text: str) -> Any:
    try:
        return exchange.render_delivery(compile_tree(text))
    except ExpressionError as error:
        raise Refused(403, "handshake-refused", f"CUSTOM: {error}") from error


def rendered(exchange: Exchange, tree: Tree) -> Handshake:
    """A handshake with its secrets; what looks at the delivery is rendered later."""
    early = {name: item for name, item in _items(tree) if name not in UNCHECKED_UNTIL_RENDERED}
    try:
        return msgspec.convert(exchange.render(early), Handshake, strict=False)
    except (ExpressionError, msgspec.ValidationError) as error:
        raise Refused(
            503, "verifier-unavailable", f"handshake: {str(error)[:200]}", headers={"Retry-After": "60"}
        ) from error


def _items(tree: Any) -> Any:
    return tree.items()


def raise_outcome(outcome: Answer | Refusal) -> None:
    """Turn a handshake's outcome into the pipeline's end."""
    if isinstance(outcome, Refusal):
        slug = "method-not-allowed" if outcome.status == 405 else "handshake-refused"
        headers = {"Allow": "POST"} if outcome.status == 405 else {}
        raise Refused(outcome.status, slug, f"{outcome.kind.value}: {outcome.reason}", headers=headers)
    response = HttpResponse(status=outcome.status, headers=outcome.headers, body=outcome.body)
    raise Answered(response, outcome.kind.value)


class SnsMessages:
    """Amazon SNS signs in the body: check it, confirm a subscription, let notifications go on."""

    name = "sns"

    def __init__(self, tree: Tree, certificates: Certificates) -> None:
        self._tree = tree
        self._certificates = certificates

    async def __call__(self, exchange: Exchange) -> None:
        one = rendered(exchange, self._tree)
        verdict = self._check(exchange, one)
        if isinstance(verdict, NeedCertificate):
            await self._certificates.fetch(verdict.url)
            verdict = self._check(exchange, one)
        if isinstance(verdict, NeedCertificate):
            raise Refused(503, "verifier-unavailable", "SNS: certificate", headers={"Retry-After": "60"})
        if not verdict.accepted:
            raise Refused(401, "signature-invalid", f"SNS: {verdict.reason}")
        exchange.authenticated = True
        exchange.verification |= {"preset": "SNS", "scheme": "sns", "deliveryId": verdict.delivery_id or ""}
        exchange.dedup_hint = verdict.delivery_id or ""
        if verdict.type != "Notification":
            await self._confirm(exchange, one, verdict.subscribe_url)
            raise Answered(HttpResponse(status=200), "SNS")

    def _check(self, exchange: Exchange, one: Handshake) -> Any:
        return check_sns(
            exchange.body,
            now=exchange.seconds,
            topic_arns=one.topic_arns,
            certificates=self._certificates.known,
            allow_sha1=one.allow_sha1,
        )

    async def _confirm(self, exchange: Exchange, one: Handshake, url: str | None) -> None:
        if one.confirm and url and not exchange.dry:
            await self._certificates.visit(url)
