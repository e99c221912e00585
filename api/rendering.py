"""`hookledger flow render`: try an expression against data, or against a recorded execution."""

from pathlib import Path
from typing import Any

from hookledger.actors.ports import Ports
from hookledger.actors.rendering import make_renderer
from hookledger.api.replay import folded, revision_in
from hookledger.journal.errors import ExecutionUnknown
from hookledger.journal.sqlite import SqliteReader
from hookledger.runtime.expressions import compile as compile_expression
from hookledger.runtime.flow.source import load
from hookledger.runtime.masking import Masker


class RenderingFailed(Exception):
    """The expression could not be rendered; the text says why."""


def rendered_with(expression: str, file: Path | None, ports: Ports) -> str:
    """Render against the data of a YAML or JSON file.

    Raises:
        ExpressionError: The expression cannot be rendered.
        SourceInvalid: The file is neither YAML nor JSON.
        RenderingFailed: It holds no variables.
    """
    data: Any = {} if file is None else load(file.read_text(encoding="utf-8"), file=str(file)).data
    if not isinstance(data, dict):
        raise RenderingFailed(f"{file}: expected variables, `name: value` on the outermost level")
    ambient = ports.ambient()
    text = compile_expression(expression).render(data, ambient)
    return _masked(text, ambient.secrets)


def rendered_for(
    expression: str, reader: SqliteReader, execution_id: str, at: int | None, ports: Ports
) -> str:
    """Render with what a recorded execution knew after event `at` (at its end by default).

    Raises:
        ExecutionUnknown: There are no events.
        RenderingFailed: The flow's source is not there or does not parse, or the expression fails.
    """
    state = folded(reader.entries(execution_id), at)
    if state.received is None:
        raise ExecutionUnknown(execution_id)
    revision = revision_in(reader, state)
    if revision is None or revision.flow is None:
        raise RenderingFailed(revision.error if revision else "the flow's source is not in this journal")
    renderer = make_renderer(revision.flow, execution_id, state.received, ports, Masker())
    made = renderer.whole(state, compile_expression(expression))
    if made.failure is not None:
        raise RenderingFailed(made.failure.message)
    return str(made.value)


def _masked(text: str, secrets: frozenset[str]) -> str:
    masker = Masker()
    masker.learn(secrets)
    return masker.text(text)
