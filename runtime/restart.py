"""What a restart forgets, so that it happens again: what failed and was not tolerated, and what only ran because of it.

What has finished stays: the other iterations of a loop, the other branches of a Parallel, the children of a Dag that
ended well, the blocks that came before.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from hookledger.journal.events import BranchTaken
from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.locate import locate
from hookledger.runtime.plan import Place, Planner
from hookledger.runtime.state import State, around, below

AFTERMATH = ("errors", "finally")
"""Blocks of a flowable that follow its children's end."""


class Redone(NamedTuple):
    """What happens once more."""

    paths: tuple[str, ...]
    """Runs, choices, waits and children that are forgotten with everything below them."""
    again: tuple[str, ...]
    """Loops whose condition is looked at again, blocks that get their time again; what is inside them stays."""


def redone(flow: Flow, state: State) -> Redone:
    """What a restart does once more.

    Args:
        flow: The revision in which it failed.
        state: After the terminal event.
    """
    failures, late = _failures(flow, state)
    causes = {*failures, *_void(state)}
    checks = {path for path in failures if _broken_check(state.branches.get(path))}
    gone = (causes - checks) | set(_aftermath(flow, state, causes | late))
    kept = (path for path in late | checks if not any(below(path, root) for root in gone))
    return Redone(tuple(sorted(gone)), tuple(sorted(kept)))


def lost_paths(flow: Flow, state: State, paths: Iterable[str]) -> Iterator[str]:
    """Paths of kept runs which a (newer) revision of the flow no longer has: such a revision cannot take over."""
    gone = tuple(paths)
    for path in state.runs:
        if not any(below(path, root) for root in gone) and locate(flow, state.branches, path) is None:
            yield path


def _failures(flow: Flow, state: State) -> tuple[tuple[str, ...], set[str]]:
    """What the plan stopped at, as if nobody had killed it, no Exit had cut it short and no block had been late."""
    late: set[str] = set()
    while True:
        in_time = {path: since for path, since in state.expired.items() if path not in late}
        uncut = replace(state, kill=None, exit_state="", exits=(), expired=in_time)
        failures = Planner(state=uncut, now=state.at).sequence(flow.tasks, Place()).failures
        if not in_time.keys() & set(failures):
            return failures, late
        late |= in_time.keys() & set(failures)


def _void(state: State) -> Iterator[str]:
    """What an end left waiting is waited for anew, an Exit asked again, a child that was killed along replaced."""
    yield from (path for path in (*state.pauses, *state.timers) if path)
    if state.exit_path:
        yield state.exit_path
    for path, started in state.children.items():
        returned = state.returned.get(path)
        stopped = state.kill is not None or any(below(path, root) for root in state.expired)
        if started.wait and (returned is None or (stopped and returned.state == "KILLED")):
            yield path


def _broken_check(taken: BranchTaken | None) -> bool:
    """True for a loop whose condition failed behind children that had worked."""
    return taken is not None and taken.error is not None and taken.round > 0


def _aftermath(flow: Flow, state: State, causes: Iterable[str]) -> Iterator[str]:
    """What ran because something had ended: around each cause, and at the end of the flow."""
    known = {task.id: task for task in flow.walk()}
    roots = [task.id for block in (flow.errors, flow.finally_, flow.after_execution) for task in block]
    for path in {block for cause in causes for block in around(cause)}:
        task = known.get(path.rpartition("/")[2])
        roots += [f"{path}/{child.id}" for child in _followers(task)]
    present = (*state.runs, *state.branches, *state.children, *state.fired, *state.resumed)
    yield from (root for root in roots if any(below(path, root) for path in present))


def _followers(task: Task | None) -> Iterator[Task]:
    if task is not None:
        for name in AFTERMATH:
            yield from task.block(name)
