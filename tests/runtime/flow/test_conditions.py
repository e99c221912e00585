"""Kestra's older conditions as expressions."""

from typing import Any

import pytest

from hookledger.runtime.expressions import Ambient
from hookledger.runtime.flow.conditions import KINDS, holds
from hookledger.runtime.flow.parse import FlowInvalid, parse_flow
from hookledger.runtime.flow.templates import render_tree

TRIGGER: dict[str, Any] = {"namespace": "company.team", "flowId": "orders", "state": "FAILED"}
FLOW = """
id: f
namespace: company.other
tasks:
  - {id: a, type: io.kestra.plugin.core.log.Log, message: a}
triggers:
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    conditions:
"""


def outcome(*conditions: str) -> bool:
    """Whether all of them hold for `TRIGGER`."""
    flow = parse_flow(FLOW + "".join(f"      - {condition}\n" for condition in conditions))
    return all(
        holds(render_tree(tree, {"trigger": TRIGGER}, Ambient())) for tree in flow.triggers[0].conditions
    )


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("{type: X.Expression, expression: \"{{ trigger.state == 'FAILED' }}\"}", True),
        ('{type: X.VariableCondition, expression: "{{ false }}"}', False),
        ("{type: X.ExecutionFlow, namespace: company.team, flowId: orders}", True),
        ("{type: X.ExecutionFlowCondition, namespace: company.team, flowId: other}", False),
        ("{type: X.ExecutionNamespace, namespace: company.team}", True),
        ("{type: X.ExecutionNamespace, namespace: company}", False),
        ("{type: X.ExecutionNamespaceCondition, namespace: company, prefix: true}", True),
        ("{type: X.ExecutionNamespace, namespace: team, comparison: SUFFIX}", True),
        ("{type: X.ExecutionStatus, in: [FAILED, KILLED]}", True),
        ("{type: X.ExecutionStatusCondition, notIn: [FAILED]}", False),
        ("{type: X.Or, conditions: [{type: X.Expression, expression: ''}, {type: X.ExecutionStatus}]}", True),
        ("{type: X.Or, conditions: []}", False),
        ("{type: X.Not, conditions: [{type: X.Not, conditions: [{type: X.ExecutionStatus}]}]}", True),
        ("{type: X.NotCondition, conditions: [{type: X.ExecutionStatus, in: [FAILED]}]}", False),
    ],
)
def test_a_condition_means_what_it_meant(condition: str, met: bool) -> None:
    """
    Each kind, by its names of old and new in any package, says yes or no of what has ended.
    """
    assert outcome(condition) is met


def test_all_conditions_have_to_hold() -> None:
    """
    Conditions side by side are a conjunction.
    """
    yes, no = "{type: X.ExecutionStatus, in: [FAILED]}", "{type: X.ExecutionStatus, in: [KILLED]}"
    assert outcome(yes, yes)
    assert not outcome(yes, no)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("{type: X.ExecutionStat, in: [FAILED]}", "did you mean `ExecutionStatus`?"),
        ("{type: X.ExecutionStatus, in: [FAILD]}", "did you mean `FAILED`?"),
        ("{type: X.ExecutionFlow, namespace: a, flow: b}", "did you mean `flowId`?"),
        (
            "{type: X.ExecutionFlow, namespace: \"a' or true or 'a\", flowId: b}",
            "expected small letters, digits",
        ),
        ('{type: X.Not, conditions: [{type: X.Expression, expression: "{{ a | }}"}]}', "E001"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(condition: str, says: str) -> None:
    """
    Unknown kinds, names, states and broken expressions are reported when the flow is loaded, also inside others.
    """
    with pytest.raises(FlowInvalid, match=r".*") as refused:
        outcome(condition)
    assert says in str(refused.value)


def test_conditions_nest_to_a_limit() -> None:
    """
    A tower of conditions is refused with what to do instead.
    """
    tower = "{type: X.ExecutionStatus}"
    for _ in range(12):
        tower = f"{{type: X.Not, conditions: [{tower}]}}"
    with pytest.raises(FlowInvalid, match="nest deeper"):
        outcome(tower)
    assert len({name for kind in KINDS for name in kind.names}) == sum(len(kind.names) for kind in KINDS)
