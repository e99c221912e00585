"""REST: what an operator may do to an execution.

Paths are those of Kestra 2 (`/actions/...`); the older ones without `/actions` answer too.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec

from hookledger.actors.engine import Engine
from hookledger.actors.operators import (
    Kill,
    Note,
    OperatorCommand,
    Pause,
    Restart,
    Resume,
    SetLabels,
    asked,
    waiting,
)
from hookledger.api.call import Call
from hookledger.api.forms import FORM, read_form, read_json
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.permissions import Permission
from hookledger.api.queries import Nothing, Query
from hookledger.api.rest.starting import InputsChecked, checked_inputs
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import ExecutionView, LabelMap, Name
from hookledger.api.views import shown
from hookledger.runtime.flow.inputs import examine_inputs


class Reason(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Why; kept with the command."""

    reason: str = ""


class PauseWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pausing takes nothing."""


class RestartWish(Reason, frozen=True, kw_only=True):
    """What a restart takes."""

    revision: int = 0


class ResumeWish(Reason, frozen=True, kw_only=True):
    """For a Pause task its inputs, for an attempt in doubt the choice."""

    path: str | None = None
    inputs: dict[str, Any] = {}
    choice: str = ""


class LabelsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Labels by name; Kestra's list of `key` and `value` is taken too."""

    labels: LabelMap


class LabelWish(msgspec.Struct, frozen=True, kw_only=True):
    """One label as Kestra's clients send it, with members of their own."""

    key: Name
    value: Name


class NoteWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to say."""

    text: str


class KillQuery(Query, frozen=True, kw_only=True):
    """What Kestra's clients send with a kill."""

    is_on_kill_cascade: bool = True
    """Without effect: the executions it waits for are always asked to end too."""


class RestartQuery(Query, frozen=True, kw_only=True):
    """Kestra names the revision here."""

    revision: int = 0


async def kill(call: Call, query: KillQuery) -> OperatorCommand:
    """End it."""
    return Kill(by=call.by, reason=(await read_json(call, Reason)).reason)


async def pause(call: Call, query: Nothing) -> OperatorCommand:
    """Begin nothing new."""
    await read_json(call, PauseWish)
    return Pause(by=call.by)


async def resume(call: Call, query: Nothing) -> OperatorCommand:
    """Go on where it waits; a form's fields are the inputs."""
    wish = await _resume_wish(call)
    return Resume(by=call.by, path=wish.path, inputs=wish.inputs, choice=wish.choice, reason=wish.reason)


async def validate_resume(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """Say what the answer to a Pause comes to and what is wrong with it; it waits on."""
    wish = await _resume_wish(call)
    state = await engine.replay(call.path["execution_id"])
    received = state.received
    assert received is not None
    declared = asked(waiting(state, wish.path))
    examined = examine_inputs(declared, wish.inputs)
    checked = checked_inputs(declared, examined)
    return json_response(InputsChecked(id=received.flow, namespace=received.namespace, inputs=checked))


async def _resume_wish(call: Call) -> ResumeWish:
    form = await read_form(call)
    return ResumeWish(inputs=form) if form is not None else await read_json(call, ResumeWish)


async def restart(call: Call, query: RestartQuery) -> OperatorCommand:
    """Open it again."""
    wish = await read_json(call, RestartWish)
    return Restart(by=call.by, revision=wish.revision or query.revision, reason=wish.reason)


async def labels(call: Call, query: Nothing) -> OperatorCommand:
    """Add or replace labels."""
    wish = await read_json(call, LabelsWish | list[LabelWish])  # type: ignore[arg-type]
    given = wish.labels if isinstance(wish, LabelsWish) else {one.key: one.value for one in wish}
    return SetLabels(by=call.by, labels=given)


async def note(call: Call, query: Nothing) -> OperatorCommand:
    """Say something that stays with it."""
    return Note(by=call.by, text=(await read_json(call, NoteWish)).text)


class Action(msgspec.Struct, frozen=True):
    """One line of the table below."""

    read: Callable[[Call, Any], Awaitable[OperatorCommand]]
    summary: str
    body: Any
    query: type[Query] = Nothing
    method: str = "POST"
    form: bool = False
    """Takes a form too."""


ACTIONS: Final = {
    "kill": Action(kill, "End an execution", Reason, KillQuery, "DELETE"),
    "pause": Action(pause, "Pause an execution", PauseWish),
    "resume": Action(resume, "Resume an execution", ResumeWish, form=True),
    "restart": Action(restart, "Open an execution again", RestartWish, RestartQuery),
    "labels": Action(labels, "Set labels", LabelsWish | list[LabelWish]),
    "note": Action(note, "Note something", NoteWish),
}
"""By the last part of the path."""


async def act(engine: Engine, action: Action, call: Call, query: Any) -> HttpResponse:
    """Carry out an action; answers with the execution once what happened is durable."""
    execution_id = call.path["execution_id"]
    await engine.command(execution_id, await action.read(call, query))
    return await shown(await engine.past(execution_id), json_response)


def table(engine: Engine) -> list[Route]:
    """Every action under both of its paths."""
    actions = [
        Route(
            action.method,
            f"/executions/<execution_id>/actions/{name}",
            partial(act, engine, action),
            Permission.OPERATE,
            action.summary,
            query=action.query,
            body={"application/json": action.body, **({FORM: dict[str, Any]} if action.form else {})},
            answers=Reply(ExecutionView),
            errors=(404, 409, 415, 422),
            older=f"/executions/<execution_id>/{name}",
        )
        for name, action in ACTIONS.items()
    ]
    check = Route(
        "POST",
        "/executions/<execution_id>/actions/resume/validate",
        partial(validate_resume, engine),
        Permission.OPERATE,
        "Check the inputs of a resume",
        query=Nothing,
        body={"application/json": ResumeWish, FORM: dict[str, Any]},
        answers=Reply(InputsChecked),
        errors=(404, 409, 415, 422),
        older="/executions/<execution_id>/resume/validate",
    )
    return [*actions, check]
