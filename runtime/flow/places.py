"""Where in the YAML a template stands. Asked only when one has failed, so nothing is kept for it."""

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


def _inside(flow: Flow, path: Path, task: str) -> bool:
    """True when the innermost element with an id around `path` is the task."""
    here: object = flow.document
    innermost = ""
    for step in path:
        if isinstance(here, dict) and isinstance(here.get("id"), str):
            innermost = here["id"]
        here = here[step]  # type: ignore[index]
    return innermost == task
