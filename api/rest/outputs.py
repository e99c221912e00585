"""REST: what executions and their tasks put out, under the paths of Kestra 2; executions carry the same inside."""

from functools import partial
from typing import Any

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.queries import Nothing
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Shape
from hookledger.api.views import run_id


class TaskOutputs(Shape, frozen=True, kw_only=True):
    """A task run that has outputs."""

    task_id: str
    task_run_id: str
    names: list[str]


async def of_execution(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """The flow's outputs; empty while there are none."""
    return json_response((await engine.replay(call.path["execution_id"])).outputs)


async def of_tasks(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """Which task runs have outputs."""
    execution_id = call.path["execution_id"]
    runs = (await engine.replay(execution_id)).runs.values()
    return json_response(
        [
            TaskOutputs(task_id=run.task, task_run_id=run_id(execution_id, run.path), names=list(run.outputs))
            for run in runs
            if run.outputs
        ]
    )


async def of_task(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """The outputs of one task run."""
    execution_id, wanted = call.path["execution_id"], call.path["task_run_id"]
    for run in (await engine.replay(execution_id)).runs.values():
        if run_id(execution_id, run.path) == wanted:
            return json_response(run.outputs)
    return run_unknown(wanted)


def run_unknown(task_run_id: str) -> HttpResponse:
    """404 for a task run that is not there."""
    detail = f"there is no task run {task_run_id[:200]}; the execution's `taskRunList` has them all"
    return problem(404, detail, slug="task-run-unknown")


def table(engine: Engine) -> list[Route]:
    """Outputs."""
    tasks = "/outputs/tasks/<execution_id>"
    return [
        Route(
            "GET",
            "/outputs/executions/<execution_id>",
            partial(of_execution, engine),
            summary="Read an execution's outputs",
            query=Nothing,
            answers=Reply(dict[str, Any]),
            errors=(404,),
        ),
        Route(
            "GET",
            tasks,
            partial(of_tasks, engine),
            summary="List the task runs that have outputs",
            query=Nothing,
            answers=Reply(list[TaskOutputs]),
            errors=(404,),
        ),
        Route(
            "GET",
            f"{tasks}/<path:task_run_id>",
            partial(of_task, engine),
            summary="Read a task run's outputs",
            query=Nothing,
            answers=Reply(dict[str, Any]),
            errors=(404,),
        ),
    ]
