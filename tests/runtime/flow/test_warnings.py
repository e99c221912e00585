"""What loads but is probably not meant."""

import pytest

from hookledger.runtime.flow.parse import FlowInvalid, parse_flow

FLOW = """id: f
namespace: a.b
inputs:
  - {{id: amount, type: INT{more}}}
tasks:
  - id: t
    type: io.kestra.plugin.core.debug.Return
triggers:
  - id: hook
    type: io.kestra.plugin.core.trigger.Webhook
    key: k
{trigger}"""


def test_a_webhook_that_can_start_nothing_is_told_so() -> None:
    """
    A required input without default that the trigger does not fill is a warning with its place, not an error.
    """
    (warning,) = parse_flow(FLOW.format(more="", trigger=""), file="f.yaml").warnings
    assert warning.startswith("f.yaml:9:5: ")
    assert "`amount`" in warning


def test_filled_or_optional_inputs_are_fine() -> None:
    """
    Defaults, `required: false` and a trigger's own `inputs` each do.
    """
    for more, trigger in (
        (", defaults: 1", ""),
        (", required: false", ""),
        ("", "    inputs: {amount: 7}\n"),
    ):
        assert parse_flow(FLOW.format(more=more, trigger=trigger)).warnings == ()


EXPRESSION = """id: f
namespace: a.b
tasks:
  - id: t
    type: io.kestra.plugin.core.debug.Return
    format: |
      total:
        %s
"""


@pytest.mark.parametrize(
    "template",
    [
        "{{ n ?? 1 * 2 }}",
        "{{ 'a' ~ m.z ?? 'none' }}",
        "{{ w ?? 'Q' | lower }}",
        "{{ 3 < null ?? 5 }}",
        "{{ 'x' == gone ?? 'x' }}",
        "{{ 'x' == gone ??? 'x' }}",
        "{{ 'a' ~ 'b' isIn ['ab'] }}",
        "{{ n ?? 1..3 }}",
        "{{ (n ?? 1 * 2) }}",
        "{{ max(n ?? 1 * 2, 1) }}",
        "{{ [n ?? 1 * 2] }}",
        "{{ {'a': n ?? 1 * 2} }}",
        '{{ "#{n ?? 1 * 2}" }}',
        "{{ l[n ?? 1 * 2] }}",
        "{% if n ?? 1 * 2 == 8 %}y{% endif %}",
        "{% for x in l ?? [] + [1] %}{{ x }}{% endfor %}",
        "{% set x = n ?? 1 * 2 %}",
        "{% macro f(a=n ?? 1 * 2) %}{% endmacro %}",
        "{% filter default(n ?? 1 * 2) %}x{% endfilter %}",
    ],
)
def test_two_readings_of_an_expression_are_a_warning(template: str) -> None:
    """
    Where Kestra 1.3 and 2.0 read `??`, `???` or `isIn` differently the author is told the place and what to write.
    """
    (warning,) = parse_flow(EXPRESSION % template, file="f.yaml").warnings
    assert warning.startswith("f.yaml:6:13: tasks[0].format: Kestra 1.3 and 2.0 read `")
    assert "parentheses" in warning


@pytest.mark.parametrize(
    "template",
    [
        "{{ (n ?? 1) * 2 }}",
        "{{ n ?? (1 * 2) }}",
        "{{ a ?? b ?? c }}",
        "{{ n ?? 1 == 1 }}",
        "{{ g ?? false and t }}",
        "{{ g ?? t ? 1 : 2 }}",
        "{{ w | lower ?? 'x' }}",
        "{{ -n ?? 3 }}",
        "{{ a.b['c'] ?? max(1, 2) }}",
        "{{ 1 + 2 * 3 ~ 4 }}",
        "{{ 'a' isIn l and true }}",
        "{{ n ?? 1 }} * {{ 2 }}",
    ],
)
def test_one_reading_needs_no_warning(template: str) -> None:
    """
    Parentheses, or operators that bind alike in both versions, leave nothing to say.
    """
    assert parse_flow(EXPRESSION % template).warnings == ()


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ s | upper(1) }}", "filter `upper` takes no arguments; those given are ignored"),
        ("{{ s is empty(q=1) }}", "test `empty` takes no arguments; those given are ignored"),
        ("{{ uuid(1) }}", "function `uuid` takes no arguments; those given are ignored"),
        ("{% macro g() %}x{% endmacro %}{{ g(1) }}", "macro `g` takes no arguments; those given are ignored"),
        ("{{ l | join(separator=',', separator=';') }}", "`separator` is given twice; the last one counts"),
        (
            "{{ d | date('yyyy', format='MM') }}",
            "filter `date` is given `format` twice; the named one counts",
        ),
    ],
)
def test_surplus_arguments_are_a_warning(template: str, said: str) -> None:
    """
    Arguments that nobody looks at do no harm, and are probably a mistake: the flow loads, and says so.
    """
    (warning,) = parse_flow(EXPRESSION % template).warnings
    assert said in warning


@pytest.mark.parametrize(
    "call", ["env('A', 'x')", "http('http://localhost')", "subflow('a', 'b')", "fileURI('a')", "appLink()"]
)
def test_a_function_nobody_answers_is_refused(call: str) -> None:
    """
    A function of the language that no part of the product answers is named when the flow is loaded, not when it runs.
    """
    with pytest.raises(FlowInvalid) as caught:
        parse_flow(EXPRESSION % f"{{% if false %}}{{{{ {call} }}}}{{% endif %}}", file="f.yaml")
    assert f"the function `{call.partition('(')[0]}` is not available here" in str(caught.value)


def test_expressions_of_inputs_are_checked() -> None:
    """
    What an input renders (default, choices, condition) is looked at when the flow is loaded, with its place.
    """
    source = FLOW.format(more=", defaults: '{{ n ?? 1 * 2 }}'", trigger="")
    (warning,) = parse_flow(source, file="f.yaml").warnings
    assert warning.startswith("f.yaml:4:39: inputs[0].defaults: Kestra 1.3 and 2.0 read")
    with pytest.raises(FlowInvalid, match="there is no filter `nosuch`"):
        parse_flow(FLOW.format(more=", defaults: '{{ 1 | nosuch }}'", trigger=""), file="f.yaml")
