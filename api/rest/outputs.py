"""REST: what executions and their tasks put out, under the paths of Kestra 2; executions carry the same inside."""

from functools import partial
from typing import Any

from msgspec import UNSET, UnsetType

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.queries import Nothing
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Shape, TaskRunView
from hookledger.api.views import shown


class TaskOutputs(Shape, frozen=True, kw_only=True):
    """A task run that has outputs."""

    task_id: str
    task_run_id: str
    names: list[str]
    inline: bool = True
    """False would say that they are stored elsewhere."""
    value: str | UnsetType = UNSET
    iteration: int | UnsetType = UNSET


async def of_execution(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """The flow's outputs; empty while there are none."""
    return json_response((await engine.replay(call.path["execution_id"])).outputs)


async def of_tasks(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """Which task runs have outputs."""
    return json_response(
        [
            TaskOutputs(
                task_id=run.task_id,
                task_run_id=run.id,
                names=list(run.outputs),
                value=run.value,
                iteration=run.iteration,
            )
            for run in await _runs(engine, call)
            if run.outputs
        ]
    )


async def of_task(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """The outputs of one task run."""
    wanted = call.path["task_run_id"]
    found = next((run for run in await _runs(engine, call) if run.id == wanted), None)
    return run_unknown(wanted) if found is None else json_response(found.outputs)


async def _runs(engine: Engine, call: Call) -> list[TaskRunView]:
    past = await engine.past(call.path["execution_id"])
    return await shown(past, lambda view: view.task_run_list)


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
