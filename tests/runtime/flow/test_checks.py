"""What is wrong with a task is said when the flow is loaded, with the nearest word that is known."""

import pytest

from hookledger.runtime.flow.parse import FlowInvalid, parse_flow

HTTP = "type: io.kestra.plugin.core.http.Request, uri: 'http://a'"
FLOW = "io.kestra.plugin.core.flow"
FAIL = "type: io.kestra.plugin.core.execution.Fail"


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (f"{HTTP}, options: {{folowRedirects: true}}", "did you mean `followRedirects`?"),
        (
            f"{HTTP}, options: {{auth: {{type: BASIC, usrname: '{{{{ x }}}}', password: p}}}}",
            "did you mean `username`?",
        ),
        (f"{HTTP}, options: {{timeout: {{connectTimeot: PT1S}}}}", "did you mean `connectTimeout`?"),
        (
            f"{HTTP}, options: {{auth: {{type: DIGEST}}}}",
            "there is no choice `DIGEST`; known here: BASIC, BEARER",
        ),
        (f"{HTTP}, method: GETT", "there is no choice `GETT`; did you mean `GET`?"),
        (f"{HTTP}, options: {{readTimeout: 5m}}", "`m` could be minutes or months; write PT5M or 5min"),
        (
            f"type: {FLOW}.LoopUntil, condition: x, tasks: [], checkFrequency: {{maxIteration: 3}}",
            "`maxIterations`?",
        ),
        (
            f"type: {FLOW}.LoopUntil, condition: x, tasks: [], checkFrequency: {{interval: 5x}}",
            "not a duration",
        ),
        (f"type: {FLOW}.Sleep, duration: soon", "not a duration"),
        (f"type: {FLOW}.Pause, delay: soon", "not a duration"),
        (
            f"type: {FLOW}.Sequential, tasks: [], timeout: 30S",
            "an ISO duration begins with PT; write PT30S or 30s",
        ),
        (f"type: {FLOW}.Subflow, namespace: n, flowId: f", "this flow would start itself again and again"),
        (
            f"{FAIL}, retry: {{type: random, minInterval: PT9S, maxInterval: PT5S}}",
            "longer than `maxInterval`",
        ),
        (
            f"{FAIL}, retry: {{type: constant, interval: PT9S, maxDuration: PT5S}}",
            "longer than `maxDuration`",
        ),
        (f"{FAIL}, retry: {{type: constnt, interval: PT9S}}", "did you mean `constant`?"),
    ],
)
def test_a_mistake_is_known_before_anything_runs(task: str, says: str) -> None:
    """
    Nested names, choices, durations, retries that never happen and flows that start themselves are refused.
    """
    with pytest.raises(FlowInvalid) as refused:
        parse_flow(f"id: f\nnamespace: n\ntasks:\n  - {{id: a, {task}}}\n")
    assert says in str(refused.value)
    assert str(refused.value).startswith("<flow>:4:")


@pytest.mark.parametrize(
    "task",
    [
        f"{HTTP}, method: '{{{{ trigger.method }}}}', options: {{readTimeout: '{{{{ vars.t }}}}'}}",
        f"{HTTP}, options: {{auth: {{type: BEARER, token: \"{{{{ secret('T') }}}}\"}}}}",
        f"type: {FLOW}.Sleep, duration: '{{{{ inputs.nap }}}}', timeout: '{{{{ inputs.most }}}}'",
        f"type: {FLOW}.Subflow, namespace: n, flowId: other",
        "type: io.kestra.plugin.core.kv.Set, key: a, value: {anything: {goes: [here]}}, ttl: P1D",
    ],
)
def test_what_only_the_run_can_tell_is_left_to_it(task: str) -> None:
    """
    Expressions are not held against types, and values of any kind are free.
    """
    assert parse_flow(f"id: f\nnamespace: n\ntasks:\n  - {{id: a, {task}}}\n").tasks
