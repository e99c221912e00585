"""REST: trying an expression against an execution. Secrets read as a mask, and nothing is drawn or written."""

import json
from functools import partial

from msgspec import UNSET, UnsetType

from hookledger.actors.engine import Engine
from hookledger.actors.errors import FlowUnusable
from hookledger.actors.evaluation import evaluate
from hookledger.actors.off_loop import rendering
from hookledger.api.call import Call
from hookledger.api.forms import read_text
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.permissions import Permission
from hookledger.api.queries import Nothing
from hookledger.api.rest.outputs import run_unknown
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Shape
from hookledger.runtime.taskruns import task_runs
from hookledger.runtime.variables import run_id


class Evaluated(Shape, frozen=True, kw_only=True):
    """What an expression gives, or why it gives nothing."""

    result: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


async def evaluate_expression(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """Render a text as the execution sees it, or as one of its task runs does."""
    execution_id, wanted = call.path["execution_id"], call.path.get("task_run_id")
    text = await read_text(call)
    state = await engine.replay(execution_id)
    received = state.received
    assert received is not None
    pinned = engine.flows.pinned(received.namespace, received.flow, state.revision)
    if pinned is None or pinned.flow is None:
        raise FlowUnusable(pinned.error if pinned else "the execution's revision is not in the journal")
    paths = {run_id(execution_id, path): path for path in task_runs(pinned.flow, state)}
    if wanted is not None and wanted not in paths:
        return run_unknown(wanted)
    path = "" if wanted is None else paths[wanted]
    flow = pinned.flow
    rendered = await rendering(lambda: evaluate(engine.ports, flow, execution_id, state, text, path))
    if rendered.failure is not None:
        return json_response(Evaluated(error=rendered.failure.message))
    value = rendered.value
    return json_response(Evaluated(result=value if isinstance(value, str) else json.dumps(value)))


def table(engine: Engine) -> list[Route]:
    """Trying expressions."""
    one = "/executions/<execution_id>"
    return [
        Route(
            "POST",
            f"{one}/actions/eval{task}",
            partial(evaluate_expression, engine),
            Permission.OPERATE,
            f"Try an expression against {against}",
            query=Nothing,
            body={"text/plain": str},
            answers=Reply(Evaluated),
            errors=(404, 409, 415, 422),
            older=f"{one}/eval{task}",
        )
        for task, against in (("", "an execution"), ("/<path:task_run_id>", "a task run"))
    ]
