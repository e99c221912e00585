"""What a restart forgets, so that it happens again: what failed, and every block that only ran because it did."""

from collections.abc import Iterable

from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.plan import locate
from hookledger.runtime.state import State

AFTERMATH = ("errors", "finally")
"""Blocks of a flowable that follow its children's end."""


def forgotten(flow: Flow, state: State) -> tuple[str, ...]:
    """Paths of runs, choices, pauses and children that a restart does once more."""
    aftermath = {task.id for task in _aftermath(flow)}
    failed = {path for path, run in state.runs.items() if run.state in ("FAILED", "KILLED")}
    failed |= {path for path, taken in state.branches.items() if taken.error or taken.chosen == "failed"}
    failed |= {path for path, resumed in state.resumed.items() if path and resumed.choice == "fail"}
    failed |= {path for path, child in state.returned.items() if child.state not in ("SUCCESS", "WARNING")}
    # What an end (a kill, an Exit) left waiting became void with it: it is waited for anew.
    failed |= {*state.pauses, *state.timers, *(state.children.keys() - state.returned.keys())} - {""}
    every = {*state.runs, *state.branches, *state.children, *state.timers, *state.resumed}
    failed |= {path for path in every if _task_of(path) in aftermath}
    return tuple(sorted(failed))


def lost_paths(flow: Flow, state: State) -> Iterable[str]:
    """Paths of finished runs which a (newer) revision of the flow no longer has: such a revision cannot take over."""
    return (path for path in state.runs if locate(flow.walk(), state.branches, path) is None)


def _aftermath(flow: Flow) -> Iterable[Task]:
    for block in (flow.errors, flow.finally_, flow.after_execution):
        for task in block:
            yield from task.walk()
    for task in flow.walk():
        for name in AFTERMATH:
            for child in task.block(name):
                yield from child.walk()


def _task_of(path: str) -> str:
    return path.rpartition("/")[2].partition("[")[0]
