"""What flowables choose, wait for and start: rendered, then recorded."""

from typing import Any, Final, Literal

from hookledger.actors.attempt import instance_of
from hookledger.actors.bench import Bench, Child, ChildRefused
from hookledger.actors.off_loop import rendering
from hookledger.actors.rendering import Rendered
from hookledger.journal.events import (
    BranchTaken,
    ChildReturned,
    ChildStarted,
    ExecutionPaused,
    ExecutionResumed,
    Failure,
    TimerFired,
    TimerSet,
)
from hookledger.runtime.durations import DurationInvalid, bounded_duration
from hookledger.runtime.expressions import truthy
from hookledger.runtime.flow.model import Task
from hookledger.runtime.locate import locate
from hookledger.runtime.plan import (
    BeginDeadline,
    BeginWait,
    Choice,
    EndWait,
    FireTimer,
    Flowable,
    KillChildren,
    Moment,
    Place,
    StartChild,
    TakeBranch,
    Wait,
)
from hookledger.runtime.state import below
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.flow.subflow import Subflow

OWN_LABELS: Final = frozenset({"system.from", "system.replayOf"})
"""Labels that say how this very execution came about."""
_NOTHING: Final = Rendered(None, None, (), ())


async def take_branch(bench: Bench, command: TakeBranch) -> None:
    """Render a flowable's properties and record what it chooses; also whether `runIf` lets it begin."""
    task, place = command.task, command.place
    if task.run_if is not None and command.round == 0:
        wanted = await rendering(lambda: bench.renderer.task(bench.state, task, place, task.run_if))
        if wanted.failure is not None or not truthy(wanted.value):
            record_branch(bench, task, place, wanted, skipped=True)
            return
    first = task.kind.first if issubclass(task.kind, Flowable) and command.round == 0 else None
    if first is not None:
        record_branch(bench, task, place, _NOTHING, choice=first)
        return
    rendered = await rendering(lambda: bench.renderer.task(bench.state, task, place, task.properties))
    choice = Choice()
    if rendered.failure is None:
        try:
            choice = _flowable(task, rendered.value).choose(_moment(bench, command))
        except TaskFailed as error:
            rendered, choice = _failing(rendered, error), Choice(outputs=error.outputs)
    record_branch(bench, task, place, rendered, choice=choice, round_=command.round)


def record_branch(
    bench: Bench,
    task: Task,
    place: Place,
    rendered: Rendered,
    *,
    choice: Choice | None = None,
    skipped: bool = False,
    round_: int = 0,
) -> None:
    """Record a choice, or why there is none; a failure leaves a line in the log."""
    choice = choice or Choice()
    failure = bench.masked(rendered.failure)
    log = None if failure is None else bench.log(bench.line(place.path(task), failure.message))
    values = None if choice.values is None else tuple(map(bench.masker.text, choice.values))
    bench.record(
        lambda sequence, at: BranchTaken(
            sequence=sequence,
            at=at,
            task=task.id,
            path=place.path(task),
            round=round_,
            outputs=bench.masker.data(dict(choice.outputs)),
            chosen=bench.masker.text(choice.chosen),
            values=values,
            not_before=at + choice.delay if choice.delay else 0,
            skipped=skipped,
            error=failure,
            ambient=rendered.drawn,
            log=log,
        )
    )


async def begin_wait(bench: Bench, command: BeginWait) -> None:
    """Record a timer or a pause."""
    task, place = command.task, command.place
    rendered = await rendering(lambda: bench.renderer.task(bench.state, task, place, task.properties))
    if rendered.failure is None:
        try:
            _record_wait(bench, place.path(task), _flowable(task, rendered.value).waiting())
            return
        except TaskFailed as error:
            rendered = _failing(rendered, error)
    record_branch(bench, task, place, rendered)


def _record_wait(bench: Bench, path: str, wait: Wait) -> None:
    if wait.timer:
        bench.record(
            lambda sequence, at: TimerSet(sequence=sequence, at=at, path=path, due=at + (wait.duration or 0))
        )
        return
    bench.record(
        lambda sequence, at: ExecutionPaused(
            sequence=sequence,
            at=at,
            path=path,
            reason="task",
            until=0 if wait.duration is None else max(at, at + wait.duration),
            expiry=wait.expiry,  # type: ignore[arg-type]
            on_resume=tuple(dict(item) for item in wait.on_resume),
        )
    )


async def fire_timer(bench: Bench, command: FireTimer) -> None:
    """The time of a timer has come; nobody waits any longer for an answer inside a block that is late."""
    waiting = [path for path in bench.state.pauses if command.late and below(path, command.path)]
    for path in waiting:
        _resume(bench, path, "fail")
    bench.record(
        lambda sequence, at: TimerFired(
            sequence=sequence,
            at=at,
            path=command.path,
            due=command.due,
            origin="timeout" if command.late else "sleep",
        )
    )


async def end_wait(bench: Bench, command: EndWait) -> None:
    """A pause is over without a person."""
    _resume(bench, command.path, bench.state.pauses[command.path].expiry)


def _resume(bench: Bench, path: str, choice: Literal["resume", "warn", "fail", "cancel"]) -> None:
    bench.record(
        lambda sequence, at: ExecutionResumed(
            sequence=sequence, at=at, path=path, by="engine:timer", choice=choice
        )
    )


async def begin_deadline(bench: Bench, command: BeginDeadline) -> None:
    """Record until when a block has time."""
    task, place = command.task, command.place
    rendered = await rendering(lambda: bench.renderer.task(bench.state, task, place, task.timeout))
    duration = 0
    try:
        if rendered.failure is None:
            duration = _time_for(rendered.value)
    except TaskFailed as error:
        rendered = _failing(rendered, error)
    if rendered.failure is not None:
        record_branch(bench, task, place, rendered)
        return
    path = place.path(task)
    bench.record(
        lambda sequence, at: TimerSet(
            sequence=sequence, at=at, path=path, due=at + duration, origin="timeout"
        )
    )


def _time_for(text: str) -> int:
    try:
        return bounded_duration(text)
    except DurationInvalid as error:
        raise TaskFailed(f"timeout: {error}", kind="InvalidProperty") from None


async def start_child(bench: Bench, command: StartChild) -> None:
    """Record which child is meant, make that durable, then start it: a crash in between starts it later, once."""
    task, place = command.task, command.place
    rendered = await rendering(lambda: bench.renderer.task(bench.state, task, place, task.properties))
    if rendered.failure is not None:
        record_branch(bench, task, place, rendered)
        return
    try:
        started = await _child(bench, command, rendered)
    except TaskFailed as error:
        record_branch(bench, task, place, _failing(rendered, error))
        return
    bench.record(lambda sequence, at: _at(started, sequence, at))
    await bench.recorder.barrier()
    await ensure_child(bench, started)


async def ensure_child(bench: Bench, started: ChildStarted) -> None:
    """Start a child that was recorded, unless it is there; one that cannot begin any more has failed."""
    if started.path in bench.state.returned:
        return
    try:
        await _ensure(bench, started)
    except ChildRefused as error:
        _record_refusal(bench, started, str(error))


def _record_refusal(bench: Bench, started: ChildStarted, reason: str) -> None:
    message = f"the subflow execution {started.child} cannot begin any more: {reason}"
    failure = bench.masked(Failure(message=message, kind="SubflowRefused"))
    number = started.log.count if started.log is not None else 0
    log = bench.log(bench.line(started.path, message, number=number))
    bench.record(
        lambda sequence, at: ChildReturned(
            sequence=sequence,
            at=at,
            path=started.path,
            child=started.child,
            state="FAILED",
            error=failure,
            log=log,
        )
    )


async def _ensure(bench: Bench, started: ChildStarted) -> None:
    """The child sees as `trigger` where it comes from."""
    received = bench.state.received
    assert received is not None
    about: dict[str, Any] = {
        "executionId": bench.id,
        "namespace": received.namespace,
        "flowId": received.flow,
        "flowRevision": bench.state.revision,
        "taskRunId": started.path,
        "taskId": started.task,
    }
    found = locate(bench.flow, bench.state.branches, started.path)
    frames = found[1].frames if found is not None else ()
    if frames and frames[-1].value is not None:
        about |= {"taskRunValue": frames[-1].value, "taskRunIteration": frames[-1].iteration}
    await bench.children.ensure(bench.id, started, about, bench.causes)


async def look_after_child(bench: Bench, path: str) -> None:
    """After a restart: start a child that was only promised, or take the result of one that has ended."""
    started = bench.state.children[path]
    await ensure_child(bench, started)
    if path in bench.state.returned:
        return
    result = await bench.children.result(started.child)
    if result is not None and path not in bench.state.returned:
        state, outputs = result
        bench.record(
            lambda sequence, at: ChildReturned(
                sequence=sequence, at=at, path=path, child=started.child, state=state, outputs=dict(outputs)
            )
        )


async def kill_children(bench: Bench, command: KillChildren) -> None:
    """Ask the children one waits for to stop."""
    kill = bench.state.kill
    by, reason = (
        (kill.by, kill.reason) if kill else ("engine:timer", "the time of the block it was for is over")
    )
    for child in command.children:
        await bench.children.kill(child, by, reason)


async def _child(bench: Bench, command: StartChild, rendered: Rendered) -> ChildStarted:
    task, path = command.task, command.place.path(command.task)
    kind = _flowable(task, rendered.value)
    assert isinstance(kind, Subflow)
    try:
        child = await bench.children.prepare(
            kind.namespace, kind.flow_id, kind.revision, kind.inputs, bench.causes
        )
    except ChildRefused as error:
        raise TaskFailed(str(error), kind="SubflowRefused") from error
    lines = [
        bench.line(
            path, f"the flow {kind.flow_id} has no input `{name}`: it is left out", "WARN", number=number
        )
        for number, name in enumerate(child.strays)
    ]
    return ChildStarted(
        sequence=0,
        at=0,
        task=task.id,
        path=path,
        child=child.execution,
        namespace=kind.namespace,
        flow=kind.flow_id,
        revision=child.revision,
        inputs=bench.masker.data(child.inputs),
        labels={**_inherited(bench, kind, child), **kind.label_map()},
        wait=kind.wait,
        transmit_failed=kind.transmit_failed,
        attempt=command.attempt,
        since=command.since,
        log=bench.log(*lines),
    )


def _inherited(bench: Bench, kind: Subflow, child: Child) -> dict[str, str]:
    """Labels of the system go along, so that all belongs to one correlation; others if the author wants it so."""
    return {
        name: value
        for name, value in bench.state.labels.items()
        if (name not in OWN_LABELS if name.startswith("system.") else kind.inherit_labels)
        and name not in child.labels
    }


def _at(started: ChildStarted, sequence: int, at: int) -> ChildStarted:
    from msgspec.structs import replace

    return replace(started, sequence=sequence, at=at)


def _flowable(task: Task, properties: Any) -> Flowable:
    kind = instance_of(task, properties)
    assert isinstance(kind, Flowable)
    return kind


def _failing(rendered: Rendered, error: TaskFailed) -> Rendered:
    return rendered._replace(failure=Failure(message=str(error), kind=error.kind))


def _moment(bench: Bench, command: TakeBranch) -> Moment:
    prefix = f"{command.place.path(command.task)}["
    begun = [run.first_started for path, run in bench.state.runs.items() if path.startswith(prefix)]
    now = bench.recorder.now()
    since = max(min(begun, default=now), bench.state.restarted_at)
    return Moment(round=command.round, elapsed=now - since)
