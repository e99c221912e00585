"""A request that goes no further: what the caller is told, and what is written down.

The caller learns the kind of problem and never which check failed; `reason` says it precisely and goes only into
the journal, where an operator finds it by the delivery's id.
"""

from collections.abc import Mapping
from typing import Any, Final

from hookledger.api.http import HttpResponse, problem

DETAILS: Final[dict[str, str]] = {
    "method-not-allowed": "this webhook does not take this method",
    "address-refused": "this webhook does not take requests from here",
    "unauthenticated": "this webhook needs credentials",
    "forbidden": "these credentials may not use this webhook",
    "signature-invalid": "the signature of this delivery was not accepted",
    "verifier-unavailable": "this webhook cannot check deliveries at the moment; send it again later",
    "request-timeout": "the request was not sent in time",
    "unsupported-media-type": "this webhook does not take this media type",
    "body-malformed": "the body cannot be read",
    "body-unredactable": "the body cannot be read in the way this webhook needs to keep parts of it out of its records",
    "schema-violated": "the body does not fit this webhook's schema",
    "idempotency-key-required": "this webhook needs an Idempotency-Key",
    "idempotency-mismatch": "this key was used before for another delivery",
    "execution-damaged": "this was delivered before, and its record is damaged; an operator has to look",
    "duplicate-in-flight": "the first delivery with this key is still being worked on",
    "rate-limited": "too many requests; send it again later",
    "overloaded": "the server has too much to do; send it again later",
    "handshake-refused": "the handshake was not accepted",
    "delivery-refused": "this delivery does not fit what the flow needs",
    "cloudevent-invalid": "this is no CloudEvent",
    "condition-error": "a rule of this webhook could not be evaluated for this delivery",
}


class Refused(Exception):
    """The pipeline stops here.

    Args:
        status: What the caller gets.
        slug: What kind of problem, for programs.
        reason: Precisely why, for the journal.
        detail: What the caller is told; by default what every such refusal says.
        headers: Further headers.
        more: Further members of the problem document.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        reason: str = "",
        *,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.slug = slug
        self.reason = reason or slug
        self.detail = detail or DETAILS.get(slug, "")
        self.headers = dict(headers or {})
        self.more = dict(more or {})
        super().__init__(f"{status} {slug}: {self.reason}")

    def answer(self, delivery: str = "") -> HttpResponse:
        """The problem document for the caller; `instance` names the delivery, under which the reason is recorded."""
        instance = {"instance": f"urn:hookledger:delivery:{delivery}"} if delivery else {}
        more = {"code": self.slug, **instance, **self.more}
        return problem(self.status, self.detail, slug=self.slug, headers=self.headers, more=more)


class Answered(Exception):
    """The pipeline ends here with an answer that is no refusal: a preflight, a handshake, a repeated answer.

    Args:
        response: What the caller gets.
        kind: What it was, for the journal and the dry run.
    """

    def __init__(self, response: HttpResponse, kind: str) -> None:
        self.response = response
        self.kind = kind
        super().__init__(kind)
