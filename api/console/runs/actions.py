"""What a person may do to an execution with a form: each a command to the engine, then back to where they were."""

from collections.abc import Callable
from typing import Final

from hookledger.actors.errors import AnswerInvalid, CommandRefused, DeliveryRefused, FlowUnusable
from hookledger.actors.forks import fork
from hookledger.actors.operators import Kill, Note, OperatorCommand, Pause, Restart, Resume, SetLabels
from hookledger.api.call import Call
from hookledger.api.console.flows.inputs import given_inputs, given_labels
from hookledger.api.console.forms import Form, form_of
from hookledger.api.console.pages import done, execution_path
from hookledger.api.console.runs.base import Desk, located
from hookledger.api.console.runs.overview import declared, overview
from hookledger.api.console.runs.reading import History
from hookledger.api.http import HttpResponse
from hookledger.api.rest.replaying import start_again

LABELS_MAX: Final = 50
NOTE_CHARS_MAX: Final = 4000


class FormInvalid(Exception):
    """What somebody typed cannot be taken; the text says what to change."""


async def act(desk: Desk, call: Call, action: str) -> HttpResponse:
    """Carry an action out; what cannot be done is said on the execution's first page."""

    async def carried_out(call: Call, history: History) -> HttpResponse:
        form = await form_of(call)
        row = history.row
        try:
            command = COMMANDS[action](form, call.by, history)
            await desk.engine.command(row.execution, command)
        except (FormInvalid, CommandRefused) as error:
            again = await desk.history(call) or history
            status = 422 if isinstance(error, AnswerInvalid) else 409
            return await overview(desk, call, again, problem=str(error), status=status, form=form)
        return done(execution_path(row.namespace, row.flow, row.execution), DONE_WORDS[action])

    return await located(desk, call, carried_out)


async def replay(desk: Desk, call: Call) -> HttpResponse:
    """Start a new execution from what started this one, or one that begins at a task; then show it."""

    async def carried_out(call: Call, history: History) -> HttpResponse:
        row, task = history.row, (await form_of(call)).get("task")
        try:
            if task:
                made = await fork(desk.engine, row.execution, task, by=call.by)
            else:
                made = await start_again(desk.engine, row.execution, call.by)
        except (CommandRefused, FlowUnusable, DeliveryRefused) as error:
            return await overview(desk, call, history, problem=str(error))
        return done(execution_path(row.namespace, row.flow, made.id), "replayed")

    return await located(desk, call, carried_out)


def _kill(form: Form, by: str, _history: History) -> OperatorCommand:
    return Kill(by=by, reason=form.get("reason").strip())


def _pause(_form: Form, by: str, _history: History) -> OperatorCommand:
    return Pause(by=by)


def _resume(form: Form, by: str, history: History) -> OperatorCommand:
    path = form.get("place")
    pause = history.state.pauses.get(path)
    inputs = given_inputs(declared(pause), form) if pause is not None else {}
    reason = form.get("reason").strip()
    return Resume(by=by, path=path, inputs=inputs, choice=form.get("choice"), reason=reason)


def _restart(form: Form, by: str, _history: History) -> OperatorCommand:
    revision = form.get("revision")
    if revision and not (revision.isascii() and revision.isdecimal() and len(revision) < 10):
        raise FormInvalid("a revision is a number; choose one of the list")
    return Restart(by=by, revision=int(revision or 0), reason=form.get("reason").strip())


def _labels(form: Form, by: str, _history: History) -> OperatorCommand:
    labels, problem = given_labels(form.get("labels"))
    if problem or not 0 < len(labels) <= LABELS_MAX:
        raise FormInvalid(problem or f"give 1 to {LABELS_MAX} labels, one `name: value` a line")
    return SetLabels(by=by, labels=labels)


def _note(form: Form, by: str, _history: History) -> OperatorCommand:
    text = form.get("text").strip()
    if not text or len(text) > NOTE_CHARS_MAX:
        raise FormInvalid(f"a note has 1 to {NOTE_CHARS_MAX} characters")
    return Note(by=by, text=text)


COMMANDS: Final[dict[str, Callable[[Form, str, History], OperatorCommand]]] = {
    "kill": _kill,
    "pause": _pause,
    "resume": _resume,
    "restart": _restart,
    "labels": _labels,
    "note": _note,
}
DONE_WORDS: Final = {
    "kill": "killed",
    "pause": "paused",
    "resume": "resumed",
    "restart": "restarted",
    "labels": "labelled",
    "note": "noted",
}
