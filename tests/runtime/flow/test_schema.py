"""The JSON Schema that editors use says the same as the loader."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hookledger.runtime.flow.schema import flow_schema
from hookledger.runtime.tasks.registry import installed
from hookledger.runtime.triggers.webhook import WebhookSource

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


PROPERTIES = {
    "authentication": [{"type": "BEARER", "token": "t"}],
    "batch": {"items": "{{ trigger.body.entry }}", "mode": "EACH"},
    "cloudEvents": "REQUIRED",
    "cors": {"origins": ["https://a.example"]},
    "deduplication": {"window": "PT1H"},
    "handshake": ["GRAPH", {"type": "META", "verifyToken": "t"}],
    "onMismatch": {"code": 202},
    "previousKeys": [{"key": "old", "expires": "2030-01-01T00:00:00Z"}],
    "rateLimit": {"limit": 5},
    "redact": {"pointers": ["/card"]},
    "response": {"code": 201, "failed": {"code": 409}},
    "schema": {"type": "object"},
    "signature": {"preset": "GITHUB", "secret": "s"},
}


def webhook(**properties: Any) -> dict[str, Any]:
    """A flow with one webhook."""
    own = {"id": "w", "type": "io.kestra.plugin.core.trigger.Webhook", "key": "k", **properties}
    task = {"id": "a", "type": "io.kestra.plugin.core.debug.Return"}
    return {"id": "f", "namespace": "t", "tasks": [task], "triggers": [own]}


@pytest.mark.parametrize("name", sorted(PROPERTIES))
def test_the_blocks_of_webhooks_are_in_it(name: str) -> None:
    """
    What the loader takes in a block the schema takes, and a property that the block does not have is underlined.
    """
    given: Any = PROPERTIES[name]
    assert errors(webhook(**{name: given})) == []
    wrong: Any = given if isinstance(given, dict) else {}
    wrong = 5 if name == "schema" else {**wrong, "noSuchProperty": 1}
    assert errors(webhook(**{name: wrong}))


def test_every_property_of_webhooks_is_in_it() -> None:
    """
    No property of the webhook is left open, or an editor could say nothing about it.
    """
    (rule,) = [
        rule["then"]["properties"]
        for rule in SCHEMA["$defs"]["Trigger"]["allOf"]
        if WebhookSource.types[0] in rule["if"]["properties"]["type"]["enum"]
    ]
    plain = {name for name, schema in rule.items() if not set(schema) - {"default", "description"}}
    assert plain & set(WebhookSource.__struct_encode_fields__) == set()
    assert set(PROPERTIES) == set(WebhookSource.blocks())


def test_a_nested_mistake_is_underlined() -> None:
    """
    Tasks inside blocks are checked like those outside.
    """
    inner = {"id": "i", "type": "io.kestra.plugin.core.debug.Return", "formt": "x"}
    assert errors(flow_of({"type": "io.kestra.plugin.core.flow.Sequential", "tasks": [inner]}))
