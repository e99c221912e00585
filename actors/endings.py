"""How an execution ends: outputs rendered once, then the terminal event."""

from collections.abc import Callable
from typing import Any

import msgspec

from hookledger.actors.answering import at_end
from hookledger.actors.bench import Bench
from hookledger.actors.off_loop import rendering
from hookledger.actors.rendering import Rendered
from hookledger.journal.events import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionKilled,
    Failure,
    OutputsResolved,
    ResultSettled,
    Terminal,
)
from hookledger.runtime.flow.inputs import OutputsInvalid, resolve_outputs
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.templates import Tree
from hookledger.runtime.masking import Masker
from hookledger.runtime.plan import Finish, FinishKilled, Settle
from hookledger.runtime.settle import retry_due
from hookledger.runtime.state import State


async def settle_result(bench: Bench, command: Settle) -> None:
    """Render the flow's outputs and record what the execution ends in, for `afterExecution` to see."""
    found = await _found(bench, command)
    bench.record(lambda sequence, at: msgspec.structs.replace(found, sequence=sequence, at=at))


async def finish(bench: Bench, command: Finish) -> None:
    """Record the end, with the flow's outputs."""
    settled = bench.state.settled
    found = await _found(bench, command) if settled is None else settled
    drawn = found.ambient if settled is None else ()
    await _record_end(bench, lambda sequence, at: _terminal(bench, found, drawn, sequence, at))


async def finish_killed(bench: Bench, command: FinishKilled) -> None:
    """Record who had it killed: somebody, or the flow itself."""
    kill = bench.state.kill
    by, reason = ("flow:exit", "") if kill is None else (kill.by, kill.reason)
    await _record_end(
        bench, lambda sequence, at: ExecutionKilled(sequence=sequence, at=at, by=by, reason=reason)
    )


async def _record_end(bench: Bench, make: Callable[[int, int], Terminal]) -> None:
    """Record a terminal event with the caller's answer."""
    event = make(bench.state.sequence, bench.recorder.now())
    answered = await rendering(lambda: at_end(bench, event))
    bench.record(lambda _sequence, _at: answered)


async def _found(bench: Bench, command: Settle | Finish) -> ResultSettled:
    """An execution whose outputs cannot be rendered has failed, whatever its tasks did.

    One that was stopped, ended itself early or is tried again has no outputs.
    """
    state, reached = bench.state, command.state
    error = _reason(command, state) if reached in ("FAILED", "RETRIED") else None
    outputs: dict[str, Any] = {}
    drawn: tuple[dict[str, Any], ...] = ()
    if state.kill is None and not state.exit_state and reached != "RETRIED":
        outputs, failure, drawn = await rendering(
            lambda: flow_outputs(
                bench.flow, lambda tree: bench.renderer.whole(bench.state, tree), bench.masker
            )
        )
        if failure is not None:
            reached, error = "FAILED", error or failure
    return ResultSettled(
        sequence=0,
        at=0,
        state=reached,  # type: ignore[arg-type]
        path=command.path,
        error=error,
        outputs=outputs,
        ambient=drawn,
    )


def flow_outputs(
    flow: Flow, render: Callable[[Tree], Rendered], masker: Masker
) -> tuple[dict[str, Any], Failure | None, tuple[dict[str, Any], ...]]:
    """A flow's outputs, or why there are none, and what was drawn.

    Each output for itself: one that need not be there is left out when it cannot be rendered.
    """
    values: dict[str, Any] = {}
    drawn: list[dict[str, Any]] = []
    for one in flow.outputs:
        rendered = render(flow.output_templates[one.id])
        drawn += rendered.drawn
        if rendered.failure is None:
            values[one.id] = rendered.value
        elif one.required:
            return {}, rendered.failure, tuple(drawn)
    declared = [one for one in flow.outputs if one.id in values]
    try:
        resolved = resolve_outputs(declared, values)
    except OutputsInvalid as error:
        message = "; ".join(map(str, error.problems))
        failure = Failure(message=masker.text(f"outputs: {message}"), kind="InvalidOutputs")
        return {}, failure, tuple(drawn)
    return masker.data(dict(resolved)), None, tuple(drawn)


def _terminal(
    bench: Bench, found: ResultSettled, drawn: tuple[dict[str, Any], ...], sequence: int, at: int
) -> Terminal:
    if found.state in ("SUCCESS", "WARNING"):
        warned = found.state == "WARNING"
        return OutputsResolved(
            sequence=sequence,
            at=at,
            state="WARNING" if warned else "SUCCESS",
            outputs=found.outputs,
            ambient=drawn,
        )
    if found.state == "CANCELLED":
        return ExecutionCancelled(sequence=sequence, at=at, reason="the flow ended itself as cancelled")
    retry_at = retry_due(bench.flow, bench.state, found.path) if found.state == "RETRIED" else 0
    return ExecutionFailed(
        sequence=sequence,
        at=at,
        error=found.error or Failure(message="the flow failed"),
        path=found.path,
        retry_at=retry_at or 0,
        outputs=found.outputs,
        ambient=drawn,
    )


def _reason(command: Settle | Finish, state: State) -> Failure | None:
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
        return returned.error or Failure(
            message=f"subflow execution {returned.child} ended {returned.state}", kind="SubflowFailed"
        )
    return None
