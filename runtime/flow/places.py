"""Where in the YAML a template or a task stands. Asked only when one has failed, so nothing is kept for it."""

from collections.abc import Iterator

from hookledger.runtime.flow.fields import texts
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.problems import Path
from hookledger.runtime.flow.source import load


def place_of(flow: Flow, template: str, task: str = "") -> str:
    """Say `company.team/greet, greet.yaml:7:13`; the text inside the named task wins over equal texts elsewhere."""
    found = [path for text, path in texts(flow.document, ()) if text == template]
    if not found:
        return flow.name
    document = load(flow.source, file=flow.file or "the flow")
    best = next((path for path in found if _inside(flow, path, task)), found[0])
    position = document.position(best)
    return f"{flow.name}, {document.file}:{position.line}:{position.column}"


def task_place(flow: Flow, task: str) -> str:
    """Say `greet.yaml:7:5`, where a task's definition begins; empty when the flow has no such task."""
    path = next(_named(flow.document, task, ()), None)
    if path is None:
        return ""
    document = load(flow.source, file=flow.file or flow.name)
    position = document.position(path)
    return f"{document.file}:{position.line}:{position.column}"


def _named(value: object, task: str, path: Path) -> Iterator[Path]:
    """Paths of the mappings that are a task with this id."""
    if isinstance(value, dict):
        if value.get("id") == task and "type" in value:
            yield path
        for key, item in value.items():
            yield from _named(item, task, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _named(item, task, (*path, index))


def _inside(flow: Flow, path: Path, task: str) -> bool:
    """True when the innermost element with an id around `path` is the task."""
    here: object = flow.document
    innermost = ""
    for step in path:
        if isinstance(here, dict) and isinstance(here.get("id"), str):
            innermost = here["id"]
        here = here[step]  # type: ignore[index]
    return innermost == task
