"""REST: the lines that tasks wrote."""

from functools import partial
from typing import Annotated, Final, get_args

from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.queries import Query
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Level, LogView
from hookledger.api.views import log_view
from hookledger.journal.errors import ExecutionUnknown

LEVELS: Final[tuple[str, ...]] = get_args(Level)
"""From the least to the most urgent."""


class LogQuery(Query, frozen=True, kw_only=True):
    """Which lines."""

    min_level: Level = "TRACE"
    task_id: str | None = None
    task_run_id: str | None = None
    attempt: Annotated[int, Meta(ge=0)] | None = None
    """From 0, as `attemptNumber`."""

    def takes(self, line: LogView) -> bool:
        """True for a line that is wanted."""
        return (
            LEVELS.index(line.level) >= LEVELS.index(self.min_level)
            and self.task_id in (None, line.task_id)
            and self.task_run_id in (None, line.task_run_id)
            and self.attempt in (None, line.attempt_number)
        )


async def list_logs(engine: Engine, call: Call, query: LogQuery) -> HttpResponse:
    """The lines of an execution in the order they were written."""
    return json_response(await lines(engine, call.path["execution_id"], query))


async def download_logs(engine: Engine, call: Call, query: LogQuery) -> HttpResponse:
    """The same as a text file."""
    execution_id = call.path["execution_id"]
    found = await lines(engine, execution_id, query)
    text = "".join(f"{one.timestamp} {one.level} {one.task_id} {one.message}\n" for one in found)
    headers = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Disposition", f'attachment; filename="{execution_id}.log"'),
        ("X-Content-Type-Options", "nosniff"),
    )
    return HttpResponse(status=200, headers=headers, body=text.encode("utf-8", "replace"))


async def lines(engine: Engine, execution_id: str, query: LogQuery) -> list[LogView]:
    """The wanted lines of an execution.

    Raises:
        ExecutionUnknown: There is none of this id.
    """
    row = await engine.journal.ask(lambda reader: reader.row(execution_id))
    if row is None:
        raise ExecutionUnknown(execution_id)
    written = await engine.journal.ask(lambda reader: reader.logs(execution_id))
    return [line for line in (log_view(row, one) for one in written) if query.takes(line)]


def table(engine: Engine) -> list[Route]:
    """Log lines."""
    return [
        Route(
            "GET",
            "/logs/<execution_id>",
            partial(list_logs, engine),
            summary="Read an execution's log",
            query=LogQuery,
            answers=Reply(list[LogView]),
            errors=(404,),
        ),
        Route(
            "GET",
            "/logs/<execution_id>/download",
            partial(download_logs, engine),
            summary="Download an execution's log",
            query=LogQuery,
            answers=Reply(None, "text/plain"),
            errors=(404,),
        ),
    ]
