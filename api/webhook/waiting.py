"""How long a caller waits for an execution, and what it is told when the time is over.

The bound is the least of the trigger's `timeout`, the caller's `Prefer: wait=N` (RFC 7240) and the server's limit.
Past it the execution goes on: nobody's patience ends anybody's work.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from hookledger.actors.errors import ExecutionFaulted
from hookledger.actors.off_loop import off_loop
from hookledger.api.http import ClientGone, HttpRequest, HttpResponse, json_response, problem
from hookledger.api.views import receipt, webhook_view
from hookledger.api.webhook import answers
from hookledger.api.webhook.progress import progress
from hookledger.journal.errors import JournalPoisoned
from hookledger.journal.events import TriggerReceived
from hookledger.runtime.state import State, fold
from hookledger.runtime.triggers.webhook import WebhookSettings
from hookledger.runtime.variables import TENANT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hookledger.actors.engine import Engine
    from hookledger.actors.handle import Execution
    from hookledger.api.webhook.exchange import Exchange

RETRY_AFTER_SECONDS: Final = 5
_WAIT: Final = re.compile(r"wait\s*=\s*\"?([0-9]{1,9})\"?", re.IGNORECASE)


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long one caller waits."""

    seconds: float
    end: str
    """ACCEPTED: 202; FAIL and LIMIT: 504."""
    applied: str = ""
    """What of the caller's `Prefer` was honoured."""


def patience(settings: WebhookSettings, request: HttpRequest, seconds_max: float) -> Patience:
    """Work out how long this caller waits."""
    own = settings.timeout / 1_000_000 if settings.timeout else seconds_max
    bound = Patience(seconds=min(own, seconds_max), end=settings.on_timeout if settings.timeout else "LIMIT")
    preferences = ",".join(request.header_all("prefer"))
    if not preferences:
        return bound
    end = "FAIL" if settings.on_timeout == "FAIL" else "ACCEPTED"
    if any(part.strip().lower() == "respond-async" for part in re.split("[,;]", preferences)):
        wait = _WAIT.search(preferences)
        seconds = min(float(wait[1]), bound.seconds) if wait else 0.0
        return Patience(seconds=seconds, end="ACCEPTED", applied="respond-async")
    wait = _WAIT.search(preferences)
    if wait is None or float(wait[1]) >= bound.seconds:
        return bound
    return Patience(seconds=float(wait[1]), end=end, applied=f"wait={wait[1]}")


async def large(received: TriggerReceived, make: Callable[[], HttpResponse]) -> HttpResponse:
    """Make an answer, away from the event loop when the delivery that it shows is large."""
    return await off_loop(make, size=len(received.body))


class Waiting:
    """Answers from executions."""

    def __init__(self, engine: "Engine", seconds_max: float) -> None:
        self._engine = engine
        self._seconds_max = seconds_max

    async def answer(
        self, execution: "Execution", settings: WebhookSettings, request: HttpRequest
    ) -> HttpResponse:
        """What the caller gets; returns when it is durable. Who hangs up only ends this waiting."""
        received = execution.received
        if not received.wait or received.response is not None:
            entry = await execution.accepted()
            response = await large(received, partial(answers.accepted, execution.id, received))
            return response.with_headers({"Hookledger-Receipt": receipt(entry)})
        if settings.response is not None and settings.response.streams:
            return await self._stream(execution, request)
        return await self._wait(execution, patience(settings, request, self._seconds_max), request)

    async def answer_each(self, items: "Sequence[Exchange]") -> HttpResponse:
        """The executions of a batch in the order of its items; returns when all of them are durable.

        An answer of the author's own (`response`, rendered for the first item) answers for the whole delivery.
        """
        shown, first = [], None
        told = [item.twin or item for item in items]
        for item in told:
            execution = item.execution or item.original
            if execution is not None:
                entry = await execution.accepted()
                first = first or execution.received.response
                view = webhook_view(
                    execution.id, fold(State(), execution.received), execution.received.public_url
                )
                shown.append({**msgspec.to_builtins(view), "receipt": receipt(entry)})
            elif item.claimed:
                shown.append({"id": item.claimed})
        response = answers.of_batch(shown, first)
        repeated = all(item.claimed for item in told)
        return response.with_headers({"Idempotency-Replayed": "true"} if repeated else {})

    async def _wait(self, execution: "Execution", bound: Patience, request: HttpRequest) -> HttpResponse:
        try:
            state = await self._state(execution, bound.seconds, request)
        except ExecutionFaulted as error:
            return problem(500, str(error), slug="execution-faulted", more={"executionId": execution.id})
        if state is None:
            return await self._still_running(execution, bound)
        response = await large(execution.received, partial(answers.finished, execution.id, state))
        entry = execution.answer_entry
        more = {"Hookledger-Receipt": receipt(entry)} if entry else {}
        if bound.applied.startswith("wait"):
            more["Preference-Applied"] = bound.applied
        return response.with_headers(more)

    async def _state(self, execution: "Execution", seconds: float, request: HttpRequest) -> State | None:
        """The state the caller is told of; None when the time is over first."""
        if execution.ended:
            return await execution.finished()
        if seconds <= 0:
            return None
        if request.hung_up is None:
            with trio.move_on_after(seconds):
                return await execution.answered()
            return None
        return await self._watched(execution, seconds, request)

    async def _watched(self, execution: "Execution", seconds: float, request: HttpRequest) -> State | None:
        found: list[State] = []
        gone: list[bool] = []
        fault: list[ExecutionFaulted | JournalPoisoned] = []
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:

                async def watch() -> None:
                    assert request.hung_up is not None
                    await request.hung_up()
                    gone.append(True)
                    nursery.cancel_scope.cancel()

                nursery.start_soon(watch)
                try:
                    found.append(await execution.answered())
                except (ExecutionFaulted, JournalPoisoned) as error:
                    fault.append(error)
                nursery.cancel_scope.cancel()
        if fault:
            raise fault[0]
        if gone and not found:
            raise ClientGone
        return found[0] if found else None

    async def _still_running(self, execution: "Execution", bound: Patience) -> HttpResponse:
        entry = await execution.accepted()
        headers = {"Hookledger-Receipt": receipt(entry)}
        if bound.end == "ACCEPTED":
            return await self._later(execution, bound, headers)
        slug = "wait-limit" if bound.end == "LIMIT" else "wait-timeout"
        detail = f"execution {execution.id} did not end within {bound.seconds:g} s; it goes on"
        return problem(504, detail, slug=slug, headers=headers, more={"executionId": execution.id})

    async def _later(self, execution: "Execution", bound: Patience, headers: dict[str, str]) -> HttpResponse:
        received = execution.received
        headers |= {
            "Location": f"/api/v1/{TENANT}/executions/{execution.id}",
            "Retry-After": str(RETRY_AFTER_SECONDS),
        }
        if bound.applied:
            headers["Preference-Applied"] = bound.applied
        view = partial(webhook_view, execution.id, fold(State(), received), received.public_url)
        return await large(received, lambda: json_response(view(), 202, headers))

    async def _stream(self, execution: "Execution", request: HttpRequest) -> HttpResponse:
        entry = await execution.accepted()
        headers = (
            ("Content-Type", "text/event-stream; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("X-Accel-Buffering", "no"),
            ("Hookledger-Receipt", receipt(entry)),
        )
        last = request.header("last-event-id") or ""
        after = int(last) if last.isdecimal() and len(last) < 12 else -1
        return HttpResponse(
            status=200, headers=headers, stream=progress(self._engine, execution, after, self._seconds_max)
        )
