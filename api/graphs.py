"""A flow's graph in the shape Kestra's clients read: nodes, edges and a cluster for each flowable. Pure."""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import UNSET

from hookledger.api.shapes import GraphCluster, GraphEdge, GraphNode, GraphRelation, GraphView
from hookledger.runtime.flow.graph import Graph, Node

_TYPES: Final = {
    "task": "io.kestra.core.models.hierarchies.GraphTask",
    "flowable": "io.kestra.core.models.hierarchies.GraphTask",
    "trigger": "io.kestra.core.models.hierarchies.GraphTrigger",
}
_BRANCHES: Final[dict[str, Literal["ERROR", "FINALLY", "AFTER_EXECUTION"]]] = {
    "errors": "ERROR",
    "finally": "FINALLY",
    "afterExecution": "AFTER_EXECUTION",
}


def graph_view(graph: Graph) -> GraphView:
    """A graph as it is answered."""
    return GraphView(
        nodes=[_node(node) for node in graph.nodes],
        edges=[
            GraphEdge(
                source=edge.source,
                target=edge.target,
                relation=GraphRelation(relation_type=edge.relation, value=edge.value or UNSET),
            )
            for edge in graph.edges
        ],
        clusters=list(_clusters(graph)),
        flowables=[node.id for node in graph.nodes if node.kind == "flowable"],
    )


def _node(node: Node) -> GraphNode:
    return GraphNode(
        uid=node.id,
        type=_TYPES[node.kind],
        label=node.label,
        kind=node.kind,
        task_type=node.type,
        branch_type=_BRANCHES.get(node.block, UNSET),
    )


def _clusters(graph: Graph) -> Iterator[GraphCluster]:
    """One for each flowable with something inside, outer ones first."""
    inside: dict[str, list[str]] = {}
    for node in graph.nodes:
        inside.setdefault(node.parent, []).append(node.id)
    around = {node.id: node.parent for node in graph.nodes}
    for node in graph.nodes:
        if nodes := inside.get(node.id) if node.kind == "flowable" else None:
            yield GraphCluster(
                cluster=_node(node),
                nodes=nodes,
                parents=list(_parents(node.id, around)),
                start=nodes[0],
                end=nodes[-1],
            )


def _parents(path: str, around: dict[str, str]) -> Iterator[str]:
    while path := around[path]:
        yield path
