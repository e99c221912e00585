"""What loads but is probably not meant."""

from hookledger.runtime.flow.parse import parse_flow

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
