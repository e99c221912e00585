"""`output.OutputValues` and `execution.*`."""

from typing import Any

import pytest

from hookledger.runtime.tasks.execution import Assert, Exit, Fail, Labels
from hookledger.runtime.tasks.output import OutputValues

from .context import failure_of, made, outputs_of, result_of


async def test_output_values_keep_the_types_of_what_is_no_text() -> None:
    """
    OutputValues outputs its map as rendered: numbers, booleans, lists and maps stay what they are.
    """
    values = {"text": "1", "number": 1, "yes": True, "list": [1, "a"], "map": {"a": None}}
    assert await outputs_of(made(OutputValues, values=values)) == {"values": values}


async def test_fail_without_a_condition_fails() -> None:
    """
    Fail fails always when it has no condition, and says `Task failure` unless told otherwise.
    """
    failure = await failure_of(made(Fail))
    assert (str(failure), failure.kind) == ("Task failure", "Fail")


@pytest.mark.parametrize("condition", ["true", "1", "yes", True])
async def test_fail_fails_when_its_condition_means_yes(condition: object) -> None:
    """
    Fail with a condition fails when the rendered text means yes, with the author's words.
    """
    assert str(await failure_of(made(Fail, condition=condition, errorMessage="Too much"))) == "Too much"


@pytest.mark.parametrize("condition", ["false", "", "0", "-0", False, 0])
async def test_fail_passes_when_its_condition_means_no(condition: object) -> None:
    """
    Fail with a condition whose rendered text means no does nothing.
    """
    assert await outputs_of(made(Fail, condition=condition)) == {}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, "SUCCESS"),
        ({"state": "WARNING"}, "WARNING"),
        ({"state": "FAILED"}, "FAILED"),
        ({"state": "KILLED"}, "KILLED"),
        ({"state": "CANCELLED"}, "CANCELLED"),
        ({"state": "CANCELED"}, "CANCELLED"),
    ],
)
async def test_exit_ends_the_execution_in_the_state_it_names(given: dict[str, Any], state: str) -> None:
    """
    Exit ends the execution in its state, SUCCESS by default; both spellings of CANCELLED are known.
    """
    assert (await result_of(made(Exit, **given))).exit_state == state


@pytest.mark.parametrize(
    "labels",
    [
        {"team": "blue", "size": 3, "hot": True},
        [{"key": "team", "value": "blue"}, {"key": "size", "value": 3}, {"key": "hot", "value": True}],
        '{"team": "blue", "size": 3, "hot": true}',
        '[{"key": "team", "value": "blue"}, {"key": "size", "value": 3}, {"key": "hot", "value": true}]',
    ],
)
async def test_labels_are_a_map_or_a_list(labels: object) -> None:
    """
    Labels takes a map, a list of key and value, or either as JSON text; values become texts.
    """
    result = await result_of(made(Labels, labels=labels))
    assert result.labels == {"team": "blue", "size": "3", "hot": "true"}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"system.owner": "me"}, "system."),
        ({"system.readOnly": "true"}, "set by the engine"),
        ({"team": {"a": 1}}, "needs a text"),
        ([{"key": "a"}], "expected `key:` and `value:`"),
        ("not json", "not JSON"),
        ("3", "expected labels"),
    ],
)
async def test_labels_that_cannot_be_set_fail(labels: object, words: str) -> None:
    """
    The engine's own labels and what is no label are refused, with the reason.
    """
    failure = await failure_of(made(Labels, labels=labels))
    assert failure.kind == "InvalidProperty"
    assert words in str(failure)


async def test_assert_names_every_condition_that_is_false() -> None:
    """
    Assert fails when any condition is false and names all of them, after the author's words.
    """
    conditions = ["true", "false", "1", ""]
    failure = await failure_of(made(Assert, conditions=conditions, errorMessage="Not now"))
    assert str(failure) == "Not now: condition 2 is `false`; condition 4 is ``"
    assert failure.kind == "AssertionFailed"


async def test_assert_passes_when_everything_is_true() -> None:
    """
    Assert does nothing when every condition is true, also when there is none.
    """
    assert await outputs_of(made(Assert, conditions=["true", True, "x"])) == {}
    assert await outputs_of(made(Assert, conditions=[])) == {}
