"""An expression tried against an execution, for somebody who looks on: it may read what the flow could, no secrets."""

from hookledger.actors.ports import Ports
from hookledger.actors.rendering import Rendered, Renderer
from hookledger.journal.events import Failure
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.templates import compile_tree
from hookledger.runtime.locate import locate
from hookledger.runtime.masking import MASK, Masker
from hookledger.runtime.secret_inputs import changed, looked_up, secret_ids
from hookledger.runtime.state import State
from hookledger.runtime.variables import Scope


def evaluate(
    ports: Ports, flow: Flow, execution_id: str, state: State, text: str, path: str = ""
) -> Rendered:
    """Render a text as the execution as a whole sees it, or as the task run at `path` does.

    Secrets are never looked at: what an expression makes of one it cannot give away, however it turns it.
    """
    received = state.received
    assert received is not None
    inputs = received.inputs
    for name in secret_ids(flow):
        if looked_up(inputs, name) is not None:
            inputs = changed(inputs, name, MASK)
    renderer = Renderer(Scope(flow, execution_id, received, inputs), _blind(ports), Masker())
    try:
        tree = compile_tree(text)
    except ExpressionError as error:
        return Rendered(None, Failure(message=str(error), kind="ExpressionError"), (), ())
    if not path:
        return renderer.whole(state, tree)
    found = locate(flow, state.branches, path)
    return renderer.task(state, *found, tree) if found else renderer.whole(state, tree)


def _blind(ports: Ports) -> Ports:
    """The same surroundings, where every secret that is set reads as the mask."""
    return Ports(
        clock=ports.clock,
        entropy=ports.entropy,
        secrets=lambda name: None if ports.secrets(name) is None else MASK,
        environment=ports.environment,
        services=ports.services,
        writer=ports.writer,
    )
