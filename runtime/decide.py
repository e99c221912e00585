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


def outcome(flow: Flow, state: State, now: int) -> str | None:
    """The state the execution's own tasks have reached, None while they are under way."""
    planner = Planner(state=state, now=now)
    return _main(flow, state, planner).state


def _main(flow: Flow, state: State, planner: Planner) -> Progress:
    return _exiting(state) if state.exit_state else planner.sequence(flow.tasks, _TOP)


def _exiting(state: State) -> Progress:
    """An Exit task ends the rest: what still runs beside it is stopped first."""
    open_paths = tuple(run.path for run in state.open_runs())
    if open_paths:
        return Progress(commands=(EndAttempts(paths=open_paths),))
    return ended(state.exit_state)


def _ending(flow: Flow, main: Progress, planner: Planner) -> tuple[Command, ...]:
    reached = main.state or "SUCCESS"
    failed_path = main.failed_path
    if main.failed:
        handled = planner.sequence(flow.errors, _TOP)
        if handled.state is None:
            return handled.commands
    last = planner.sequence(flow.finally_, _TOP)
    if last.state is None:
        return last.commands
    if flow.finally_:
        reached, failed_path = worst((reached, last.state)), failed_path or last.failed_path
    after = planner.sequence(flow.after_execution, _TOP)
    if after.state is None:
        return after.commands
    return (Finish(state=reached, path=failed_path),)


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
