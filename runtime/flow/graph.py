"""A flow as a graph: what runs after, inside and beside what. Pure; pages and programs draw from it.

Nodes are tasks (named by their path in the plan, without iterations) and triggers. A node with `parent` stands inside
that flowable, in the block `block`. Edges say in which order siblings come and how a flowable reaches its children.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.plan import Flowable
from hookledger.runtime.tasks.base import TaskKind
from hookledger.runtime.tasks.flow.choices import If, Switch
from hookledger.runtime.tasks.flow.loops import EachParallel, ForEach, LoopUntil
from hookledger.runtime.tasks.flow.parallel import Dag, Parallel

Relation: TypeAlias = Literal[
    "SEQUENTIAL", "CHOICE", "ERROR", "FINALLY", "AFTER_EXECUTION", "PARALLEL", "DYNAMIC"
]
Kind: TypeAlias = Literal["task", "flowable", "trigger"]

TRIGGERS: Final = "triggers"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A task or a trigger."""

    id: str
    """Its path: ids of the flowables around it and its own, joined by `/`; triggers stand below `triggers/`."""
    label: str
    """Its own id."""
    type: str
    kind: Kind
    parent: str = ""
    """The flowable around it; empty at the top."""
    block: str = ""
    """The part of the parent, or of the flow, it stands in: `tasks`, `then`, `cases.x`, `errors`, ..."""


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """The target comes after the source, or is chosen by it."""

    source: str
    target: str
    relation: Relation
    value: str = ""
    """Of a choice: the branch."""


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes in the order of the text, parents before their children."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


_SIDE: Final[dict[str, Relation]] = {
    "errors": "ERROR",
    "finally": "FINALLY",
    "afterExecution": "AFTER_EXECUTION",
}
_INSIDE: Final[dict[type[TaskKind], Relation]] = {
    EachParallel: "PARALLEL",
    ForEach: "DYNAMIC",
    LoopUntil: "DYNAMIC",
    If: "CHOICE",
    Switch: "CHOICE",
}
"""How a flowable reaches the first task of a block; where it is not named here, one simply follows the other."""


def graph_of(flow: Flow) -> Graph:
    """Describe a flow; disabled tasks are no part of its plan and so of no graph."""
    nodes = [
        Node(id=f"{TRIGGERS}/{one.id}", label=one.id, type=one.type, kind="trigger", block=TRIGGERS)
        for one in flow.triggers
    ]
    first, last = (flow.tasks[0].id, flow.tasks[-1].id) if flow.tasks else ("", "")
    edges = [Edge(source=one.id, target=first, relation="SEQUENTIAL") for one in nodes if first]
    for name, tasks in _blocks(flow):
        nodes += _nodes(tasks, "", name)
        edges += _chain(tasks, "", "" if name == "tasks" else last, _SIDE.get(name, "SEQUENTIAL"))
    return Graph(nodes=tuple(nodes), edges=tuple(edges))


def _blocks(flow: Flow) -> Iterator[tuple[str, Sequence[Task]]]:
    yield "tasks", flow.tasks
    yield "errors", flow.errors
    yield "finally", flow.finally_
    yield "afterExecution", flow.after_execution


def _nodes(tasks: Sequence[Task], parent: str, block: str) -> Iterator[Node]:
    for task in tasks:
        path = _path(parent, task)
        kind: Kind = "flowable" if issubclass(task.kind, Flowable) else "task"
        yield Node(id=path, label=task.id, type=task.type, kind=kind, parent=parent, block=block)
        for name, children in task.blocks.items():
            yield from _nodes(children, path, name)


def _chain(
    tasks: Sequence[Task], parent: str, source: str, relation: Relation, value: str = ""
) -> Iterator[Edge]:
    """One after the other, the first behind `source` (if there is one)."""
    before = source
    for index, task in enumerate(tasks):
        path = _path(parent, task)
        if before and index == 0:
            yield Edge(source=before, target=path, relation=relation, value=value)
        elif before:
            yield Edge(source=before, target=path, relation="SEQUENTIAL")
        yield from _inner_edges(task, path)
        before = path


def _inner_edges(task: Task, path: str) -> Iterator[Edge]:
    for name, children in task.blocks.items():
        relation = _SIDE.get(name) or _INSIDE.get(task.kind, "SEQUENTIAL")
        if name not in _SIDE and issubclass(task.kind, Parallel | Dag):
            yield from _side_by_side(children, path)
        else:
            yield from _chain(
                children, path, path, relation, name.removeprefix("cases.") if relation == "CHOICE" else ""
            )


def _side_by_side(children: Sequence[Task], path: str) -> Iterator[Edge]:
    """Children of a Parallel begin at once; those of a Dag behind what they depend on."""
    present = {child.id for child in children}
    for child in children:
        own = _path(path, child)
        before = [name for name in child.dependencies if name in present]
        for name in before:
            yield Edge(source=f"{path}/{name}", target=own, relation="SEQUENTIAL")
        if not before:
            yield Edge(source=path, target=own, relation="PARALLEL")
        yield from _inner_edges(child, own)


def _path(parent: str, task: Task) -> str:
    return f"{parent}/{task.id}" if parent else task.id
