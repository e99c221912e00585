"""The answer of the author's own: rendered once, when it is known, and recorded with the event that made it known.

So the same delivery can be answered again byte for byte, by this process or a later one, from the journal alone.
"""

from typing import Any

import msgspec

from hookledger.actors.bench import Bench
from hookledger.actors.rendering import Renderer
from hookledger.journal.events import Response, TaskReturned, Terminal, TriggerReceived
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.flow.templates import Tree
from hookledger.runtime.masking import Masker
from hookledger.runtime.state import State, fold
from hookledger.runtime.triggers.webhook import RECEIVED, Respond, WebhookSettings
from hookledger.runtime.triggers.webhook.responding import ResponseUnusable, make_response
from hookledger.runtime.variables import outputs as task_outputs


def at_end(bench: Bench, event: Terminal) -> Terminal:
    """The terminal event with the caller's answer, where somebody waits for one of the author's own."""
    settings = _settings(bench)
    if settings is None or bench.state.response is not None:
        return event
    if settings.response is None and settings.response_code is None:
        return event
    response = _final(bench, settings, fold(bench.state, event))
    return event if response is None else msgspec.structs.replace(event, response=response)


def at_task(bench: Bench, task: str, event: TaskReturned) -> TaskReturned:
    """The task's end with the answer, when `response.on` names it."""
    settings = _settings(bench)
    if settings is None or settings.response is None or settings.response.on != task:
        return event
    if bench.state.response is not None or event.response is not None or event.outcome != "ok":
        return event
    state = fold(bench.state, event)
    response = render(bench.renderer, bench.masker, state, settings.response.success, default_code=200)
    return msgspec.structs.replace(event, response=response)


def at_once(
    flow: Flow, trigger: Trigger | None, renderer: Renderer, received: TriggerReceived
) -> Response | None:
    """The answer that does not wait for the execution (`on: RECEIVED`)."""
    settings = trigger.settings if trigger is not None else None
    if not isinstance(settings, WebhookSettings) or settings.response is None:
        return None
    if settings.response.on != RECEIVED:
        return None
    state = fold(State(), received)
    return render(renderer, Masker(), state, settings.response.success, default_code=200)


def render(
    renderer: Renderer, masker: Masker, state: State, respond: Respond, *, default_code: int
) -> Response:
    """Render an answer; one that cannot be sent becomes a 500 whose reason only the journal has."""
    names = {"outputs": {**state.outputs, **task_outputs(state)}}
    trees: dict[str, Tree] = {"code": respond.code, "headers": respond.headers, "body": respond.body}
    rendered = renderer.whole(state, trees, names)
    if rendered.failure is not None:
        return Response(status=500, problem=rendered.failure.message)
    plain: dict[str, Any] = masker.data(rendered.value)
    try:
        return make_response(
            code=plain["code"],
            default_code=default_code,
            headers=plain["headers"],
            content_type=respond.content_type,
            body=plain["body"],
            has_body=respond.has_body,
        )
    except ResponseUnusable as error:
        return Response(status=500, problem=str(error))


def _settings(bench: Bench) -> WebhookSettings | None:
    received = bench.state.received
    if received is None or not received.wait:
        return None
    trigger = bench.flow.trigger(received.trigger)
    settings = trigger.settings if trigger is not None else None
    return settings if isinstance(settings, WebhookSettings) else None


def _final(bench: Bench, settings: WebhookSettings, state: State) -> Response | None:
    failed = state.status == "FAILED"
    respond = _respond(settings, failed)
    code = respond.code if respond.code is not None else settings.response_code
    if code is None and not respond.has_body and respond.headers is None:
        return None
    chosen = msgspec.structs.replace(respond, code=code)
    made = render(bench.renderer, bench.masker, state, chosen, default_code=500 if failed else 200)
    if made.problem and settings.response is None:
        return Response(
            status=500
        )  # a `responseCode` that is no status leaves the rest of the answer as it is
    return made


def _respond(settings: WebhookSettings, failed: bool) -> Respond:
    """A failed execution has an answer of its own; without one it is answered as if there were no `response`."""
    if settings.response is None:
        return Respond()
    return (settings.response.failed or Respond()) if failed else settings.response.success
