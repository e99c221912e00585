"""The webhook's core. It takes plain values and returns plain values; it knows no web framework.

The order of the steps is the order of their cost: nothing of the body is read before the key is known to be right.
"""

import logging
from typing import Final

import msgspec
import trio

from hookledger.actors.engine import Engine
from hookledger.actors.errors import DeliveryRefused, ExecutionFaulted, FlowUnusable
from hookledger.actors.handle import Execution
from hookledger.actors.ids import new_id
from hookledger.actors.reception import Delivery
from hookledger.api.http import BodyTooLarge, BodyTooSlow, HttpRequest, HttpResponse, problem, read_body
from hookledger.api.views import receipt
from hookledger.api.webhook import answers
from hookledger.api.webhook.redaction import redact_headers, redact_path
from hookledger.api.webhook.route import Match, find, parse_path
from hookledger.journal.errors import JournalPoisoned
from hookledger.runtime.state import State, fold

METHODS: Final = ("GET", "POST", "PUT")
CLOSE: Final = {"Connection": "close"}
"""Goes with an answer given before the whole request was read."""
NOT_FOUND: Final = "no webhook is reachable here; check namespace, flow id and key"

logger = logging.getLogger("hookledger.api.webhook")


class WebhookLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a server allows any webhook."""

    body_bytes_max: int
    wait_seconds_max: float


class WebhookHandler:
    """Answers requests to webhook URLs."""

    def __init__(self, engine: Engine, limits: WebhookLimits, public_url: str = "") -> None:
        self._engine = engine
        self._limits = limits
        self._public_url = public_url

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request. Never raises for anything a caller can send."""
        delivery_id = new_id(self._engine.ports.clock, self._engine.ports.entropy)
        try:
            response = await self._answer(request, delivery_id)
        except BodyTooLarge as error:
            response = problem(
                413, f"{error}; `server.bodyLimit` sets the limit", slug="payload-too-large", headers=CLOSE
            )
        except BodyTooSlow as error:
            response = problem(408, f"{error}; `server.idleTimeout` sets the limit", headers=CLOSE)
        except JournalPoisoned as error:
            logger.error("%s", error)
            response = problem(503, "the journal cannot be written", headers={"Retry-After": "30"})
        return response.with_headers({"X-Delivery-Id": delivery_id})

    async def _answer(self, request: HttpRequest, delivery_id: str) -> HttpResponse:
        if request.method not in METHODS:
            return problem(405, headers={"Allow": ", ".join(METHODS)}, slug="method-not-allowed")
        match = find(self._engine, parse_path(request.raw_path))
        if match is None:
            return problem(404, NOT_FOUND)
        body = await read_body(request, self._limits.body_bytes_max)
        try:
            execution = self._start(match, request, body, delivery_id)
        except FlowUnusable as error:
            return problem(409, str(error), slug="flow-unusable")
        except DeliveryRefused as error:
            return (
                HttpResponse(status=204) if error.unmet else problem(422, str(error), slug="delivery-refused")
            )
        if match.settings.wait:
            return await self._waited(match, execution)
        return await self._accepted(execution)

    def _start(self, match: Match, request: HttpRequest, body: bytes, delivery_id: str) -> Execution:
        settings = match.settings
        delivery = Delivery(
            id=delivery_id,
            method=request.method,
            path=redact_path(request.raw_path),
            query=request.raw_query,
            headers=redact_headers(request.headers),
            body=body,
            remote=request.peer,
            source="testEvent" if request.header("x-kestra-test-event") == "true" else "trigger",
        )
        return self._engine.deliver(
            match.flow,
            match.trigger,
            delivery,
            actor=f"webhook:{match.flow.name}/{match.trigger.id}",
            wait=settings.wait,
            return_outputs=settings.return_outputs,
            response_content_type=settings.response_content_type,
        )

    async def _accepted(self, execution: Execution) -> HttpResponse:
        entry = await execution.accepted()
        state = fold(State(), execution.received)
        response = answers.accepted(execution.id, state, self._public_url)
        return response.with_headers({"Hookledger-Receipt": receipt(entry)})

    async def _waited(self, match: Match, execution: Execution) -> HttpResponse:
        with trio.move_on_after(self._limits.wait_seconds_max):
            try:
                state = await execution.finished()
            except ExecutionFaulted as error:
                return problem(500, str(error), slug="execution-faulted", more={"executionId": execution.id})
            status = self._status(match, execution, state)
            response = answers.finished(execution.id, state, status, self._public_url)
            return response.with_headers({"Hookledger-Receipt": receipt(execution.last_entry)})
        return await self._still_running(execution)

    async def _still_running(self, execution: Execution) -> HttpResponse:
        entry = await execution.accepted()
        seconds = f"{self._limits.wait_seconds_max:g}"
        return problem(
            504,
            f"execution {execution.id} did not end within {seconds} s; it goes on",
            slug="wait-limit",
            headers={"Hookledger-Receipt": receipt(entry)},
            more={"executionId": execution.id},
        )

    def _status(self, match: Match, execution: Execution, state: State) -> int:
        """`responseCode` is rendered against the finished execution; one that is no status counts as 500."""
        if match.settings.response_code is None:
            return answers.default_status(state)
        rendered = self._engine.render(match.flow, execution.id, state, match.settings.response_code)
        if rendered.failure is not None:
            logger.warning("responseCode of %s: %s", match.flow.name, rendered.failure.message)
            return 500
        text = str(rendered.value).strip()
        return int(text) if text.isdecimal() and 200 <= int(text) <= 599 else 500
