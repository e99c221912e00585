"""REST: the numbers that tasks measured, from the events that keep them."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Final

from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.queries import Paged
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Found, Shape
from hookledger.journal.events import ExecutionEvent, TaskReturned
from hookledger.runtime.variables import iso_time, run_id

MILLISECONDS: Final = 1000


class MetricView(Shape, frozen=True, kw_only=True):
    """A number a task measured in one attempt."""

    namespace: str
    flow_id: str
    execution_id: str
    task_id: str
    task_run_id: str
    attempt_number: int
    """From 0."""
    type: str
    """counter, timer or gauge."""
    name: str
    value: float
    """Of a timer milliseconds."""
    timestamp: str
    tags: Mapping[str, str]


class MetricQuery(Paged, frozen=True, kw_only=True):
    """Which numbers."""

    task_id: str | None = None
    task_run_id: str | None = None
    sort: Annotated[str, Meta(pattern=r"^(timestamp|name|value)(:(asc|desc))?$")] = "timestamp:asc"

    def takes(self, metric: MetricView) -> bool:
        """True for a number that is wanted."""
        return self.task_id in (None, metric.task_id) and self.task_run_id in (None, metric.task_run_id)

    def sorted(self, metrics: Iterable[MetricView]) -> list[MetricView]:
        """In the wanted order; equal ones as they were measured."""
        field, _, direction = self.sort.partition(":")
        order = {"timestamp": _time, "name": _name, "value": _value}[field]
        return sorted(metrics, key=order, reverse=direction == "desc")


def _time(metric: MetricView) -> Any:
    return metric.timestamp


def _name(metric: MetricView) -> Any:
    return metric.name


def _value(metric: MetricView) -> Any:
    return metric.value


async def list_metrics(engine: Engine, call: Call, query: MetricQuery) -> HttpResponse:
    """The numbers of an execution."""
    execution_id = call.path["execution_id"]
    received = (await engine.replay(execution_id)).received
    assert received is not None
    found = metrics_of(execution_id, received.namespace, received.flow, await engine.events(execution_id))
    wanted = query.sorted(metric for metric in found if query.takes(metric))
    return json_response(Found(results=wanted[query.offset :][: query.size], total=len(wanted)))


def metrics_of(
    execution_id: str, namespace: str, flow_id: str, events: Iterable[ExecutionEvent]
) -> Iterator[MetricView]:
    """What an execution's own attempts measured; a fork's origin keeps its own."""
    for event in events:
        if not isinstance(event, TaskReturned):
            continue
        for metric in event.metrics:
            yield MetricView(
                namespace=namespace,
                flow_id=flow_id,
                execution_id=execution_id,
                task_id=event.task,
                task_run_id=run_id(execution_id, event.path),
                attempt_number=event.attempt - 1,
                type=metric.kind,
                name=metric.name,
                value=metric.value * MILLISECONDS if metric.kind == "timer" else metric.value,
                timestamp=iso_time(metric.at),
                tags=metric.tags,
            )


def table(engine: Engine) -> list[Route]:
    """Metrics."""
    return [
        Route(
            "GET",
            "/metrics/<execution_id>",
            partial(list_metrics, engine),
            summary="Read an execution's metrics",
            query=MetricQuery,
            answers=Reply(Found[MetricView]),
            errors=(404,),
        )
    ]
