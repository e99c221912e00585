"""Commands a person (or a parent execution) may give to an execution, and what each of them records.

Every command names who asked. One that makes no sense in the execution's state is refused with the reason.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from hookledger.actors.errors import AnswerInvalid, CommandRefused
from hookledger.actors.recorder import Recorder
from hookledger.journal.events import (
    ChildReturned,
    DuplicateDelivery,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    KillRequested,
    LabelsSet,
    OperatorNote,
)
from hookledger.runtime.flow.inputs import AnyInput, InputsInvalid, parse_inputs, resolve_inputs
from hookledger.runtime.state import State


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """Stop it; attempts under way are cancelled."""

    by: str
    reason: str = ""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Begin nothing new; attempts under way go on to their end."""

    by: str


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """Go on where it waits; without a `path`, where it has waited longest."""

    by: str
    path: str | None = None
    inputs: Mapping[str, Any] = {}
    choice: str = ""
    """For an attempt in doubt: rerun, accept (with its outputs as inputs) or fail."""
    reason: str = ""


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Open a finished execution again: what failed runs once more, what succeeded is kept."""

    by: str
    reason: str = ""
    revision: int = 0
    """Go on with another revision of the flow; 0 for the pinned one."""
    source_sha256: str = ""
    """Of that revision; the supervisor fills it in."""
    paths: tuple[str, ...] = ()
    """What is forgotten; the supervisor fills it in, `again` too."""
    again: tuple[str, ...] = ()


class SetLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Add or replace labels."""

    by: str
    labels: Mapping[str, str]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Say something that stays with the execution."""

    by: str
    text: str


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """The sender delivered again what this execution answers for."""

    by: str
    delivery: str
    body_same: bool
    answered: str
    remote: str = ""


class ChildEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The supervisor's word that a child execution has ended."""

    path: str
    child: str
    state: str
    outputs: Mapping[str, Any]
    by: str = "engine:self"


class Wake(msgspec.Struct, frozen=True, kw_only=True):
    """Look again: a timer may be due."""

    by: str = "engine:self"


OperatorCommand: TypeAlias = Kill | Pause | Resume | Restart | SetLabels | Note | Repeated | ChildEnded | Wake

_ANY_TIME = SetLabels | Note | Repeated | ChildEnded | Wake | Restart
"""Commands that an execution which has ended still takes."""


def apply(command: OperatorCommand, recorder: Recorder) -> None:
    """Record what the command means.

    Raises:
        CommandRefused: It is not possible now.
    """
    if recorder.state.terminal is not None and not isinstance(command, _ANY_TIME):
        raise CommandRefused(f"the execution has already ended: {recorder.state.status}")
    _APPLY[type(command)](command, recorder)


def _kill(command: Kill, recorder: Recorder) -> None:
    """Once; but an `afterExecution` list that follows a kill can be killed as well."""
    if not recorder.state.stopping:
        recorder.record(
            lambda sequence, at: KillRequested(sequence=sequence, at=at, by=command.by, reason=command.reason)
        )


def _pause(command: Pause, recorder: Recorder) -> None:
    if "" in recorder.state.pauses or recorder.state.kill is not None:
        raise CommandRefused(f"the execution is already {recorder.state.status}")
    recorder.record(
        lambda sequence, at: ExecutionPaused(
            sequence=sequence, at=at, path="", reason="operator", by=command.by
        )
    )


def _resume(command: Resume, recorder: Recorder) -> None:
    pause = waiting(recorder.state, command.path)
    path = pause.path
    choice = _choice(command, pause)
    inputs = _checked(command.inputs, pause)
    recorder.record(
        lambda sequence, at: ExecutionResumed(
            sequence=sequence,
            at=at,
            path=path,
            by=command.by,
            choice=choice,  # type: ignore[arg-type]
            inputs=inputs,
            reason=command.reason,
        )
    )


def _checked(given: Mapping[str, Any], pause: ExecutionPaused) -> dict[str, Any]:
    """What a person answers to a Pause with `onResume` is typed like any other input: `no` is not a boolean."""
    if not pause.on_resume:
        return dict(given)
    try:
        return dict(resolve_inputs(asked(pause), given))
    except InputsInvalid as error:
        raise AnswerInvalid(error.problems) from error


def asked(pause: ExecutionPaused) -> tuple[AnyInput, ...]:
    """The inputs of a Pause's `onResume`.

    Raises:
        CommandRefused: They cannot be read.
    """
    declared, problems = parse_inputs([dict(one) for one in pause.on_resume], path=("onResume",))
    if problems:
        raise CommandRefused("; ".join(map(str, problems)))
    return declared


def waiting(state: State, path: str | None) -> ExecutionPaused:
    """The pause that a resume is for; without a path the one that has waited longest.

    Raises:
        CommandRefused: There is none.
    """
    if not state.pauses:
        raise CommandRefused(f"the execution is not paused, it is {state.status}")
    if path is None:
        return min(state.pauses.values(), key=lambda pause: pause.sequence)
    if path not in state.pauses:
        raise CommandRefused(f"`{path}` does not wait; waiting: {', '.join(sorted(state.pauses))}")
    return state.pauses[path]


def _choice(command: Resume, pause: ExecutionPaused) -> str:
    if pause.reason != "in_doubt":
        return "resume"
    if command.choice not in ("rerun", "accept", "fail"):
        raise CommandRefused(
            f"nobody knows whether `{pause.path}` took effect before the crash; "
            "look at the other side, then resume with choice rerun, accept or fail"
        )
    return command.choice


def check_restart(state: State) -> None:
    """See whether an execution may be opened again.

    Raises:
        CommandRefused: It has not ended, or ended in a way that is final.
    """
    if state.terminal is None:
        raise CommandRefused(f"only a finished execution can be restarted; this one is {state.status}")
    if state.status == "SUCCESS":
        raise CommandRefused("the execution succeeded, so there is nothing to restart; replay it instead")
    if state.status == "KILLED":
        raise CommandRefused("the execution was killed, and stays so; replay it instead")


def _restart(command: Restart, recorder: Recorder) -> None:
    state = recorder.state
    check_restart(state)
    assert command.source_sha256, "the supervisor says with which revision it goes on"
    recorder.record(
        lambda sequence, at: ExecutionRestarted(
            sequence=sequence,
            at=at,
            by=command.by,
            generation=state.generation + 1,
            revision=command.revision,
            source_sha256=command.source_sha256,
            paths=command.paths,
            again=command.again,
            reason=command.reason,
        )
    )


def _labels(command: SetLabels, recorder: Recorder) -> None:
    if any(name.startswith("system.") for name in command.labels):
        raise CommandRefused("labels that begin with `system.` are set by the engine")
    recorder.record(
        lambda sequence, at: LabelsSet(sequence=sequence, at=at, by=command.by, labels=dict(command.labels))
    )


def _note(command: Note, recorder: Recorder) -> None:
    recorder.record(
        lambda sequence, at: OperatorNote(sequence=sequence, at=at, by=command.by, text=command.text)
    )


def _repeated(command: Repeated, recorder: Recorder) -> None:
    received = recorder.state.received
    assert received is not None
    recorder.record(
        lambda sequence, at: DuplicateDelivery(
            sequence=sequence,
            at=at,
            delivery=command.delivery,
            body_same=command.body_same,
            answered=command.answered,
            namespace=received.namespace,
            flow=received.flow,
            trigger=received.trigger,
            remote=command.remote,
        )
    )


def _child_ended(command: ChildEnded, recorder: Recorder) -> None:
    started = recorder.state.children.get(command.path)
    if (
        recorder.state.terminal is None
        and started is not None
        and started.child == command.child  # and not one that was tried there before, and ended once more
        and command.path not in recorder.state.returned
    ):
        recorder.record(
            lambda sequence, at: ChildReturned(
                sequence=sequence,
                at=at,
                path=command.path,
                child=command.child,
                state=command.state,
                outputs=dict(command.outputs),
            )
        )


def _wake(command: Wake, recorder: Recorder) -> None:
    """Being awake is enough: the loop decides anew."""


_APPLY: dict[type, Callable[[Any, Recorder], None]] = {
    Kill: _kill,
    Pause: _pause,
    Resume: _resume,
    Restart: _restart,
    SetLabels: _labels,
    Note: _note,
    Repeated: _repeated,
    ChildEnded: _child_ended,
    Wake: _wake,
}
