"""REST: the files of an execution, and the flow it runs without what its tasks do."""

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
from msgspec import UNSET, UnsetType

from hookledger.actors.engine import Engine
from hookledger.actors.errors import FlowUnusable
from hookledger.actors.limiters import limiter
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.queries import Nothing, Query
from hookledger.api.route import Refused, Reply, Route
from hookledger.api.secrecy import shown_to
from hookledger.api.shapes import Shape
from hookledger.api.views import labels_view
from hookledger.api.webhook.files import FileForeign, Files, Place
from hookledger.journal.entry import SYSTEM
from hookledger.journal.errors import ExecutionUnknown
from hookledger.runtime.flow.model import Task
from hookledger.runtime.tasks.flow.subflow import Subflow
from hookledger.runtime.tasks.flow.waits import Pause

PIECE_BYTES: Final = 256 * 1024


class FilePath(Query, frozen=True, kw_only=True):
    """Which file."""

    path: str
    """Its URI, as `trigger` and outputs have it: `kestra:///...`."""


class FileMetas(Shape, frozen=True, kw_only=True):
    """What is known of a file."""

    size: int
    """Bytes."""


class TaskOutline(Shape, frozen=True, kw_only=True):
    """A task without its properties."""

    id: str
    type: str
    tasks: list["TaskOutline"] | UnsetType = UNSET
    """Those inside it, of all its blocks."""
    inputs: list[Any] | UnsetType = UNSET
    """What a Pause asks for."""
    subflow_id: dict[str, Any] | UnsetType = UNSET


class TriggerOutline(Shape, frozen=True, kw_only=True):
    """A trigger without its properties."""

    id: str
    type: str


class FlowOutline(Shape, frozen=True, kw_only=True):
    """A flow without its source and without what its tasks and triggers do."""

    id: str
    namespace: str
    revision: int
    labels: Any
    disabled: bool
    tasks: list[TaskOutline]
    draft: bool = False
    deleted: bool = False
    description: str | UnsetType = UNSET
    inputs: list[Any] | UnsetType = UNSET
    outputs: list[Any] | UnsetType = UNSET
    variables: dict[str, Any] | UnsetType = UNSET
    errors: list[TaskOutline] | UnsetType = UNSET
    finally_: list[TaskOutline] | UnsetType = msgspec.field(default=UNSET, name="finally")
    after_execution: list[TaskOutline] | UnsetType = UNSET
    triggers: list[TriggerOutline] | UnsetType = UNSET


async def get_file(engine: Engine, call: Call, query: FilePath) -> HttpResponse:
    """The file's bytes, to be saved, never to be shown."""
    path, size = await _found(engine, call, query)
    headers = (
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", str(size)),
        ("Content-Disposition", f'attachment; filename="{path.name}"'),
    )
    return HttpResponse(status=200, headers=headers, stream=_pieces(path))


async def get_metas(engine: Engine, call: Call, query: FilePath) -> HttpResponse:
    """How large a file is."""
    return json_response(FileMetas(size=(await _found(engine, call, query))[1]))


async def _found(engine: Engine, call: Call, query: FilePath) -> tuple[Path, int]:
    """Where the file is and how large."""
    execution_id = call.path["execution_id"]
    row = await engine.journal.ask(lambda reader: reader.row(execution_id))
    if row is None or execution_id == SYSTEM:
        raise ExecutionUnknown(execution_id)
    files: Files = engine.ports.services["files"]
    place = Place(namespace=row.namespace, flow=row.flow, execution=row.execution)

    def look() -> tuple[Path, int]:
        path = files.of_execution(query.path, place)
        return path, path.stat().st_size

    try:
        return await trio.to_thread.run_sync(look, limiter=limiter("files"))
    except FileForeign as error:
        raise Refused(problem(422, f"the parameter `path`: {error}", slug="file-foreign")) from error
    except OSError as error:
        detail = f"the execution {execution_id} has no file {query.path[:200]}"
        raise Refused(problem(404, detail, slug="file-unknown")) from error


async def _pieces(path: Path) -> AsyncGenerator[bytes]:
    async with await trio.open_file(path, "rb") as file:
        while piece := await file.read(PIECE_BYTES):
            yield piece


async def get_flow(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """The flow of an execution in the revision it runs."""
    state = await engine.replay(call.path["execution_id"])
    received = state.received
    assert received is not None
    pinned = engine.flows.pinned(received.namespace, received.flow, state.revision)
    if pinned is None or pinned.flow is None:
        raise FlowUnusable(pinned.error if pinned else "the execution's revision is not in the journal")
    shown = (await shown_to(pinned, call.identity)).flow
    assert shown is not None
    document = shown.document
    return json_response(
        FlowOutline(
            id=shown.id,
            namespace=shown.namespace,
            revision=state.revision,
            labels=labels_view(shown.labels),
            disabled=shown.disabled,
            description=shown.description or UNSET,
            inputs=document.get("inputs") or UNSET,
            outputs=document.get("outputs") or UNSET,
            variables=document.get("variables") or UNSET,
            tasks=[_outline(task) for task in shown.tasks],
            errors=[_outline(task) for task in shown.errors] or UNSET,
            finally_=[_outline(task) for task in shown.finally_] or UNSET,
            after_execution=[_outline(task) for task in shown.after_execution] or UNSET,
            triggers=[TriggerOutline(id=one.id, type=one.type) for one in shown.triggers] or UNSET,
        )
    )


def _outline(task: Task) -> TaskOutline:
    inside = [_outline(child) for block in task.blocks.values() for child in block]
    asked = task.setting("onResume") if issubclass(task.kind, Pause) else None
    names = ("namespace", "flowId", "revision") if issubclass(task.kind, Subflow) else ()
    subflow = {name: value for name in names if (value := task.setting(name)) is not None}
    return TaskOutline(
        id=task.id, type=task.type, tasks=inside or UNSET, inputs=asked or UNSET, subflow_id=subflow or UNSET
    )


def table(engine: Engine) -> list[Route]:
    """Files and the flow of an execution."""
    one = "/executions/<execution_id>"
    return [
        Route(
            "GET",
            f"{one}/file",
            partial(get_file, engine),
            summary="Download a file of an execution",
            query=FilePath,
            answers=Reply(None, "application/octet-stream"),
            errors=(404, 422),
        ),
        Route(
            "GET",
            f"{one}/file/metas",
            partial(get_metas, engine),
            summary="Read the size of a file of an execution",
            query=FilePath,
            answers=Reply(FileMetas),
            errors=(404, 422),
        ),
        Route(
            "GET",
            f"{one}/flow",
            partial(get_flow, engine),
            summary="Read the flow of an execution",
            query=Nothing,
            answers=Reply(FlowOutline),
            errors=(404, 409),
        ),
    ]
