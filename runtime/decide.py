"""What should happen next: a pure function of an execution's state, its flow and the time.

The order is Kestra's: tasks, then `errors` if they failed, then `finally`, then the flow's outputs, then
`afterExecution`. An errors branch that works does not rescue the execution; one that fails, or a `finally` that
fails, goes on with its next task and changes nothing. A kill and an Exit skip `errors` and `finally`.
"""

from hookledger.journal.events import ResultSettled
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
    Settle,
    ended,
)
from hookledger.runtime.settle import retry_due
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
    if state.stopping:
        return _stopping(flow, state)
    if now < state.received.not_before and state.kill is None:
        return (AwaitTime(path="", due=state.received.not_before, reason="retry"),)
    if "" in state.pauses:
        return (AwaitEvent(path="", reason="operator"),)
    planner = Planner(state=state, now=now)
    if state.settled is not None:
        return _after(flow, state.settled, planner)
    result = _result(flow, state, planner)
    if result.state is None:
        return result.commands
    return (_end(flow, result.state, result.failed_path),)


def _result(flow: Flow, state: State, planner: Planner) -> Progress:
    """How the tasks end: an Exit cuts the plan short; `errors` and `finally` come after, and change nothing of it."""
    if state.exit_state:
        return _exiting(state)
    main = planner.sequence(flow.tasks, _TOP)
    if main.state is None:
        return main
    if main.failed and retry_due(flow, state, main.failed_path) is not None:
        return ended("RETRIED", *main.failures)
    for tasks in (flow.errors, flow.finally_) if main.failed else (flow.finally_,):
        after = planner.sequence(tasks, _TOP, go_on=True)
        if after.state is None:
            return after
    return main


def _exiting(state: State) -> Progress:
    """An Exit ends the rest: what still runs beside it is stopped first, but nothing of what comes after begins."""
    open_paths = tuple(run.path for run in state.open_runs())
    if open_paths:
        return Progress(commands=(EndAttempts(paths=open_paths),))
    return ended(state.exit_state)


def _end(flow: Flow, reached: str, failed_path: str = "") -> Command:
    if flow.after_execution:
        return Settle(state=reached, path=failed_path)
    return FinishKilled() if reached == "KILLED" else Finish(state=reached, path=failed_path)


def _after(flow: Flow, settled: ResultSettled, planner: Planner) -> tuple[Command, ...]:
    """`afterExecution` follows every end; what happens in it changes nothing of the state."""
    after = planner.sequence(flow.after_execution, _TOP, go_on=True)
    if after.state is None:
        return after.commands
    if settled.state == "KILLED":
        return (FinishKilled(),)
    return (Finish(state=settled.state, path=settled.path),)


def _stopping(flow: Flow, state: State) -> tuple[Command, ...]:
    """A kill closes what is open; one that comes during `afterExecution` ends that as well."""
    children = tuple(
        started.child
        for path, started in state.children.items()
        if started.wait and path not in state.returned
    )
    open_paths = tuple(run.path for run in state.open_runs())
    if open_paths or children:
        return (EndAttempts(paths=open_paths), KillChildren(children=children))
    return (FinishKilled() if state.settled is not None else _end(flow, "KILLED"),)
