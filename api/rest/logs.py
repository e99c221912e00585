"""REST: the lines that tasks wrote."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Annotated, ClassVar, Final, get_args

from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.queries import Paged, Query
from hookledger.api.rest.following import EVENT_STREAM, SILENCE, changes, sent
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Found, Level, LogOrigin, LogView
from hookledger.api.views import log_view
from hookledger.journal.errors import ExecutionUnknown
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import Query as IndexQuery
from hookledger.journal.store import Reader
from hookledger.journal.text import escaped

LEVELS: Final[tuple[str, ...]] = get_args(Level)
"""From the least to the most urgent."""
EXECUTIONS_MAX: Final = 200
"""How many executions a search looks into."""


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


class LogFollow(Query, frozen=True, kw_only=True):
    """Which lines."""

    min_level: Level = "TRACE"


class LogSearch(Paged, frozen=True, kw_only=True):
    """Which lines of which executions."""

    filters: ClassVar[Mapping[tuple[str, str], str]] = {
        ("q", "EQUALS"): "q",
        ("namespace", "EQUALS"): "exactNamespace",
        ("namespace", "PREFIX"): "namespace",
        ("flowId", "EQUALS"): "flowId",
        ("triggerId", "EQUALS"): "triggerId",
        ("level", "EQUALS"): "minLevel",
        ("level", "GREATER_THAN_OR_EQUAL_TO"): "minLevel",
    }

    namespace: str | None = None
    """A namespace and everything below it."""
    exact_namespace: str | None = None
    """A namespace alone."""
    flow_id: str | None = None
    trigger_id: str | None = None
    min_level: Level = "TRACE"
    q: str = ""
    """A part of the message."""

    def takes(self, line: LogView) -> bool:
        """True for a line that is wanted."""
        urgent = LEVELS.index(line.level) >= LEVELS.index(self.min_level)
        return urgent and self.q.casefold() in line.message.casefold()


async def list_logs(engine: Engine, call: Call, query: LogQuery) -> HttpResponse:
    """The lines of an execution in the order they were written."""
    return json_response(await lines(engine, call.path["execution_id"], query))


async def download_logs(engine: Engine, call: Call, query: LogQuery) -> HttpResponse:
    """The same as a text file."""
    execution_id = call.path["execution_id"]
    found = await lines(engine, execution_id, query)
    text = "".join(
        f"{escaped(f'{one.timestamp} {one.level} {one.task_id} {one.message}')}\n" for one in found
    )
    headers = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Disposition", f'attachment; filename="{execution_id}.log"'),
        ("X-Content-Type-Options", "nosniff"),
    )
    return HttpResponse(status=200, headers=headers, body=text.encode("utf-8", "replace"))


async def follow_logs(engine: Engine, call: Call, query: LogFollow) -> HttpResponse:
    """Ends with the execution."""
    execution_id = call.path["execution_id"]
    row = await engine.journal.ask(lambda reader: reader.row(execution_id))
    if row is None:
        raise ExecutionUnknown(execution_id)
    wanted = LogQuery(min_level=query.min_level)
    return HttpResponse(status=200, headers=EVENT_STREAM, stream=_written(engine, row, wanted))


async def search_logs(engine: Engine, call: Call, query: LogSearch) -> HttpResponse:
    """Lines of the newest executions that match, newest execution first."""
    wanted = IndexQuery(
        namespace=query.exact_namespace,
        namespace_prefix=query.namespace,
        flow=query.flow_id,
        trigger=query.trigger_id,
        limit=EXECUTIONS_MAX,
    )

    def look(reader: Reader) -> list[LogView]:
        rows, _ = reader.rows(wanted)
        return [log_view(row, line) for row in rows for line in reader.logs(row.execution)]

    found = [line for line in await engine.journal.ask(look) if query.takes(line)]
    return json_response(Found(results=found[query.offset :][: query.size], total=len(found)))


async def _written(engine: Engine, row: ExecutionRow, query: LogQuery) -> AsyncGenerator[bytes]:
    """The lines there are, then each as it becomes durable, until the execution has ended."""
    about = LogOrigin(namespace=row.namespace, flow_id=row.flow, execution_id=row.execution)
    yield sent("start", about)
    told = 0
    async with aclosing(changes(engine, row.execution)) as news:
        async for heard in news:
            now = await engine.journal.ask(lambda reader: reader.row(row.execution))
            found = await lines(engine, row.execution, query)
            for line in found[told:]:
                yield sent("progress", line)
            told = len(found)
            if now is None or not now.open:
                yield sent("end", about)
                return
            if not heard:
                yield SILENCE


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
            "/logs/search",
            partial(search_logs, engine),
            summary="Search the logs of the newest executions",
            query=LogSearch,
            answers=Reply(Found[LogView]),
        ),
        Route(
            "GET",
            "/logs/<execution_id>/follow",
            partial(follow_logs, engine),
            summary="Follow an execution's log",
            query=LogFollow,
            answers=Reply(LogOrigin, "text/event-stream"),
            errors=(404,),
        ),
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
