"""The API's shapes made from folded state. Pure functions."""

import base64
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET

from hookledger.actors.engine import Past
from hookledger.actors.flows import Revision
from hookledger.actors.off_loop import off_loop
from hookledger.api.shapes import (
    AttemptView,
    ExecutionSummary,
    ExecutionView,
    FailureView,
    FlowView,
    Label,
    LogView,
    Metadata,
    StateChange,
    StateView,
    TaskRunView,
    TriggerView,
    WebhookView,
)
from hookledger.journal.entry import Entry
from hookledger.journal.events import Failure, TriggerReceived
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import LogLine
from hookledger.runtime.durations import format_duration
from hookledger.runtime.histories import ShownRun, shown_runs
from hookledger.runtime.state import FINISHED, State
from hookledger.runtime.tasks.flow.subflow import Subflow
from hookledger.runtime.triggers.received import trigger_variables
from hookledger.runtime.variables import TENANT, iso_time, run_id

Result = TypeVar("Result")

TERMINAL = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED"})


EVENT_WEIGHT: Final = 256
"""Bytes that an event counts where it is decided whether its execution is shown beside the event loop."""


async def shown(past: Past, make: Callable[[ExecutionView], Result]) -> Result:
    """Make something of a past execution's view; of a long history beside the event loop.

    Args:
        make: Pure; such as the encoding of the view.
    """
    return await off_loop(lambda: make(past_view(past)), size=len(past.events) * EVENT_WEIGHT)


def past_view(past: Past) -> ExecutionView:
    """An execution with its task runs, as its events have them."""
    return execution_view(past.execution, past.state, shown_runs(past.flow, past.state, past.events))


def execution_view(execution_id: str, state: State, runs: Iterable[ShownRun] = ()) -> ExecutionView:
    """An execution with these task runs."""
    received = state.received
    assert received is not None
    return ExecutionView(
        id=execution_id,
        namespace=received.namespace,
        flow_id=received.flow,
        flow_revision=state.revision,
        task_run_list=[task_run_view(execution_id, received, run) for run in runs],
        inputs=received.inputs,
        labels=labels_view(state.labels),
        state=state_view(state.history),
        original_id=received.original or execution_id,
        trigger=trigger_view(received) if received.trigger or received.parent_path else UNSET,
        metadata=Metadata(attempt_number=state.generation + 1, original_created_date=iso_time(received.at)),
        outputs=state.outputs or UNSET,
        error=_failure(getattr(state.terminal, "error", None), getattr(state.terminal, "path", "")),
        parent_id=received.parent or received.retry_of or received.labels.get("system.replayOf") or UNSET,
        trace_parent=received.traceparent or UNSET,
    )


def webhook_view(execution_id: str, state: State, public_url: str) -> WebhookView:
    """What a webhook's caller may see."""
    received = state.received
    assert received is not None
    path = f"/ui/{TENANT}/executions/{received.namespace}/{received.flow}/{execution_id}"
    return WebhookView(
        tenant_id=TENANT,
        id=execution_id,
        namespace=received.namespace,
        flow_id=received.flow,
        flow_revision=received.revision,
        trigger=trigger_view(received),
        labels=labels_view(state.labels),
        state=state_view(state.history),
        outputs=state.outputs or UNSET,
        url=public_url.rstrip("/") + path if public_url else UNSET,
    )


def row_view(row: ExecutionRow, quarantined: Mapping[str, str] = MappingProxyType({})) -> ExecutionSummary:
    """An execution as lists show it; of one in quarantine also the reason."""
    history = [("CREATED", row.started), *([("RUNNING", row.began)] if row.began else [])]
    if row.state not in ("CREATED", "RUNNING"):
        history.append((row.state, row.ended or row.began or row.started))
    return ExecutionSummary(
        id=row.execution,
        namespace=row.namespace,
        flow_id=row.flow,
        flow_revision=row.revision,
        labels=labels_view(row.labels),
        state=state_view(tuple(history)),
        original_id=row.original or row.execution,
        parent_id=row.parent or row.replay_of or UNSET,
        quarantine=quarantined.get(row.execution) or UNSET,
    )


def state_view(history: tuple[tuple[str, int], ...]) -> StateView:
    """A state from when each was entered."""
    current, at = history[-1]
    began = history[0][1]
    over = current in FINISHED
    return StateView(
        current=current,  # type: ignore[arg-type]
        histories=[StateChange(state=state, date=iso_time(when)) for state, when in history],  # type: ignore[arg-type]
        start_date=iso_time(began),
        end_date=iso_time(at) if over else UNSET,
        duration=format_duration(at - began) if over else UNSET,
    )


def trigger_view(received: TriggerReceived) -> TriggerView:
    """The trigger and its variables."""
    name, kind = received.trigger, received.trigger_type
    if not name:
        name, kind = received.parent_path.rpartition("/")[2], Subflow.types[0]
    return TriggerView(id=name, type=kind, variables=trigger_variables(received))


def labels_view(labels: Mapping[str, str]) -> list[Label]:
    """Labels as a list of key and value."""
    return [Label(key=key, value=value) for key, value in labels.items()]


def task_run_view(execution_id: str, received: TriggerReceived, run: ShownRun) -> TaskRunView:
    """One task run."""
    return TaskRunView(
        id=run_id(execution_id, run.path),
        execution_id=execution_id,
        namespace=received.namespace,
        flow_id=received.flow,
        task_id=run.task,
        attempts=[AttemptView(state=state_view(attempt.history)) for attempt in run.attempts],
        outputs=run.outputs,
        state=state_view(run.history),
        parent_task_run_id=run_id(execution_id, run.parent) if run.parent else UNSET,
        iteration=UNSET if run.iteration is None else run.iteration,
        value=UNSET if run.value is None else run.value,
        error=_failure(run.error),
    )


def log_view(row: ExecutionRow, line: LogLine) -> LogView:
    """A log line."""
    return LogView(
        namespace=row.namespace,
        flow_id=row.flow,
        execution_id=row.execution,
        task_id=line.path.rpartition("/")[2],
        task_run_id=run_id(row.execution, line.path),
        attempt_number=line.attempt - 1,
        timestamp=iso_time(line.at),
        level=line.level,  # type: ignore[arg-type]
        message=line.message,
    )


def flow_view(revision: Revision, *, source: bool = False, deleted: bool = False) -> dict[str, Any]:
    """A flow as its author wrote it, with what `FlowView` adds."""
    registered, flow = revision.registered, revision.flow
    view = FlowView(
        id=registered.flow,
        namespace=registered.namespace,
        revision=registered.revision,
        updated=iso_time(registered.at),
        labels=labels_view(flow.labels if flow else {}),
        disabled=flow.disabled if flow else False,
        deleted=deleted,
        exception=revision.error or UNSET,
        source=registered.source if source else UNSET,
    )
    return {**(flow.document if flow else {}), **msgspec.to_builtins(view)}


def receipt(entry: Entry) -> str:
    """What a caller can later prove: which entry of the journal holds what it was told."""
    leaf = base64.urlsafe_b64encode(entry.leaf).decode().rstrip("=")
    return f"execution={entry.header.exec}; entry={entry.header.n}; leaf={leaf}"


def _failure(error: Failure | None, task: str | None = None) -> FailureView | msgspec.UnsetType:
    if error is None:
        return UNSET
    return FailureView(message=error.message, kind=error.kind, task=UNSET if task is None else task)
