"""The first tab of an execution: what happened, what it waits for, the facts, and what may be done about it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from hookledger.api.call import Call
from hookledger.api.console.flows.inputs import Field, fields_of
from hookledger.api.console.flows.triggers import delivery_path
from hookledger.api.console.forms import Form
from hookledger.api.console.pages import execution_path, flow_path
from hookledger.api.console.runs.base import EXECUTIONS, Desk
from hookledger.api.console.runs.reading import History
from hookledger.api.console.runs.story import sentence, wait_words
from hookledger.api.console.runs.tree import Node, tree
from hookledger.api.console.runs.waits import Wait, waits
from hookledger.api.http import HttpResponse
from hookledger.api.webhook.answers import finished
from hookledger.journal.events import (
    DuplicateDelivery,
    ExecutionFailed,
    ExecutionForked,
    ExecutionPaused,
    OperatorNote,
    TriggerReceived,
)
from hookledger.runtime.flow.inputs import AnyInput, parse_inputs
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.places import task_place
from hookledger.runtime.state import State

ANSWER_CHARS_MAX: Final = 4000


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One line of facts."""

    name: str
    text: str
    path: str = ""
    """A page of ours about it."""
    at: int = 0
    """Shown instead of the text."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A pause that a person can end."""

    path: str
    kind: str
    """person, operator or doubt."""
    words: str
    fields: tuple[Field, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the webhook's caller is told."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: str


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why it failed, and where."""

    message: str
    kind: str
    task: str
    place: str
    """File, line and column, where they are known."""


async def overview(
    desk: Desk,
    call: Call,
    history: History,
    *,
    problem: str = "",
    status: int = 409,
    form: Form | None = None,
) -> HttpResponse:
    """Draw the tab.

    Args:
        problem: Why what somebody asked for was not done.
        status: Of the answer that says so.
        form: What they had typed.
    """
    state, now = history.state, desk.now
    flow = desk.flow(state)
    return desk.run_page(
        call,
        history,
        "overview",
        status=status if problem else 200,
        problem=problem,
        story=sentence(history.execution, state, now),
        waits=[(wait_words(wait, now), _wait_path(wait)) for wait in waits(state)],
        asked=list(_asked(state, now, form)),
        facts=list(facts(history)) if state.received else [],
        labels=[(name, value, label_path(name, value)) for name, value in state.labels.items()],
        inputs=_inputs(state),
        outputs=tree(state.outputs) if state.outputs else None,
        fault=_fault(state, flow),
        notes=[event for event in history.events if isinstance(event, OperatorNote)],
        repeated=[event for event in history.events if isinstance(event, DuplicateDelivery)],
        answer=_answer(history),
    )


def facts(history: History) -> Iterator[Fact]:
    """What a person looks up: when, by what, with what, and its relatives."""
    row, state = history.row, history.state
    received = state.received
    assert received is not None
    yield Fact(name="Started", text="", at=state.history[0][1])
    if state.terminal is not None:
        yield Fact(name="Ended", text="", at=state.terminal.at)
    yield Fact(
        name="Revision",
        text=str(state.revision),
        path=f"{flow_path(row.namespace, row.flow, 'revisions')}?to={state.revision}",
    )
    yield from _origin(received, row.namespace, row.flow)
    yield from _relatives(history, received)


def _origin(received: TriggerReceived, namespace: str, flow: str) -> Iterator[Fact]:
    if received.trigger:
        name = f"{received.trigger} ({received.trigger_type.rpartition('.')[2]})"
        yield Fact(name="Trigger", text=name, path=flow_path(namespace, flow, "triggers"))
    if received.method:
        yield Fact(name="Request", text=f"{received.method} {received.path}"[:200])
    if received.remote:
        yield Fact(name="From", text=received.remote)
    if received.delivery:
        yield Fact(name="Delivery", text=received.delivery, path=delivery_path(received.delivery))
    if received.replay_of:
        yield Fact(name="Sends again", text=received.replay_of, path=delivery_path(received.replay_of))
    if received.deduplication:
        yield Fact(name="Deduplication key", text=received.deduplication)
    if received.traceparent:
        yield Fact(name="Trace", text=received.traceparent)


def _relatives(history: History, received: TriggerReceived) -> Iterator[Fact]:
    state = history.state
    if received.parent:
        yield Fact(
            name="Parent", text=f"{received.parent} at {received.parent_path}", path=_by_id(received.parent)
        )
    for child in state.children.values():
        path = execution_path(child.namespace, child.flow, child.child)
        yield Fact(name="Child", text=f"{child.child} ({child.namespace}/{child.flow})", path=path)
    first = history.events[0]
    replayed = state.labels.get("system.replayOf", "")
    if isinstance(first, ExecutionForked):
        yield Fact(
            name="Forked from",
            text=f"{first.origin} at event {first.origin_sequence}",
            path=_by_id(first.origin),
        )
    elif replayed:
        yield Fact(name="Replay of", text=replayed, path=_by_id(replayed))
    if received.attempt > 1:
        text = f"{received.attempt} of the flow, first was {received.original}"
        yield Fact(name="Attempt", text=text, path=_by_id(received.original))
    if state.generation:
        yield Fact(name="Restarts", text=str(state.generation))
    correlation = state.labels.get("system.correlationId", "")
    if correlation:
        yield Fact(name="Correlation", text=correlation, path=label_path("system.correlationId", correlation))


def label_path(name: str, value: str) -> str:
    """The list of executions with a label."""
    return f"{EXECUTIONS}?{urlencode({'label': f'{name}:{value}'})}"


def _by_id(execution: str) -> str:
    return f"{EXECUTIONS}/{quote(execution, safe='')}"


def _wait_path(wait: Wait) -> str:
    return execution_path(*wait.flow, wait.child) if wait.child else ""


def _asked(state: State, now: int, form: Form | None) -> Iterator[Asked]:
    for wait in waits(state):
        if wait.kind in ("person", "operator", "doubt"):
            pause = state.pauses[wait.path]
            given = form if form is not None and form.get("place") == wait.path else None
            fields = tuple(fields_of(declared(pause), given))
            yield Asked(path=wait.path, kind=wait.kind, words=wait_words(wait, now), fields=fields)


def declared(pause: ExecutionPaused) -> tuple[AnyInput, ...]:
    """The inputs that whoever resumes is asked for."""
    return parse_inputs([dict(one) for one in pause.on_resume], path=("onResume",))[0]


def _inputs(state: State) -> Node | None:
    inputs: Mapping[str, Any] = state.received.inputs if state.received else {}
    return tree(inputs) if inputs else None


def _fault(state: State, flow: Flow | None) -> Fault | None:
    if not isinstance(state.terminal, ExecutionFailed):
        return None
    error, path = state.terminal.error, state.terminal.path
    task = path.rpartition("/")[2].partition("[")[0]
    place = task_place(flow, task) if flow is not None and task else ""
    return Fault(message=error.message, kind=error.kind, task=path, place=place)


def _answer(history: History) -> Answer | None:
    """The answer that somebody who waits gets, once it is known."""
    state, received = history.state, history.state.received
    if received is None or not received.wait or (state.terminal is None and state.response is None):
        return None
    made = finished(history.execution, state)
    body = _readable(made.body)
    return Answer(status=made.status, headers=made.headers, body=body[:ANSWER_CHARS_MAX])


def _readable(body: bytes) -> str:
    """JSON with line breaks, anything else as it is."""
    with suppress(msgspec.DecodeError):
        body = msgspec.json.format(body, indent=2)
    return body.decode("utf-8", "replace")
