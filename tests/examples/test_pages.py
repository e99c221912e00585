"""docs/tasks.md and docs/flows.md say what the code says, and their examples load."""

import re
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from hookledger.runtime.flow.input_types import INPUT_TYPES
from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.flow.sources import FlowSource, TaskSource, TriggerSource
from hookledger.runtime.flow.triggers import KINDS
from hookledger.runtime.tasks.base import TaskKind
from hookledger.runtime.tasks.registry import BUILT_IN, ENTRY_POINT_GROUP

ROOT: Final = Path(__file__).parents[2]
TASKS: Final = (ROOT / "docs/tasks.md").read_text(encoding="utf-8")
FLOWS: Final = (ROOT / "docs/flows.md").read_text(encoding="utf-8")
SECTIONS: Final = {
    section.partition("`")[0]: section
    for section in re.split(r"^### `", TASKS.partition("\n## Write")[0], flags=re.M)
}
FENCE: Final = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
ROW: Final = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \|", re.MULTILINE)
DERIVED: Final = {"Switch": {"branches"}}
"""Properties that follow from the author's blocks."""


def whole(fence: str) -> str:
    """A flow around an example that shows only a part of one."""
    part = yaml.safe_load(fence)
    if isinstance(part, list):
        part = {"tasks": part}
    return fence if "id" in part else yaml.safe_dump({"id": "f", "namespace": "company.team", **part})


def rows(section: str) -> dict[str, str]:
    """First and second cell of a table of properties."""
    return {name: second for names, second in ROW.findall(section) for name in re.findall(r"`(\w+)`", names)}


def names(kind: type[msgspec.Struct]) -> set[str]:
    """Properties as YAML names them."""
    return {field.encode_name for field in msgspec.structs.fields(kind)}


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.__name__)
def test_every_task_type_has_its_section(kind: type[TaskKind]) -> None:
    """
    A built-in type has a section with all its names, its effect, exactly its properties with what is required, and an
    example that uses it.
    """
    section = SECTIONS[kind.types[0]]
    for alias in kind.types[1:]:
        assert f"`{alias}`" in section, alias
    effect = re.search(r"Effect: (.*?)\.\s", section, re.DOTALL)
    assert effect is not None
    assert kind.effect in effect[1]
    assert "Outputs: " in section
    given = rows(section)
    blocks = {block.partition(".")[0] for block in kind.blocks}
    assert given.keys() == (names(kind) | blocks) - DERIVED.get(kind.__name__, set())
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, default in given.items():
        assert (default == "(required)") == (name in fields and fields[name].required), name
    (fence,) = FENCE.findall(section)
    flow = parse_flow(whole(fence), file="docs/tasks.md")
    assert kind in {task.kind for task in flow.walk()}
    assert not flow.warnings


def test_no_section_is_about_nothing() -> None:
    """
    Every section of docs/tasks.md is about a type there is.
    """
    assert {name for name in SECTIONS if not name.startswith("#")} == {kind.types[0] for kind in BUILT_IN}


def test_the_examples_of_the_flow_page_load() -> None:
    """
    Every YAML example of docs/flows.md is a flow, or the part of one, that loads without warnings.
    """
    fences = FENCE.findall(FLOWS)
    assert len(fences) > 8
    for fence in fences:
        assert parse_flow(whole(fence), file="docs/flows.md").warnings == (), fence


def test_the_flow_page_names_every_property() -> None:
    """
    The tables list the properties of flows and tasks; the text names those of triggers, every trigger and every type of
    input.
    """
    shown = rows(FLOWS.partition("## Inputs")[0] + FLOWS.partition("## Tasks")[2].partition("## Failure")[0])
    plain = re.findall(r"^\| (.*?) \| ", FLOWS, re.MULTILINE)
    listed = set(shown) | {name for cell in plain for name in re.findall(r"`(\w+)`", cell)}
    assert names(FlowSource) | names(TaskSource) <= listed
    for name in names(TriggerSource) - {"id", "type", "workerGroup", "logToFile"}:
        assert f"`{name}`" in FLOWS, name
    for source, _ in KINDS:
        types: Any = source.types  # type: ignore[attr-defined]
        assert f"`{types[0]}`" in FLOWS
    for name in INPUT_TYPES:
        assert re.search(rf"\b{name}\b", FLOWS), name


def test_the_own_task_is_shown_as_it_is() -> None:
    """
    The class in docs/tasks.md is the one of examples/own_task.py, word for word, and the group is the one looked up.
    """
    program = (ROOT / "examples/own_task.py").read_text(encoding="utf-8")
    shown = re.search(r"^```python\n(class Note.*?)^```", TASKS, re.DOTALL | re.MULTILINE)
    assert shown is not None
    assert shown[1] in program
    assert f'[project.entry-points."{ENTRY_POINT_GROUP}"]' in TASKS
