"""How an execution ends: outputs rendered once, then the terminal event."""

from typing import Any

from hookledger.actors.answering import at_end
from hookledger.actors.bench import Bench
from hookledger.actors.rendering import Rendered
from hookledger.journal.events import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionKilled,
    Failure,
    OutputsResolved,
    Terminal,
)
from hookledger.runtime.flow.inputs import OutputsInvalid, resolve_outputs
from hookledger.runtime.plan import Finish, FinishKilled
from hookledger.runtime.state import State


async def finish(bench: Bench, command: Finish) -> None:
    """Render the flow's outputs and record the end."""
    rendered = bench.renderer.whole(bench.state, bench.flow.output_templates)
    outputs, failure = _outputs(bench, rendered)
    bench.record(
        lambda sequence, at: at_end(
            bench, _terminal(command, bench.state, outputs, failure, rendered.drawn, sequence, at)
        )
    )


async def finish_killed(bench: Bench, command: FinishKilled) -> None:
    """Record who had it killed."""
    kill = bench.state.kill
    assert kill is not None
    bench.record(
        lambda sequence, at: at_end(
            bench, ExecutionKilled(sequence=sequence, at=at, by=kill.by, reason=kill.reason)
        )
    )


def _outputs(bench: Bench, rendered: Rendered) -> tuple[dict[str, Any], Failure | None]:
    if rendered.failure is not None:
        return {}, rendered.failure
    try:
        resolved = resolve_outputs(bench.flow.outputs, rendered.value)
    except OutputsInvalid as error:
        message = "; ".join(map(str, error.problems))
        return {}, Failure(message=bench.masker.text(f"outputs: {message}"), kind="InvalidOutputs")
    return bench.masker.data(dict(resolved)), None


def _terminal(
    command: Finish,
    state: State,
    outputs: dict[str, Any],
    failure: Failure | None,
    drawn: tuple[dict[str, Any], ...],
    sequence: int,
    at: int,
) -> Terminal:
    """An execution whose outputs cannot be rendered has failed, whatever its tasks did."""
    if command.state in ("SUCCESS", "WARNING") and failure is None:
        warned = command.state == "WARNING"
        return OutputsResolved(
            sequence=sequence, at=at, state="WARNING" if warned else "SUCCESS", outputs=outputs, ambient=drawn
        )
    if command.state == "KILLED":
        return ExecutionKilled(sequence=sequence, at=at, by="flow:exit")
    if command.state == "CANCELLED":
        return ExecutionCancelled(sequence=sequence, at=at, reason="the flow ended itself as cancelled")
    error = _reason(command, state) if command.state == "FAILED" else failure
    return ExecutionFailed(
        sequence=sequence,
        at=at,
        error=error or Failure(message="the flow failed"),
        path=command.path,
        outputs=outputs,
        ambient=drawn,
    )


def _reason(command: Finish, state: State) -> Failure | None:
    run = state.runs.get(command.path)
    if run is not None and run.error is not None:
        return run.error
    branch = state.branches.get(command.path)
    if branch is not None and branch.error is not None:
        return branch.error
    if branch is not None and branch.chosen == "failed":
        message = f"the condition of `{branch.task}` was not met within {branch.round} rounds"
        return Failure(message=message, kind="GaveUp")
    if command.path in state.expired:
        return Failure(message=f"`{command.path}` was not done within its timeout", kind="Timeout")
    if command.path in state.resumed:
        return Failure(message=f"`{command.path}` ended without an answer in time", kind="PauseExpired")
    if state.exit_path:
        return Failure(message=f"`{state.exit_path}` ended the execution as FAILED", kind="Exit")
    returned = state.returned.get(command.path)
    if returned is not None:
        return Failure(
            message=f"subflow execution {returned.child} ended {returned.state}", kind="SubflowFailed"
        )
    return None
