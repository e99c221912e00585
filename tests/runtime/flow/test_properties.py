"""What is said of a flow's properties names them by their path; a property without a value is not there."""

from typing import Any

import pytest

from hookledger.runtime.flow.parse import FlowInvalid, parse_flow

C = "io.kestra.plugin.core"
TASK = f"{{id: a, type: {C}.debug.Return, format: x}}"
HOOK = f"{{id: w, type: {C}.trigger.Webhook, key: k}}"
FLOW_PROPERTIES = (
    "errors", "finally", "afterExecution", "inputs", "outputs", "labels", "variables", "triggers", "concurrency",
    "retry", "description", "disabled", "pluginDefaults", "taskDefaults",
)  # fmt: skip
TASK_PROPERTIES = (
    "retry", "timeout", "disabled", "runIf", "allowFailure", "allowWarning", "logLevel", "description",
)  # fmt: skip


def flow(body: str = "", *, tasks: str = TASK, head: str = "id: f\nnamespace: a.b\n") -> str:
    """A flow with something more at its top level, or with another task."""
    return f"{head}tasks:\n  - {tasks}\n{body}"


def task(kind: str, more: str = "", name: str = "a") -> str:
    """A task with properties of its own."""
    return f"{{id: {name}, type: {C}.{kind}{', ' * bool(more)}{more}}}"


def hook(more: str) -> str:
    """A flow whose webhook has further properties."""
    return flow(f"triggers: [{{id: w, type: {C}.trigger.Webhook, {more}}}]")


def paths(source: str) -> list[str]:
    """Path of each problem of a flow, as its line names it, in the order of the file."""
    with pytest.raises(FlowInvalid) as raised:
        parse_flow(source, file="f.yaml")
    return [str(problem).split(": ")[1] for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (flow(head="id: a b\nnamespace: a.b\n"), "id"),
        (flow(head="id: f\nnamespace: A B\n"), "namespace"),
        (flow(head="namespace: a.b\n"), "id"),
        (flow("disabled: maybe"), "disabled"),
        (flow("concurrency: {limit: 0}"), "concurrency.limit"),
        (flow("retry: {type: constant, interval: soon}"), "retry.interval"),
        (flow("retry: {type: constant}"), "retry.interval"),
        (flow("retry: {type: constant, interval: PT0S, maxAttempts: 2}"), "retry.interval"),
        (flow("retry: {type: constant, interval: PT1S, maxDuration: PT-5S}"), "retry.maxDuration"),
        (
            flow(tasks=task("debug.Return", "retry: {type: random, minInterval: -PT5S, maxInterval: PT1S}")),
            "tasks[0].retry.minInterval",
        ),
        (flow("labels: {system.x: y}"), "labels.system.x"),
        (flow("inputs: [{id: i}]"), "inputs[0].type"),
        (flow("inputs: [{id: i, type: INT, min: low}]"), "inputs[0].min"),
        (flow("outputs: [{id: o, type: STRING}]"), "outputs[0].value"),
        (flow("pluginDefaults: [{values: {}}]"), "pluginDefaults[0].type"),
        (flow("errors: [{id: e}]"), "errors[0].type"),
        (flow(f"finally: [{task('execution.Fail', 'timeout: soon')}]"), "finally[0].timeout"),
        (flow(f"afterExecution: [{{type: {C}.execution.Fail}}]"), "afterExecution[0].id"),
        (flow(tasks=task("execution.Fail", name="a.b")), "tasks[0].id"),
        (flow(tasks="{id: a}"), "tasks[0].type"),
        (flow(tasks="{id: a, type: Nope}"), "tasks[0].type"),
        (flow(tasks=task("flow.Sleep")), "tasks[0].duration"),
        (flow(tasks=task("flow.Sleep", "duration: PT1S, timeout: soon")), "tasks[0].timeout"),
        (
            flow(tasks=task("debug.Return", "retry: {type: constant, interval: PT1S, maxAttempts: 0}")),
            "tasks[0].retry.maxAttempts",
        ),
        (
            flow(tasks=task("flow.Parallel", f"tasks: [{task('flow.Sleep', name='b')}]")),
            "tasks[0].tasks[0].duration",
        ),
        (
            flow(tasks=task("http.Request", "uri: 'http://a', options: {followRedirects: maybe}")),
            "tasks[0].options.followRedirects",
        ),
        (flow("triggers: [{id: w}]"), "triggers[0].type"),
        (hook("wait: true"), "triggers[0].key"),
        (hook(f"key: {'k' * 300}"), "triggers[0].key"),
        (hook("key: k, wait: true, timeout: soon"), "triggers[0].timeout"),
        (hook("key: k, rateLimit: {requests: 0, per: IP}"), "triggers[0].rateLimit.requests"),
        (flow(f"triggers: [{{id: s, type: {C}.trigger.Schedule, cron: x}}]"), "triggers[0].cron"),
    ],
)
def test_a_problem_names_its_property(source: str, path: str) -> None:
    """
    The line about a property that is wrong or missing begins, after its place, with the property's path.
    """
    assert path in paths(source)


def test_problems_of_every_property_are_said_at_once() -> None:
    """
    One mistake hides no other: those beside an unknown task type and beside a retry without type are all there.
    """
    wrong = "disabled: maybe, retry: {type: random, minInterval: soon, maxAttempts: 0}"
    more = "concurrency: {limit: 0}\nretry: {interval: soon, maxAttempts: 0}\n"
    assert paths(flow(more, tasks=f"{{id: a.b, type: Nope, {wrong}}}")) == [
        "tasks[0].id",
        "tasks[0].type",
        "tasks[0].disabled",
        "tasks[0].retry.minInterval",
        "tasks[0].retry.maxAttempts",
        "concurrency.limit",
        "retry.type",
        "retry.interval",
        "retry.maxAttempts",
    ]


@pytest.mark.parametrize(
    "source",
    [
        *(flow(f"{name}:") for name in FLOW_PROPERTIES),
        *(flow(tasks=task("debug.Return", f"format: x, {name}: ")) for name in TASK_PROPERTIES),
        flow(tasks=task("flow.Parallel", f"concurrent: , errors: , finally: , tasks: [{TASK}]", name="p")),
        flow(tasks=task("flow.If", f"condition: x, then: [{TASK}], else: ", name="i")),
        flow(tasks=task("http.Request", "uri: x, headers: , options: {auth: , timeout: {connectTimeout: }}")),
        flow(tasks=task("flow.Pause", "onResume: , pauseDuration: ")),
        flow("inputs: [{id: i, type: STRING, defaults: , required: , displayName: }]"),
        flow("outputs: [{id: o, type: , value: x}]"),
        hook("key: k, wait: , inputs: , labels: , when: , conditions: , signature: , deduplication: "),
        hook("key: k, deduplication: {key: x, window: }"),
        flow(f"triggers: [{{id: s, type: {C}.trigger.Schedule, cron: '* * * * *', timezone: , inputs: }}]"),
        flow(f"triggers: [{{id: s, type: {C}.trigger.Flow, conditions: , inputs: }}]"),
    ],
)
def test_a_property_without_a_value_is_absent(source: str) -> None:
    """
    A key whose value is null counts as if it were not written, at every level of a flow.
    """
    parse_flow(source)


def test_null_in_free_data_is_a_value() -> None:
    """
    Data under names of the author's own, such as a variable, may be null.
    """
    assert parse_flow(flow("variables: {a: null}")).variables == {"a": None}


def test_a_required_property_without_a_value_is_missing() -> None:
    """
    Null is not a value for a property that must be there: the problem is that it is missing.
    """
    with pytest.raises(FlowInvalid, match=r"triggers\[0\]\.key: `key` is missing; add it"):
        parse_flow(hook("key: "))
    with pytest.raises(FlowInvalid, match=r"tasks\[0\]\.duration: `duration` is missing; add it"):
        parse_flow(flow(tasks=task("flow.Sleep", "duration: ")))


@pytest.mark.parametrize(
    ("word", "value"),
    [(word, True) for word in ("true", "True", "TRUE")]
    + [(word, False) for word in ("false", "False", "FALSE")]
    + [(word, word) for word in ("tRUE", "yes", "No", "on", "OFF", "y")],
)
def test_booleans_are_those_of_yaml_1_2(word: str, value: Any) -> None:
    """
    The six spellings of YAML 1.2's core schema are booleans, in free data and where a property wants one.
    """
    read = parse_flow(flow(f"variables: {{a: {word}, b: '{word}'}}\nlabels: {{l: {word}}}"))
    assert read.variables == {"a": value, "b": word}
    assert read.labels == {"l": str(value).lower() if isinstance(value, bool) else word}
    if isinstance(value, bool):
        assert parse_flow(flow(f"disabled: {word}")).disabled is value


NUMBERS = """
id: 12
namespace: io.tests
description: 2
labels: {a: 1}
variables: {id: 5, tasks: [{id: 6, description: 7}]}
inputs:
  - {id: name, type: JSON, displayName: 3, description: true, defaults: [{id: 8}]}
outputs:
  - {id: o, type: STRING, value: "x", description: 1, displayName: 2}
tasks:
  - {id: 1, type: io.kestra.plugin.core.debug.Return, format: 3, description: 4.5}
  - id: choice
    type: io.kestra.plugin.core.flow.Switch
    value: a
    cases:
      a: [{id: 2, type: io.kestra.plugin.core.debug.Return, format: x, description: 9}]
    defaults: [{id: 3, type: io.kestra.plugin.core.debug.Return, format: x, description: 9}]
  - {id: sub, type: io.kestra.plugin.core.flow.Subflow, namespace: io.tests, flowId: o, inputs: {id: 1, l: [{id: 2}]}}
triggers:
  - {id: 7, type: io.kestra.plugin.core.trigger.Webhook, key: 123456, description: 1}
"""


def test_names_and_descriptions_are_text() -> None:
    """
    What names or describes something is text although a number or boolean was written, wherever it stands in a flow;
    free data keeps its values.
    """
    flow = parse_flow(NUMBERS)
    shown = flow.document
    switch = shown["tasks"][1]
    assert (flow.id, flow.description, shown["id"], shown["description"]) == ("12", "2", "12", "2")
    assert (shown["inputs"][0]["displayName"], shown["inputs"][0]["description"]) == ("3", "true")
    assert (shown["outputs"][0]["displayName"], shown["outputs"][0]["description"]) == ("2", "1")
    assert (shown["tasks"][0]["id"], shown["tasks"][0]["description"]) == ("1", "4.5")
    assert [one["description"] for one in (*switch["cases"]["a"], *switch["defaults"])] == ["9", "9"]
    assert [shown["triggers"][0][name] for name in ("id", "key", "description")] == ["7", "123456", "1"]
    assert shown["variables"] == {"id": 5, "tasks": [{"id": 6, "description": 7}]}
    assert shown["inputs"][0]["defaults"] == [{"id": 8}]
    assert shown["tasks"][2]["inputs"] == {"id": 1, "l": [{"id": 2}]}
