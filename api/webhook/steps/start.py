"""The last steps: is there room, do the trigger's own rules agree, and then the execution begins."""

from typing import TYPE_CHECKING

from hookledger.actors.errors import DeliveryRefused, FlowUnusable
from hookledger.actors.ids import new_id
from hookledger.actors.reception import Delivery
from hookledger.api.http import HttpResponse
from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.redaction import Unredactable, check_files, redact_fields, redact_path
from hookledger.api.webhook.refusal import Answered, Refused
from hookledger.journal.deliveries import Claim, scope_of

if TYPE_CHECKING:
    from hookledger.api.webhook.files import Files


class Admission:
    """503 while the server has as many live executions as it may have."""

    name = "admission"

    def __init__(self, executions_max: int) -> None:
        self._executions_max = executions_max

    async def __call__(self, exchange: Exchange) -> None:
        live, wanted = exchange.engine.supervisor.live, len(exchange.items or (exchange,))
        if live + wanted > self._executions_max:
            raise Refused(503, "overloaded", f"{live} live executions", headers={"Retry-After": "1"})


class Trace:
    """W3C traceparent: a valid one is carried through and returned, any other is ignored."""

    name = "traceparent"

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.request.header("traceparent") is not None:
            from hookledger.runtime.triggers.webhook.admission.traceparent import read_trace

            trace = read_trace(exchange.request.headers)
            if trace is not None:
                exchange.traceparent = exchange.headers["traceparent"] = trace.header


class Start:
    """Evaluates `when`, conditions and inputs, and starts the execution."""

    name = "start"

    def __init__(self, files: "Files | None") -> None:
        self._files = files

    async def __call__(self, exchange: Exchange) -> None:
        ports = exchange.engine.ports
        if exchange.stored is not None or exchange.parts is not None:
            exchange.execution_id = new_id(ports.clock, ports.entropy)
        try:
            uri = "" if exchange.dry else await self._keep(exchange)
            await self._start(exchange, delivery_of(exchange, uri))
        except FlowUnusable as error:
            raise Refused(409, "flow-unusable", str(error), detail=str(error)) from error
        except DeliveryRefused as error:
            raise refusal_of(error, exchange) from error

    async def _start(self, exchange: Exchange, delivery: Delivery) -> None:
        match, settings = exchange.match, exchange.settings
        if exchange.dry:
            await exchange.engine.examine(match.flow, match.trigger, delivery, wait=settings.wait)
            return
        exchange.execution = await exchange.engine.deliver(
            match.flow,
            match.trigger,
            delivery,
            actor=f"webhook:{match.flow.name}/{match.trigger.id}",
            wait=settings.wait,
            return_outputs=settings.return_outputs,
            response_content_type=settings.response_content_type,
            execution_id=exchange.execution_id,
        )
        if exchange.reservation is not None:
            exchange.reservation.take(claim_of(exchange, delivery))

    async def _keep(self, exchange: Exchange) -> str:
        """Move what was stored to its execution; only then may the journal speak of it."""
        if self._files is None or (exchange.stored is None and exchange.parts is None):
            return ""
        from hookledger.api.webhook.files import Place

        match, uri = exchange.match, ""
        place = Place(namespace=match.flow.namespace, flow=match.flow.id, execution=exchange.execution_id)
        # Asked before anything is moved: a delivery that is refused leaves nothing in the store.
        await exchange.engine.examine(match.flow, match.trigger, delivery_of(exchange))
        fields = _shown_fields(exchange)
        if exchange.stored is not None:
            uri = await self._files.keep(exchange.stored, place, "body")
            exchange.stored_sha256 = exchange.stored.sha256
            exchange.stored = None
        if exchange.parts is not None:
            exchange.variables |= {
                "parts": await exchange.parts.keep(place),
                "formFields": fields,
            }
        return uri


def _shown_fields(exchange: Exchange) -> dict[str, list[str]]:
    """The text fields of a form as they may be written down; 422 where that cannot be told."""
    parts, rules = exchange.parts, exchange.settings.redaction
    if parts is None:
        return {}
    try:
        check_files(((one.name, one.content_type) for one in parts.files), rules)
        return redact_fields(parts.fields, rules)
    except Unredactable as error:
        raise Refused(422, "body-unredactable", f"redact: {error}") from error


def delivery_of(exchange: Exchange, uri: str = "") -> Delivery:
    """The delivery as it is recorded: credentials and what the author redacts replaced."""
    request, settings, shown = exchange.request, exchange.settings, exchange.redacted()
    window = settings.deduplication.window if settings.deduplication and exchange.deduplication else 0
    return Delivery(
        id=exchange.delivery_id,
        method=request.method,
        path=redact_path(request.raw_path),
        query=exchange.safe_query,
        headers=exchange.safe_headers,
        body=shown.body,
        body_sha256=shown.body_sha256,
        body_bytes=exchange.body_bytes if shown.body_sha256 else 0,
        body_uri=uri,
        stored_sha256=exchange.stored_sha256,
        raw_body=settings.raw_body,
        charset=settings.charset,
        remote=exchange.remote,
        variables=shown.variables,
        deduplication=exchange.deduplication,
        deduplication_until=exchange.at + window if window else 0,
        fingerprint=exchange.fingerprint,
        verification=exchange.verification,
        traceparent=exchange.traceparent,
        public_url=exchange.link_base,
        source="testEvent" if (request.header("x-kestra-test-event") or "").lower() == "true" else "trigger",
    )


def claim_of(exchange: Exchange, delivery: Delivery) -> Claim:
    """The claim that the execution's first event makes."""
    assert exchange.execution is not None
    flow, trigger = exchange.match.flow, exchange.match.trigger
    return Claim(
        scope=scope_of(flow.namespace, flow.id, trigger.id),
        key=delivery.deduplication,
        execution=exchange.execution.id,
        fingerprint=delivery.fingerprint,
        at=exchange.execution.received.at,
        expires=delivery.deduplication_until,
    )


def refusal_of(error: DeliveryRefused, exchange: Exchange) -> Refused | Answered:
    """204 (or `onMismatch`) when a condition is false, 422 when something could not be evaluated or does not fit.

    What does not fit is told to callers who proved who they are; everybody's reason is with the delivery.
    """
    mismatch = exchange.settings.on_mismatch
    if not error.unmet:
        slug = "condition-error" if error.condition else "delivery-refused"
        shown = str(error) if exchange.authenticated and not error.condition else ""
        return Refused(422, slug, str(error), detail=shown)
    if mismatch is None or (mismatch.code == 204 and not mismatch.body):
        return Unmet(HttpResponse(status=204), str(error))
    kind = (("Content-Type", "text/plain; charset=utf-8"),) if mismatch.body else ()
    body = mismatch.body.encode("utf-8", "surrogatepass")
    return Unmet(HttpResponse(status=mismatch.code, headers=kind, body=body), str(error))


class Unmet(Answered):
    """A condition was false: answered, and recorded with the reason."""
