"""A flow as a graph: nodes by their place in the plan, edges by what makes them run."""

from typing import Final

from hookledger.runtime.flow.graph import graph_of
from hookledger.runtime.flow.parse import parse_flow

LOG: Final = "type: io.kestra.plugin.core.log.Log, message: x"
FLOW: Final = f"""id: drawn
namespace: io.tests
tasks:
  - {{id: begin, {LOG}}}
  - id: either
    type: io.kestra.plugin.core.flow.If
    condition: "true"
    then: [{{id: yes, {LOG}}}, {{id: more, {LOG}}}]
    else: [{{id: no, {LOG}}}]
    errors: [{{id: mend, {LOG}}}]
  - id: case
    type: io.kestra.plugin.core.flow.Switch
    value: a
    cases: {{a: [{{id: in-a, {LOG}}}]}}
    defaults: [{{id: other, {LOG}}}]
  - id: side
    type: io.kestra.plugin.core.flow.Parallel
    tasks: [{{id: left, {LOG}}}, {{id: right, {LOG}}}]
  - id: dag
    type: io.kestra.plugin.core.flow.Dag
    tasks:
      - task: {{id: one, {LOG}}}
      - task: {{id: two, {LOG}}}
        dependsOn: [one]
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: [1]
    tasks: [{{id: inner, {LOG}}}, {{id: gone, disabled: true, {LOG}}}]
errors: [{{id: alarm, {LOG}}}]
finally: [{{id: clean, {LOG}}}]
afterExecution: [{{id: report, {LOG}}}]
triggers: [{{id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: a-key-of-sixteen-bytes}}]
"""
EDGES: Final = {
    ("triggers/hook", "begin", "SEQUENTIAL", ""),
    ("begin", "either", "SEQUENTIAL", ""),
    ("either", "either/yes", "CHOICE", "then"),
    ("either/yes", "either/more", "SEQUENTIAL", ""),
    ("either", "either/no", "CHOICE", "else"),
    ("either", "either/mend", "ERROR", ""),
    ("either", "case", "SEQUENTIAL", ""),
    ("case", "case/in-a", "CHOICE", "a"),
    ("case", "case/other", "CHOICE", "defaults"),
    ("case", "side", "SEQUENTIAL", ""),
    ("side", "side/left", "PARALLEL", ""),
    ("side", "side/right", "PARALLEL", ""),
    ("side", "dag", "SEQUENTIAL", ""),
    ("dag", "dag/one", "PARALLEL", ""),
    ("dag/one", "dag/two", "SEQUENTIAL", ""),
    ("dag", "each", "SEQUENTIAL", ""),
    ("each", "each/inner", "DYNAMIC", ""),
    ("each", "alarm", "ERROR", ""),
    ("each", "clean", "FINALLY", ""),
    ("each", "report", "AFTER_EXECUTION", ""),
}


def test_edges_say_what_makes_a_task_run() -> None:
    """
    Order, choice, error, clean-up, loop and dependency are told apart; a disabled task is not drawn.
    """
    graph = graph_of(parse_flow(FLOW))
    edges = [(edge.source, edge.target, edge.relation, edge.value) for edge in graph.edges]
    assert set(edges) == EDGES
    assert len(edges) == len(EDGES)


def test_nodes_stand_where_their_runs_stand() -> None:
    """
    A node's id is the path of its task run without iterations; it knows its parent and its block, and comes behind it.
    """
    nodes = graph_of(parse_flow(FLOW)).nodes
    found = {node.id: node for node in nodes}
    assert found["case/in-a"].parent == "case"
    assert found["case/in-a"].block == "cases.a"
    assert found["triggers/hook"].kind == "trigger"
    assert (found["each"].kind, found["each/inner"].kind) == ("flowable", "task")
    assert "each/gone" not in found
    order = [node.id for node in nodes]
    assert all(order.index(node.parent) < order.index(node.id) for node in nodes if node.parent)
    ends = {end for edge in graph_of(parse_flow(FLOW)).edges for end in (edge.source, edge.target)}
    assert ends == set(found)
