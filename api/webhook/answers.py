"""The answer to a delivery: a pure function of the execution's recorded events.

Nothing of the current settings or of this process goes in, so a repeated delivery gets the recorded answer byte for
byte, also from a later process.
"""

import json
from typing import Any

from hookledger.actors.handle import unsuccessful
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.views import webhook_view
from hookledger.journal.events import Response, TriggerReceived
from hookledger.runtime.state import State, fold

TEXT = "text/plain"


def accepted(execution_id: str, received: TriggerReceived) -> HttpResponse:
    """The delivery was taken; nobody waits for the execution."""
    if received.response is not None and (given := given_answer(execution_id, received.response)):
        return given
    state = fold(State(), received)
    status, headers = (
        (received.response.status, received.response.headers) if received.response else (200, ())
    )
    return json_response(webhook_view(execution_id, state, received.public_url), status, dict(headers))


def of_batch(shown: list[dict[str, Any]], response: Response | None) -> HttpResponse:
    """A batch was taken: its executions as a list, or what the author wrote."""
    if response is None:
        return json_response(shown)
    given = given_answer(str(shown[0]["id"]), response)
    return given or json_response(shown, response.status, dict(response.headers))


def finished(execution_id: str, state: State) -> HttpResponse:
    """The execution has ended, or one of its tasks has answered."""
    received, response = state.received, state.response or getattr(state.terminal, "response", None)
    assert received is not None
    if response is None:
        return _natural(execution_id, state, received, default_status(state), ())
    given = given_answer(execution_id, response)
    return given or _natural(execution_id, state, received, response.status, response.headers)


def given_answer(execution_id: str, response: Response) -> HttpResponse | None:
    """The author's answer as it was recorded; None when only its status and headers are the author's."""
    if response.problem:
        return problem(
            500,
            "the answer of this webhook could not be made; the execution's events say why",
            slug="response-render-failed",
            more={"executionId": execution_id},
        )
    if response.body is None:
        return None
    return HttpResponse(status=response.status, headers=response.headers, body=response.body)


def _natural(
    execution_id: str,
    state: State,
    received: TriggerReceived,
    status: int,
    headers: tuple[tuple[str, str], ...],
) -> HttpResponse:
    """The outputs alone if the trigger says so, otherwise the execution."""
    if not received.return_outputs:
        view = webhook_view(execution_id, state, received.public_url)
        return json_response(view, status, dict(headers))
    if state.status == "FAILED":
        return _failed(execution_id, state, status, headers)
    if received.response_content_type == TEXT:
        body = plain_text(state.outputs).encode("utf-8", "surrogatepass")
        return HttpResponse(status=status, headers=(("Content-Type", TEXT), *headers), body=body)
    if not state.outputs:
        return HttpResponse(status=status, headers=headers)
    return json_response(state.outputs, status, dict(headers))


def _failed(
    execution_id: str, state: State, status: int, headers: tuple[tuple[str, str], ...]
) -> HttpResponse:
    """There are no outputs to return, or not all of them: which execution it was, and what failed."""
    why = unsuccessful(execution_id, state)
    more = {"id": execution_id, "state": state.status, "task": why.task, "outputs": state.outputs}
    return problem(
        status,
        why.message or "the execution failed",
        slug="execution-failed",
        headers=dict(headers),
        more={name: value for name, value in more.items() if value},
    )


def plain_text(outputs: Any) -> str:
    """A single text output is the bare text, as every handshake needs it; several are their JSON text."""
    if not outputs:
        return ""
    if len(outputs) == 1:
        value = next(iter(outputs.values()))
        if isinstance(value, str):
            return value
    return json.dumps(outputs, ensure_ascii=False, separators=(",", ":"))


def default_status(state: State) -> int:
    """Only a failed execution is a failed request."""
    return 500 if state.status == "FAILED" else 200
