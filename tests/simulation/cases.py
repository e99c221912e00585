"""Golden flows as cases: a flow, the delivery that starts it, and what an operator does meanwhile.

A case is a YAML file whose first line is `# case: {...}` with the fields of `Script`.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from hookledger.journal.entry import FORMAT_VERSION

GOLDEN: Final = Path(__file__).resolve().parent.parent / "data" / "golden" / f"v{FORMAT_VERSION}"
MARK: Final = "# case: "


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a case is played. Times are seconds after the execution's start."""

    variables: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    wait: bool = False
    with_flows: list[str] = msgspec.field(name="with", default_factory=list)
    """Further flows it needs, by file name."""
    resume: dict[str, dict[str, Any]] = {}
    """By path of the task that waits: the inputs it is resumed with, five seconds later."""
    kill_after: float = 0.0
    pause_at: float = 0.0
    """When an operator pauses the whole execution, for ten seconds."""
    restarts: int = 0
    """How often an operator restarts what ended badly."""
    choice: str = "rerun"
    """What the operator says of an attempt in doubt."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A golden flow."""

    name: str
    source: str
    script: Script
    others: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The flows to register, helpers first."""
        return (*self.others, self.source)


def load(name: str) -> Case:
    """Read one case."""
    source = _file(name).read_text(encoding="utf-8")
    first = source.partition("\n")[0]
    text = first.removeprefix(MARK) if first.startswith(MARK) else "{}"
    script = msgspec.json.decode(text, type=Script)
    others = tuple(_file(other).read_text(encoding="utf-8") for other in script.with_flows)
    return Case(name=name, source=source, script=script, others=others)


def names() -> list[str]:
    """Every case; files that begin with `child_` only serve others."""
    found = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
    return [name for name in found if not name.startswith("child_")]


def _file(name: str) -> Path:
    return GOLDEN / f"{name}.yaml"
