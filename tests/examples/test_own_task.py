"""A task type from outside: in an embedding program, and from an installed package."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.registry import ENTRY_POINT_GROUP, TaskRegistry, installed
from tests.runtime.tasks.context import FakeContext, made, outputs_of
from tests.system.processes import SECONDS_MAX, environment

PROGRAM: Final = Path(__file__).parents[2] / "examples/own_task.py"


def note_type() -> Any:
    """The example's task type."""
    spec = importlib.util.spec_from_file_location("own_task_example", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["own_task_example"] = module  # msgspec looks the annotations' names up there
    spec.loader.exec_module(module)
    return module.Note


def test_the_program_runs(tmp_path: Path) -> None:
    """
    examples/own_task.py registers its type, runs a flow with it and prints the flow's outputs.
    """
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=SECONDS_MAX, env=environment(),
    )  # fmt: skip
    assert done.stdout == "{'lines': 1}\n"
    assert (tmp_path / "notes.txt").read_text().endswith(" ALICE was here\n")


async def test_the_same_call_again_changes_nothing(tmp_path: Path) -> None:
    """
    What declares itself idempotent is: twice under one key is once, a retry included; another task adds a line.
    """
    note = made(note_type(), file=str(tmp_path / "notes.txt"), text="hello")
    assert note.effect_of() == "idempotent"
    assert await outputs_of(note, FakeContext(attempt=1)) == {"lines": 1}
    assert await outputs_of(note, FakeContext(attempt=1)) == {"lines": 1}
    assert await outputs_of(note, FakeContext(attempt=2)) == {"lines": 1}
    assert await outputs_of(note, FakeContext(task="other")) == {"lines": 2}


async def test_its_failure_is_in_words(tmp_path: Path) -> None:
    """
    A task that cannot do its work says so with TaskFailed and names the property.
    """
    note = made(note_type(), file=str(tmp_path / "nowhere/notes.txt"), text="hello")
    with pytest.raises(TaskFailed, match="property `file`: there is no directory"):
        await note.run(FakeContext())


def test_a_package_offers_types_as_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A type that an installed distribution names in the group is known without anything else being done.
    """
    distribution = tmp_path / "notes-1.0.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: notes\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\nnote = own_task_notes:Note\n")
    (tmp_path / "own_task_notes.py").write_text(PROGRAM.read_text())
    monkeypatch.syspath_prepend(tmp_path)
    assert TaskRegistry().find("com.example.Note") is None
    kind = installed().find("com.example.Note")
    assert kind is not None
    assert kind.__module__ == "own_task_notes"
