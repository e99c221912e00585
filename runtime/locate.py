"""From a path back to the plan."""

from collections.abc import Mapping

from hookledger.journal.events import BranchTaken
from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.plan import Place


def locate(flow: Flow, branches: Mapping[str, BranchTaken], path: str) -> tuple[Task, Place] | None:
    """Find the task a path names, and its place; None when the plan has no such task there."""
    children = {task.id: task for task in flow.top}
    place = Place()
    *parents, last = path.split("/")
    for segment in parents:
        name, bracket, index = segment.partition("[")
        if name not in children:
            return None
        iteration = int(index[:-1]) if bracket else None
        taken = branches.get(f"{place.prefix}{name}")
        value = taken.values[iteration] if taken and taken.values and iteration is not None else None
        place = place.inside(children[name], value=value, iteration=iteration)
        children = {child.id: child for block in children[name].blocks.values() for child in block}
    return (children[last], place) if last in children else None
