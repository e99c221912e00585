"""The JSON Schema that editors use says the same as the loader."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hookledger.runtime.flow.schema import flow_schema
from hookledger.runtime.tasks.registry import installed

EXAMPLES = sorted(Path(__file__).parents[3].glob("examples/flows/*.yaml"))
SCHEMA = flow_schema(installed())


def errors(flow: dict[str, Any]) -> list[str]:
    """What an editor would underline."""
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(flow)]


def flow_of(task: dict[str, Any]) -> dict[str, Any]:
    """A flow of one task."""
    return {"id": "f", "namespace": "a.b", "tasks": [{"id": "t", **task}]}


def test_the_schema_is_valid() -> None:
    """
    The schema itself follows JSON Schema 2020-12.
    """
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_follows_it(path: Path) -> None:
    """
    A flow the loader takes is one the schema takes.
    """
    assert errors(yaml.load(path.read_text(), yaml.BaseLoader)) == [] or not errors(
        yaml.safe_load(path.read_text())
    )


@pytest.mark.parametrize("kind", installed().kinds(), ids=lambda kind: kind.__name__)
def test_every_task_type_is_in_it(kind: Any) -> None:
    """
    Each task type is offered by every name it has, and a property it does not have is underlined.
    """
    names = SCHEMA["$defs"]["Task"]["properties"]["type"]["enum"]
    assert set(kind.types) <= set(names)
    assert errors(flow_of({"type": kind.types[0], "noSuchProperty": 1}))


def test_a_nested_mistake_is_underlined() -> None:
    """
    Tasks inside blocks are checked like those outside.
    """
    inner = {"id": "i", "type": "io.kestra.plugin.core.debug.Return", "formt": "x"}
    assert errors(flow_of({"type": "io.kestra.plugin.core.flow.Sequential", "tasks": [inner]}))
