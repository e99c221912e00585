"""The answer to a delivery: a pure function of the execution's folded state and the trigger's settings."""

import json
from typing import Any

from hookledger.api.http import HttpResponse, json_response
from hookledger.api.views import webhook_view
from hookledger.runtime.state import State

TEXT = "text/plain"


def accepted(execution_id: str, state: State, public_url: str) -> HttpResponse:
    """The delivery was taken; nobody waits for the execution."""
    return json_response(webhook_view(execution_id, state, public_url))


def finished(execution_id: str, state: State, status: int, public_url: str) -> HttpResponse:
    """The execution has ended: its outputs alone if the trigger says so, otherwise the execution."""
    received = state.received
    assert received is not None
    if not received.return_outputs:
        return json_response(webhook_view(execution_id, state, public_url), status)
    if received.response_content_type == TEXT:
        body = plain_text(state.outputs).encode("utf-8", "surrogatepass")
        return HttpResponse(status=status, headers=(("Content-Type", TEXT),), body=body)
    if not state.outputs:
        return HttpResponse(status=status)
    return json_response(state.outputs, status)


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
