"""What should happen next: a pure function of an execution's state, its flow and the time.

The order is Kestra's: tasks, then `errors` if they failed, then `finally`, then the flow's outputs, then
`afterExecution`. An errors branch that works does not rescue the execution.
"""

from hookledger.runtime.flow.model import Flow
from hookledger.runtime.plan import (
    AwaitEvent,
    AwaitTime,
    Command,
    EndAttempts,
    Finish,
    FinishKilled,
    KillChildren,
    Place,
    Planner,
    Progress,
    ended,
    worst,
)
from hookledger.runtime.state import State

_TOP = Place()


def decide(flow: Flow, state: State, now: int) -> tuple[Command, ...]:
    """Return what to do next, in order; empty once the execution has ended.

    Args:
        flow: The revision the execution is pinned to.
        state: What its events say.
        now: Microseconds since 1970-01-01 UTC; only compared with recorded due times.
    """
    if state.terminal is not None or state.received is None:
        return ()
    if state.kill is not None:
        return _killing(state)
    if now < state.received.not_before:
        return (AwaitTime(path="", due=state.received.not_before, reason="retry"),)
    if "" in state.pauses:
        return (AwaitEvent(path="", reason="operator"),)
    planner = Planner(state=state, now=now)
    main = _main(flow, state, planner)
    if main.state is None:
        return main.commands
    return _ending(flow, main, planner)


def outcome(flow: Flow, state: State) -> str | None:
    """The state the execution will end in, as far as its tasks and `finally` go; None while they are under way."""
    planner = Planner(state=state, now=state.at)
    main = _main(flow, state, planner)
    return None if main.state is None else _reached(flow, main, planner)[0]


def _main(flow: Flow, state: State, planner: Planner) -> Progress:
    """An Exit task cuts the plan short, unless it stands where the state is already settled."""
    settled = {task.id for task in flow.after_execution}
    if state.exit_state and top_task(state.exit_path) not in settled:
        return _exiting(flow, state)
    return planner.sequence(flow.tasks, _TOP)


def _exiting(flow: Flow, state: State) -> Progress:
    """An Exit task ends the rest: what still runs beside it is stopped first, but nothing of what comes after."""
    beside = {task.id for task in flow.tasks}
    open_paths = tuple(run.path for run in state.open_runs() if top_task(run.path) in beside)
    if open_paths:
        return Progress(commands=(EndAttempts(paths=open_paths),))
    return ended(state.exit_state)


def _ending(flow: Flow, main: Progress, planner: Planner) -> tuple[Command, ...]:
    if main.failed:
        handled = planner.sequence(flow.errors, _TOP)
        if handled.state is None:
            return handled.commands
    last = planner.sequence(flow.finally_, _TOP)
    if last.state is None:
        return last.commands
    reached, failed_path = _reached(flow, main, planner)
    after = planner.sequence(flow.after_execution, _TOP)
    if after.state is None:
        return after.commands
    return (Finish(state=reached, path=failed_path),)


def _reached(flow: Flow, main: Progress, planner: Planner) -> tuple[str, str]:
    """Final state, and the task that made it a bad one: a `finally` that fails can only make it worse."""
    reached = main.state or "SUCCESS"
    last = planner.sequence(flow.finally_, _TOP)
    if not flow.finally_ or last.state is None or (reached == "CANCELLED" and not last.failed):
        return reached, main.failed_path
    return worst((reached, last.state)), main.failed_path or last.failed_path


def _killing(state: State) -> tuple[Command, ...]:
    children = tuple(
        started.child
        for path, started in state.children.items()
        if started.wait and path not in state.returned
    )
    open_paths = tuple(run.path for run in state.open_runs())
    if open_paths or children:
        return (EndAttempts(paths=open_paths), KillChildren(children=children))
    return (FinishKilled(),)


def top_task(path: str) -> str:
    """Id of the outermost task of a path."""
    return path.partition("/")[0].partition("[")[0]
